"""Runs the long form of the attacks and faults, and writes docs/reliability.md: what was run, how often, and how it ended; a row
whose tests failed says so, one that was not run is not there."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
NOTHING = "nothing"
FUZZ = "tests/reliability/test_fuzz.py::"


@dataclass(frozen=True)
class Row:
    """An attack or a fault: its words, and the tests that go through it. `noted` is the name under which they record how often
    (empty: the cases that passed are counted); `unit` is what is counted."""

    attack: str
    sees: str
    tests: tuple[str, ...]
    noted: str = ""
    unit: str = "cases"
    lost: str = NOTHING


ROWS = (
    Row(
        "Callbacks, mutated from a genuine one, to the listener's socket; then the genuine one",
        "nothing: each gets an error without a word, and the genuine answer is taken",
        (FUZZ + "test_fuzzed_callbacks_are_not_taken_and_the_genuine_one_is",),
        "callbacks",
        "requests",
    ),
    Row(
        "Requests, mutated from a genuine one, read",
        "nothing: what is not of the exact form is refused",
        (FUZZ + "test_parsed_requests_are_of_the_exact_form_or_refused",),
        "requests",
        "requests",
    ),
    Row(
        "Session files, mutated",
        "that the stored session is damaged; `login` makes a new one",
        (FUZZ + "test_session_files_are_whole_or_damaged",),
        "session files",
        "files",
    ),
    Row(
        "Configurations, mutated",
        "the line and the key that are wrong",
        (FUZZ + "test_configurations_are_read_or_named_as_wrong",),
        "configurations",
        "files",
    ),
    Row(
        "Indexes of the configuration, mutated, and one that is stale",
        "nothing: the configuration itself is read",
        (FUZZ + "test_an_index_is_of_the_configuration_as_it_is_or_not_taken",),
        "indexes",
        "files",
    ),
    Row(
        "Writers of a session killed (KILL)",
        "the old session or the new one, whole",
        ("tests/test_sessions.py::test_a_thousand_kills_leave_no_torn_session",),
        "kills",
        "kills",
    ),
    Row(
        "Answers of a deployment that lies, stalls or sends what is no answer",
        "one sentence; the session stays as it was",
        ("tests/deployment/test_lies.py",),
    ),
    Row(
        "Another user of the machine answers; the deployment rejects, is out, is somebody else's; a full disk; few descriptors",
        "said on the wait; the genuine answer is still taken, and reaches the shell where it cannot be stored",
        ("tests/signin/test_wait.py",),
    ),
    Row(
        "Hostile environments at the start of a shell and at its prompts, in each shell that has a hook",
        "nothing: no command in them is run",
        ("tests/init/test_hostile.py::test_no_variable_is_believed",),
        "hooks",
        "environments",
    ),
    Row(
        "Session files that tcenv has not written, in each shell's hook",
        "nothing: they are not loaded",
        ("tests/init/test_hostile.py::test_no_file_is_believed_that_tcenv_has_not_written",),
    ),
    Row(
        "Signals at any moment of a command, closed and full streams",
        "that it was interrupted or cannot write; the evaluation fails",
        ("tests/test_ending.py",),
    ),
    Row(
        "Interruptions of a reset by INT, TERM, HUP and KILL at random moments",
        "that it was interrupted; after KILL, `login` heals by itself",
        ("tests/signin/test_reset.py::test_interruptions_lose_nothing",),
        "interruptions",
        "interruptions",
        "{lost} tokens, all to KILL",
    ),
)
MUTATIONS = Path(__file__).with_name("mutations.md")


def run(row: Row, folder: str) -> str:
    """The row's line of the table."""
    report, notes = Path(folder, "report.xml"), Path(folder, "notes")
    report.unlink(missing_ok=True)
    notes.write_text("")
    env = {"TCENV_FUZZ": "1", "TCENV_INTERRUPTIONS": "300", **os.environ, "TCENV_RELIABILITY": str(notes)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:xonsh",
        "--timeout=1800",
        f"--junitxml={report}",
        *row.tests,
    ]
    status = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    failed = [case for case in cases if list(case.iter("failure")) or list(case.iter("error"))]
    noted = [json.loads(line) for line in notes.read_text().splitlines()]
    noted = [note for note in noted if note["attack"] == row.noted]
    count = sum(note["count"] for note in noted) if row.noted else len(cases) - len(failed)
    tests = "<br>".join(f"`{test}`" for test in row.tests)
    sees, lost = row.sees, row.lost.format(lost=sum(note["lost"] for note in noted))
    if status or failed or not count:
        sees, lost = f"**{len(failed) or 'some'} of {len(cases)} tests failed in this run**", "not shown"
    return f"| {row.attack} | {count:,} {row.unit} | {sees} | {lost} | {tests} |"


def page(lines: list[str]) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    today = datetime.datetime.now(datetime.UTC).date()
    return "\n".join(
        (
            "# Reliability",
            "",
            "What tcenv was put through, written by `make fuzz`. A short form of the same runs in `make test`.",
            "",
            f"{today}, commit {commit.stdout.strip()}, {platform.system()} on {platform.machine()} with {os.cpu_count()} cores, "
            f"Python {platform.python_version()}.",
            "",
            "| Attack or fault | How often | What the user sees | What was lost | Tests |",
            "| --- | --- | --- | --- | --- |",
            *lines,
            "",
            "A fault that has no row was not run to its end in this run. Rows are written one by one as their tests end.",
            "",
            MUTATIONS.read_text() if MUTATIONS.exists() else "",
        )
    ).rstrip() + "\n"  # fmt: skip


def main() -> int:
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            lines.append(run(row, folder))
            # As far as it has come: who interrupts it has what was run.
            whole = Path(folder, "page.md")
            whole.write_text(page(lines), encoding="utf-8")
            shutil.copyfile(whole, part := PAGE.with_suffix(".part"))
            os.replace(part, PAGE)
    return int(any("tests failed" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
