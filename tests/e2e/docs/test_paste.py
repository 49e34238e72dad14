"""Paste every block that is marked `sh` into interactive bash, zsh and fish, with bracketed paste and without. The shell
must accept every line, and the last one must succeed."""

from __future__ import annotations

import re
from pathlib import Path

import pexpect
import pytest

from tcenv.sandbox import Sandbox
from tests.docs.blocks import Block, read_blocks, write_programs
from tests.programs import require
from tests.world import sign_in

# The shells are interactive and have no start-up files. zsh then has no comments at its prompt.
SHELLS = {"bash": ["--noprofile", "--norc", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}
INIT = {"fish": "tcenv init fish | source"}
STATUS = {"fish": "$status"}
# Messages of a shell about a line that it cannot read or run.
REFUSED = re.compile(
    r"command not found|[Uu]nknown command|no matches found|parse error|syntax error|bad pattern|Unsupported use|"
    r"No matches for wildcard|Expected a|not a valid identifier|event not found"
)
# LAST removes everything. ELSEWHERE starts a server, and tests/e2e/sandbox runs it.
LAST, ELSEWHERE = "docs/install.md", "docs/sandbox.md"
# This test runs the blocks with this reason.
TYPED = "tests/e2e/docs/test_paste.py pastes it"


def pasted() -> list[Block]:
    """Return the blocks in the order in which the test pastes them."""
    found = [
        block
        for block in read_blocks()
        if block.language == "sh" and block.page != ELSEWHERE and (not block.reason or TYPED in block.reason)
    ]
    return sorted(found, key=lambda block: block.page == LAST)


@pytest.mark.parametrize("bracketed", [True, False], ids=["bracketed", "plain"])
@pytest.mark.parametrize("shell", SHELLS)
def test_each_block_can_be_pasted_as_a_whole(shell: str, bracketed: bool, tmp_path: Path) -> None:
    write_programs(tmp_path)
    with Sandbox() as sandbox:
        (tmp_path / "config.toml").write_text(f'[profiles.community]\nroot_url = "{sandbox.root_url}"\n')
        env = sign_in(sandbox, TCENV_CONFIG=str(tmp_path / "config.toml"))
        env |= {"PATH": f"{tmp_path / 'bin'}:{env['PATH']}", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        child = pexpect.spawn(
            require(shell),
            SHELLS[shell],
            env=env,
            cwd=str(tmp_path),
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 500),
        )

        def run(text: str, end: str) -> tuple[str, str]:
            """Send a text and a line that prints its status. Return the output and the status."""
            child.send(text)
            child.send(f"echo end-{STATUS.get(shell, '$?')}-{end}\r")
            child.expect(rf"end-(\d+)-{end}\b")
            assert child.match is not None
            return child.before or "", child.match[1]

        try:
            shown, status = run(INIT.get(shell, f'eval "$(tcenv init {shell})"') + "\r", "init")
            assert status == "0", shown
            for number, block in enumerate(pasted()):
                text = f"\x1b[200~{block.text}\x1b[201~\r" if bracketed else block.text.replace("\n", "\r")
                shown, status = run(text, f"n{number}")
                assert not REFUSED.search(shown), (block.id, shown)
                assert status == "0", (block.id, shown)
        finally:
            child.close(force=True)


def test_blocks_hold_nothing_that_breaks_in_zsh() -> None:
    """A comment after a command and a star outside of quotes break in zsh."""
    wrong = [
        f"{block.id}: {line}"
        for block in read_blocks()
        if block.language in ("sh", "bash", "zsh", "fish")
        for line in re.sub(r"'[^']*'|\"[^\"]*\"", "", block.text).splitlines()
        if re.search(r"(^|\s)#", line) or "*" in line or (block.language == "sh" and "$?" in line)
    ]
    assert wrong == []
