"""Run the long form of the attacks and faults, and write docs/reliability.md, with the number and the result of each.

A row whose tests failed says so. A row that did not run is missing."""

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
FUZZ = "tests/unit/reliability/test_fuzz.py::"
WAIT = "tests/e2e/signin/test_wait.py::"
OTHER_USERS = "tests/privileged/test_other_users.py::"
REMOTE = "tests/privileged/remote/"
RESET = "tests/e2e/signin/test_reset.py::"


@dataclass(frozen=True)
class Row:
    """An attack or a fault, and the tests that run it. `noted` is the name under which the tests record how often (empty: count
    the cases that passed). `unit` names what is counted."""

    attack: str
    sees: str
    tests: tuple[str, ...]
    noted: str = ""
    unit: str = "cases"
    lost: str = NOTHING


ROWS = (
    Row(
        "Mutated callbacks to the listener's socket, and then the genuine one",
        "nothing: each gets an empty error, and tcenv accepts the genuine answer",
        (FUZZ + "test_fuzzed_callbacks_are_not_taken_and_the_genuine_one_is",),
        "callbacks",
        "requests",
    ),
    Row(
        "Mutated requests to the parser",
        "nothing: tcenv refuses every request that does not have the exact form",
        (FUZZ + "test_parsed_requests_are_of_the_exact_form_or_refused",),
        "requests",
        "requests",
    ),
    Row(
        "Mutated session files",
        "that the stored session is damaged; `login` creates a new one",
        (FUZZ + "test_session_files_are_whole_or_damaged",),
        "session files",
        "files",
    ),
    Row(
        "Mutated configurations",
        "the line and the key that are wrong",
        (FUZZ + "test_configurations_are_read_or_named_as_wrong",),
        "configurations",
        "files",
    ),
    Row(
        "Mutated indexes of the configuration, and a stale one",
        "nothing: tcenv reads the configuration itself",
        (FUZZ + "test_an_index_is_of_the_configuration_as_it_is_or_not_taken",),
        "indexes",
        "files",
    ),
    Row(
        "SIGKILL of a process that writes a session",
        "the old session or the new one, complete",
        ("tests/e2e/test_session_files.py::test_a_thousand_kills_leave_no_torn_session",),
        "kills",
        "kills",
    ),
    Row(
        "A deployment that lies, stalls or sends invalid answers",
        "one sentence; the session is unchanged",
        ("tests/e2e/deployment/test_faults.py",),
    ),
    Row(
        "Another user of the machine answers in the browser's place, or takes a directory of tcenv",
        "during the wait, that another user's process was refused; tcenv accepts the genuine answer and uses only its places",
        (
            WAIT + "test_another_users_process_is_refused_and_the_wait_goes_on",
            "tests/privileged/test_peer.py",
            "tests/e2e/test_store_choice.py::test_a_runtime_directory_of_another_user_counts_as_unset",
            "tests/e2e/test_session_files.py::test_an_unsafe_store_is_refused_with_the_reason",
        ),
    ),
    Row(
        "Another user waits for the port of a sign-in: resets in the wait; then Ctrl-C, SIGTERM, a timeout or SIGKILL, and "
        "Save on the page that is still open",
        "in the wait nothing, tcenv accepts the genuine answer; then, that the sign-in has ended and its client was deleted",
        (
            OTHER_USERS + "test_a_reset_connection_in_the_wait_frees_no_port",
            OTHER_USERS + "test_after_the_wait_the_port_stays_held_while_the_page_is_open",
        ),
        "ports of sign-ins",
        "thefts",
    ),
    Row(
        "Another user waits for the proxy's port: a program outlives its run, its run is killed, a shell goes on after "
        "`tcenv proxy`",
        "nothing: the program gets a 410",
        (
            OTHER_USERS + "test_only_tcenv_answers_a_program_that_outlives_its_run",
            OTHER_USERS + "test_only_tcenv_answers_a_shell_after_the_end_of_its_proxy",
        ),
        "ports of proxies",
        "thefts",
    ),
    Row(
        "At a random moment, the connection of `tcenv ssh` is cut, tcenv is killed, or both tcenv and ssh are killed",
        "the end of the run; no process, port or file of it stays on either side, except a socket here until the next run",
        (REMOTE + "test_cleanup.py::test_nothing_stays_after_an_end_at_any_moment",),
        "connections of tcenv ssh",
        "runs",
    ),
    Row(
        "A search for the run's token on both sides of `tcenv ssh`: arguments, environments, files, logs, terminals",
        "nothing",
        (REMOTE + "test_secrets.py::test_no_token_where_anybody_can_look",),
        "recorded terminals of tcenv ssh",
        "terminals",
    ),
    Row(
        "During the wait: a rejected answer, an outage of the deployment, another person's client, a wrong clock",
        "a message, and the wait continues; tcenv still accepts the genuine answer",
        tuple(
            WAIT + name
            for name in (
                "test_rejected_credentials_do_not_end_the_wait",
                "test_verification_is_retried_after_an_outage",
                "test_another_user_than_last_time_is_reported",
                "test_a_wrong_clock_is_reported_during_the_wait",
                "test_an_unreachable_deployment_is_reported_during_the_wait",
                "test_an_endless_line_uses_bounded_memory",
            )
        ),
    ),
    Row(
        "A full disk: before a reset, after it, after an approval, during a report",
        "before: that nothing was changed; after: that only this shell has the session; a report fails",
        (
            RESET + "test_a_full_disk_prevents_a_reset",
            RESET + "test_a_store_that_fails_after_the_reset_costs_no_token[full]",
            WAIT + "test_a_session_that_cannot_be_stored_reaches_the_shell",
            "tests/e2e/test_signals_and_streams.py::test_a_report_that_cannot_be_written_fails",
            "tests/e2e/test_signals_and_streams.py::test_a_full_stdout_is_an_error",
            "tests/e2e/test_signals_and_streams.py::test_a_full_stderr_loses_no_session",
        ),
    ),
    Row(
        "A read-only store or home: before a reset, after it, at a sign-in",
        "before: that nothing was changed; otherwise, that only this shell has the session",
        (
            RESET + "test_a_read_only_store_prevents_a_reset",
            RESET + "test_a_store_that_fails_after_the_reset_costs_no_token[read-only]",
            "tests/e2e/test_home_directory.py::test_a_read_only_home_works",
        ),
    ),
    Row(
        "Few file descriptors: 16 for a sign-in (`ulimit -n 16`), 3 to 7 for the start of a command",
        "with 16: nothing, it works; with fewer: one sentence, and the evaluation fails",
        (
            WAIT + "test_a_sign_in_with_few_descriptors_works_or_fails_cleanly",
            "tests/e2e/test_signals_and_streams.py::test_too_few_descriptors_fail_the_evaluation",
        ),
    ),
    Row(
        "SIGKILL between a reset and storing it, or between an approval and its verification, more often than there are names",
        "that the session was lost and its client is deleted; `login` creates a new one",
        (
            RESET + "test_killed_resets_do_not_use_up_the_names",
            WAIT + "test_killed_approvals_do_not_use_up_the_names",
        ),
        lost="the sessions that SIGKILL hit",
    ),
    Row(
        "Thirty days of sign-ins on two machines with two profiles each, of a public and of a private deployment",
        "nothing: the same client every day, and no sign-in ends another token",
        ("tests/e2e/test_client_names.py::test_each_machine_and_profile_keeps_its_client_for_thirty_days",),
        "days",
        "days",
    ),
    Row(
        "A home directory that is not an absolute path, with a configuration in it",
        "that the home directory is unknown; tcenv reads and writes nothing there",
        ("tests/e2e/test_home_directory.py::test_a_relative_home_is_refused",),
    ),
    Row(
        "Hostile environments at the start of a shell and at its prompts, in each shell that has a hook",
        "nothing: the shell runs no command in them",
        ("tests/shells/test_hook_security.py::test_no_command_in_a_variable_runs",),
        "hooks",
        "environments",
    ),
    Row(
        "Session files that tcenv has not written, in each shell's hook",
        "nothing: the hook does not load them",
        ("tests/shells/test_hook_security.py::test_no_file_is_loaded_that_tcenv_has_not_written",),
    ),
    Row(
        "Signals at any moment of a command; closed and full streams",
        "that the command was interrupted or cannot write; the evaluation fails",
        ("tests/e2e/test_signals_and_streams.py",),
    ),
    Row(
        "Interruptions of a reset by SIGINT, SIGTERM, SIGHUP and SIGKILL at random moments",
        "that it was interrupted; after SIGKILL, `login` recovers by itself",
        ("tests/e2e/signin/test_reset.py::test_interruptions_lose_no_session",),
        "interruptions",
        "interruptions",
        "{lost} tokens, all by SIGKILL",
    ),
)
MUTATIONS = Path(__file__).with_name("mutations.md")


