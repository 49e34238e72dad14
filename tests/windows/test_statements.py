"""Print statements for PowerShell, cmd and Git's bash: one on each line, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.windows.world import make_env, store_session, tcenv

VARIABLES = [
    b"TASKCLUSTER_ROOT_URL", b"TASKCLUSTER_CLIENT_ID", b"TASKCLUSTER_ACCESS_TOKEN", b"TASKCLUSTER_CERTIFICATE",
    b"TCENV_PROFILE", b"TCENV_EXPIRES", b"TCENV_LOADED",
]  # fmt: skip
SETS = {
    "powershell": (rb"\$Env:(\w+) = '[^'\r\n]*';\n", rb"Remove-Item -LiteralPath Env:(\w+) -ErrorAction Ignore;\n"),
    "cmd": (rb'set "(\w+)=[^"\r\n]+"\r\n', rb'set "(\w+)="\r\n'),
}
FAILS = {"powershell": b"throw 'tcenv failed';\n", "cmd": b"cmd /c exit 1\r\n", "bash": b"\\false;\n"}


@pytest.mark.parametrize("shell", SETS)
def test_each_statement_loads_or_unloads_one_variable(shell: str, deployment: Sandbox) -> None:
    sets, unsets = SETS[shell]
    env = store_session(deployment)
    loading = tcenv("login", "--shell", shell, env=env).stdout
    assert tcenv("env", "--shell", shell, env=env).stdout == loading
    wanted = b"".join(unsets if name == b"TASKCLUSTER_CERTIFICATE" else sets for name in VARIABLES)
    found = re.fullmatch(wanted, loading)
    assert found, loading
    assert list(found.groups()) == VARIABLES
    # What a shell that has evaluated this would have, in a process that signs out.
    value = rb"(\w+) = '([^'\r\n]*)'" if shell == "powershell" else rb'"(\w+)=([^"\r\n]+)"'
    loaded = {name.decode(): text.decode() for name, text in re.findall(value, loading)}
    unloading = tcenv("logout", "--shell", shell, env={**env, **loaded}).stdout
    assert re.fullmatch(b"(?:" + sets + b"|" + unsets + b")+", unloading), unloading
    assert b"ACCESS_TOKEN" in unloading


@pytest.mark.parametrize("shell", FAILS)
def test_the_statements_of_a_failure_fail(shell: str, deployment: Sandbox) -> None:
    for words in (["env"], ["login", "no-such-profile"], ["login", "--no-such-option"]):
        done = tcenv(*words, "--shell", shell, env=make_env(deployment))
        assert (done.returncode != 0, done.stdout) == (True, FAILS[shell]), done.stderr


def test_a_logout_without_a_loaded_session_changes_nothing(deployment: Sandbox) -> None:
    for shell, nothing in (("powershell", b"[void]0;\n"), ("cmd", b"")):
        assert tcenv("logout", "--shell", shell, env=store_session(deployment)).stdout == nothing


def test_temporary_credentials_have_a_certificate(deployment: Sandbox) -> None:
    env = store_session(deployment)
    for shell, (sets, unsets) in SETS.items():
        if shell == "cmd":
            # A certificate is JSON, whose quotes end no value there.
            sets = sets.replace(b'[^"\\r\\n]', b"[^\\r\\n]")
        done = tcenv("env", "--scope", "queue:get-task:*", "--shell", shell, env=env)
        assert re.fullmatch(b"(?:" + sets + b"|" + unsets + b")+", done.stdout), (done.stdout, done.stderr)
        assert b"certificate" in done.stdout.lower()


def test_git_bash_gets_plain_line_ends_and_utf_8(deployment: Sandbox, home: Path) -> None:
    """This holds for statements, reports and the start-up text. Its own home has the start-up file."""
    its_home = home / "own home"
    its_home.mkdir()
    env = make_env(deployment, MSYSTEM="MINGW64", HOME=str(its_home), SHELL="/usr/bin/bash")
    for words in (["login", "--shell", "bash"], ["env", "--shell", "bash"], ["status"], ["init", "bash"], ["scopes"]):
        done = tcenv(*words, env=env)
        assert done.returncode == 0, done.stderr
        assert b"\r" not in done.stdout + done.stderr
        done.stderr.decode()
    text = tcenv("init", "bash", env=env).stdout.decode()
    assert re.search(r"[A-Za-z]:/\S+/tcenv\.exe", text), "the program's path has slashes"
    done = tcenv("init", "bash", "--install", "--yes", env=env)
    assert done.returncode == 0, done.stderr
    line = (its_home / ".bashrc").read_bytes()
    assert (b"/tcenv.exe" in line, b"\\" in line, b"\r" in line) == (True, False, False), line


@pytest.mark.parametrize("encoding", ["cp437", "cp850", "cp1252", "cp932", "ascii"])
def test_a_code_page_without_typographic_quotes_gets_ascii(encoding: str, deployment: Sandbox) -> None:
    done = tcenv("login", "no-such-profile", "--shell", "cmd", env=make_env(deployment, PYTHONIOENCODING=encoding))
    text = done.stderr.decode(encoding)
    assert done.returncode == 2
    assert not set("?\N{REPLACEMENT CHARACTER}") & set(text), text
    assert "\\u" not in text


def test_the_output_has_the_code_page_of_the_console(deployment: Sandbox) -> None:
    """PowerShell decodes output by it, but Python would write another code page of the system."""
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    former = kernel.GetConsoleOutputCP()
    assert former, "this test needs a console: python -m tests.windows"
    try:
        kernel.SetConsoleOutputCP(437)
        assert kernel.GetConsoleOutputCP() == 437
        done = tcenv("login", "--shell", "powershell", env=make_env(deployment))
        assert b"\x93" not in done.stderr
        assert b'Approve "tcenv-' in done.stderr, done.stderr
    finally:
        kernel.SetConsoleOutputCP(former)
