"""Run commands with `exec` on Windows: programs and batch files get the typed arguments unchanged."""

from __future__ import annotations

import ast
import json
import os
import shutil
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.windows.world import PYTHON, make_env, store_session, tcenv

HOSTILE = [
    "", " ", "a b", '"', '""', 'a"b c', "\\", "\\\\", "dir\\", 'a\\"b', 'a\\\\"', "%PATH%", "%", "%%", "^", "^^", "&", "&&", "|",
    "& echo injected", '" & echo injected & "', "<in", ">out", "(", ")", "!x!", "!", "*", "?.*", "'", "`", "$x", "$(x)", "é漢",
    ";", ",", "=", "/c", "-x", "--", "@file", "~", "{a,b}", "#", "\t", "a\nb",
]  # fmt: skip
# cmd would change the refused ones.
QUOTABLE = [word for word in HOSTILE if not set(word) & set('"%!\n')]
REFUSED = [word for word in HOSTILE if set(word) & set('"%!\n')]


def test_a_program_gets_its_arguments_unchanged(deployment: Sandbox) -> None:
    program = "import sys; print(ascii(sys.argv[1:]))"
    done = tcenv("exec", "--", PYTHON, "-c", program, *HOSTILE, env=store_session(deployment))
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout.decode()) == HOSTILE


@pytest.fixture
def batch(home: Path) -> Path:
    """Write a batch file that passes all its arguments on to a program, as npm's do."""
    script = home / "show.py"
    script.write_text("import json, sys\njson.dump(sys.argv[2:], open(sys.argv[1], 'w'))\n")
    path = home / "show it.cmd"
    path.write_text(f'@"{PYTHON}" "{script}" "{home / "shown"}" %*\r\n')
    return path


@pytest.mark.parametrize("name", ["show it.cmd", "SHOW.BAT"])
def test_a_batch_file_gets_its_arguments_unchanged(name: str, batch: Path, deployment: Sandbox, home: Path) -> None:
    if name != batch.name:
        shutil.copy(batch, home / name)
    env = store_session(deployment)
    done = tcenv("exec", "--", str(home / name), *QUOTABLE, env=env)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert json.loads((home / "shown").read_text()) == QUOTABLE


def test_arguments_that_cmd_would_change_are_refused(batch: Path, deployment: Sandbox, home: Path) -> None:
    env = store_session(deployment)
    for word in REFUSED[-4:]:
        done = tcenv("exec", "--", str(batch), word, env=env)
        assert (done.returncode, done.stdout) == (126, b""), word
        assert b"a batch file cannot take" in done.stderr
        assert not (home / "shown").exists()


def test_no_program_of_the_current_directory_is_run(deployment: Sandbox, home: Path) -> None:
    """Neither a command nor a helper: the browser, or the shell that names its start-up file."""
    env = store_session(deployment)
    for name in ("planted", "powershell", "pwsh", "firefox", "tcenv"):
        (home / f"{name}.cmd").write_text(f'@echo planted> "{home / "ran"}"\r\n')
    assert tcenv("exec", "--", "planted", env=env).returncode == 127
    done = tcenv("exec", "--", ".\\planted", env=env)
    assert (done.returncode, (home / "ran").exists()) == (0, True), done.stderr
    (home / "ran").unlink()
    env["PATH"] = os.pathsep.join(["", ".", env["PATH"]])
    assert tcenv("exec", "--", "planted", env=env).returncode == 127
    tcenv("init", "powershell", "--install", "--yes", env=env)
    tcenv("doctor", env=env)
    tcenv("login", "--reset", "--timeout", "1s", "--shell", "cmd", env={**env, "BROWSER": "firefox"})
    assert not (home / "ran").exists()


def test_a_command_that_cannot_be_started_gets_one_sentence(deployment: Sandbox, home: Path) -> None:
    env = store_session(deployment)
    (home / "broken.exe").write_bytes(b"no program")
    for command, status in (("no-such-program", 127), (str(home / "broken.exe"), 126), (str(home), 127)):
        done = tcenv("exec", "--", command, env=env)
        assert (done.returncode, len(done.stderr.splitlines())) == (status, 1), done.stderr


def test_the_proxy_serves_the_python_client(deployment: Sandbox) -> None:
    program = (
        "import os, taskcluster\n"
        "print(taskcluster.Auth(taskcluster.optionsFromEnvironment()).currentScopes()['scopes'])\n"
        "print(os.environ['TASKCLUSTER_ACCESS_TOKEN'])"
    )
    env = store_session(deployment)
    done = tcenv("exec", "--proxy", "--", PYTHON, "-c", program, env=env)
    assert done.returncode == 0, done.stderr
    scopes, token = done.stdout.decode().splitlines()
    assert "queue:get-task:*" in scopes
    assert token.encode() not in tcenv("env", "--shell", "powershell", env=env).stdout
    assert tcenv("exec", "--proxy", "--", PYTHON, "-c", "raise SystemExit(7)", env=env).returncode == 7


def test_the_folder_of_a_browser_may_have_spaces(deployment: Sandbox, home: Path) -> None:
    """Users write backslashes into BROWSER."""
    script = home / "browser.py"
    script.write_text("import sys\nfrom tcenv.sandbox.approve import main\nsys.exit(main(sys.argv[1:]))\n")
    env = make_env(deployment, BROWSER=f'"{PYTHON}" "{script}" %s')
    done = tcenv("login", "--shell", "powershell", env=env)
    assert done.returncode == 0, done.stderr