def run_row(row: Row, folder: str) -> str:
    """Run the tests of a row. Return its line of the table."""
    report, notes = Path(folder, "report.xml"), Path(folder, "notes")
    report.unlink(missing_ok=True)
    notes.write_text("")
    env = {"TCENV_TEST_FUZZ": "1", "TCENV_TEST_INTERRUPTIONS": "300", **os.environ, "TCENV_TEST_NOTES": str(notes)}
    options = ["-q", "-p", "no:xonsh", "--timeout=900", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", *options, *row.tests]
    status = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    failed = [case for case in cases if list(case.iter("failure")) or list(case.iter("error"))]
    noted = [json.loads(line) for line in notes.read_text().splitlines()]
    noted = [note for note in noted if note["attack"] == row.noted]
    count = sum(note["count"] for note in noted) if row.noted else len(cases) - len(failed)
    tests = "<br>".join(f"`{test}`" for test in row.tests)
    sees, lost = row.sees, row.lost.format(lost=sum(note["lost"] for note in noted))
    if status or failed or not count:
        sees, lost = f"**{len(failed) or 'some'} of {len(cases)} tests failed in this run**", "not shown"
    return f"| {row.attack} | {count:,} {row.unit} | {sees} | {lost} | {tests} |"


def render_page(lines: list[str]) -> str:
    """Return the page with these lines of the table."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    today = datetime.datetime.now(datetime.UTC).date()
    return "\n".join(
        (
            "# Reliability",
            "",
            "`make fuzz` runs these attacks and faults, and writes this page. `make test` runs a short form of each.",
            "",
            f"{today}, commit {commit.stdout.strip()}, {platform.system()} on {platform.machine()} with {os.cpu_count()} cores, "
            f"Python {platform.python_version()}.",
            "",
            "| Attack or fault | How often | What the user sees | What was lost | Tests |",
            "| --- | --- | --- | --- | --- |",
            *lines,
            "",
            "`make fuzz` writes each row when its tests end. If a fault has no row, its tests did not end in this run.",
            "",
            MUTATIONS.read_text() if MUTATIONS.exists() else "",
        )
    ).rstrip() + "\n"  # fmt: skip


def main() -> int:
    """Run all rows. Return 1 if tests failed."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            lines.append(run_row(row, folder))
            # Write the page after each row, so that an interruption loses none.
            whole = Path(folder, "page.md")
            whole.write_text(render_page(lines), encoding="utf-8")
            shutil.copyfile(whole, part := PAGE.with_suffix(".part"))
            os.replace(part, PAGE)
    return int(any("tests failed" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
