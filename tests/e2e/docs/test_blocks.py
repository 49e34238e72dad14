"""Run every command block of README and docs as it is written. The shell blocks of a page run in one shell, in their
order. Sandboxes replace the deployments; nothing calls a real root URL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tcenv.config import config_file
from tcenv.sandbox import Sandbox
from tests.docs.blocks import Block, read_blocks, write_programs
from tests.programs import require
from tests.world import make_env, sign_in

BLOCKS = read_blocks()
_SHELLS = {"sh": "bash", "bash": "bash", "zsh": "zsh", "fish": "fish"}
RUN = [block for block in BLOCKS if not block.reason]
# tests/e2e/sandbox runs docs/sandbox.md.
_ELSEWHERE = ("docs/sandbox.md",)

# How many blocks of a page do not run. A new one needs a reason.
NOT_RUN = {
    "README.md": 3,
    "docs/agents.md": 1,
    "docs/coming.md": 1,
    "docs/elsewhere.md": 3,
    "docs/install.md": 1,
    "docs/prompt.md": 1,
    "docs/proxy.md": 5,
    "docs/remote.md": 2,
}


def _select(*languages: str) -> list[Block]:
    return [block for block in RUN if block.language in languages and block.page not in _ELSEWHERE]


def _group_by_shell() -> list[tuple[str, str, list[Block]]]:
    """Group the shell blocks by page and shell."""
    found: dict[tuple[str, str], list[Block]] = {}
    for block in _select(*_SHELLS):
        found.setdefault((block.page, _SHELLS[block.language]), []).append(block)
    return [(page, shell, own) for (page, shell), own in found.items()]


SERIES = _group_by_shell()


@contextmanager
def _sign_in(page: str, folder: Path) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """Sign in to a deployment that the configuration calls `community`. Yield the deployment and the environment."""
    write_programs(folder)
    with Sandbox() as sandbox:
        (folder / "config.toml").write_text(f'[profiles.community]\nroot_url = "{sandbox.root_url}"\n')
        known = {"TCENV_CONFIG": str(folder / "config.toml")}
        env = make_env(sandbox, **known)
        sign_in(sandbox, **known)
        if page == "docs/elsewhere.md":
            del env["BROWSER"]
        env["PATH"] = f"{folder / 'bin'}{os.pathsep}{env['PATH']}"
        yield sandbox, env


def _run(command: list[str], env: dict[str, str], folder: Path) -> str:
    """Run a program without a terminal and return its output. End every process that it left."""
    # Use a file. A process that a block leaves in the background would hold a pipe open.
    with open(folder / "output", "w+") as file:
        process = subprocess.Popen(
            command,
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(100)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output = (folder / "output").read_text()
    assert process.returncode == 0, output
    assert "Traceback" not in output
    return output


@pytest.mark.parametrize(("page", "shell", "own"), SERIES, ids=[f"{page}-{shell}" for page, shell, _ in SERIES])
def test_the_shell_blocks_of_a_page_run(page: str, shell: str, own: list[Block], tmp_path: Path) -> None:
    script = "".join(f"echo '# {block.id}'\n{block.text}\n" for block in own)
    with _sign_in(page, tmp_path) as (sandbox, env):
        stop = [] if shell == "fish" else ["-e"]
        output = _run([require(shell), *stop, "-c", script], env, tmp_path)
        tokens = [client.access_token for client in sandbox.clients.values()]
    assert [block.id for block in own if f"# {block.id}\n" not in output] == []
    assert [token for token in tokens if token in output] == []


@pytest.mark.parametrize("block", _select("python"), ids=lambda block: block.id)
def test_a_block_of_python(block: Block, tmp_path: Path) -> None:
    with _sign_in(f"python of {block.page}", tmp_path) as (_, env):
        _run([sys.executable, "-c", block.text], env, tmp_path)


@pytest.mark.parametrize("block", _select("toml", "json"), ids=lambda block: block.id)
def test_a_block_of_data_is_valid(block: Block) -> None:
    if block.language == "json":
        assert json.loads(block.text)
    elif "[profiles." in block.text or "[purposes." in block.text:
        assert config_file.parse(block.text, block.page) != config_file.Configuration()
    else:
        assert tomllib.loads(block.text)


def test_each_block_has_a_known_language() -> None:
    kinds = {*_SHELLS, "python", "toml", "json", "text"}
    assert [f"{block.id}: {block.language or 'no language'}" for block in RUN if block.language not in kinds] == []
    # Only the generated reference shows the output of commands.
    assert {block.page for block in RUN if block.language == "text"} <= {"docs/commands.md"}


def test_the_number_of_blocks_that_are_not_run_is_known() -> None:
    assert Counter(block.page for block in BLOCKS if block.reason) == NOT_RUN
