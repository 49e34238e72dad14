"""Compare tcenv's messages with snapshots: in terminals of 80 and 40 columns, dumb, without colour, and in a log."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

import pytest
from syrupy.assertion import SnapshotAssertion

from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.terminal import run_in_terminal
from tests.world import TCENV, make_env, sign_in, tcenv


def normalize(text: str, env: Mapping[str, str]) -> str:
    """Replace ports, secrets, times and names of this machine, which differ from run to run."""
    import socket

    text = text.replace(env["HOME"], "/home/ada").replace(sys.executable, "/usr/bin/python3")
    text = text.replace(socket.gethostname().partition(".")[0], "laptop")
    text = re.sub(r"localhost(:|%3A)\d+", r"localhost\g<1>PORT", text)
    text = text.replace("127.0.0.1 only: this machine has no IPv6 on loopback", "127.0.0.1 and ::1")
    text = re.sub(r"/[0-9a-f]{40}|%2F[0-9a-f]{40}", "/SECRET", text)
    text = re.sub(r"localhost_\d+", "localhost_PORT", text)
    text = re.sub(r"\b\d+ (min|h|d|s)\b( \d+ (min|h|s)\b)?( (left|ago))?", r"TIME", text)
    text = re.sub(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d(:\d\d)?( [A-Z]{3,4})?", "MOMENT", text)
    return re.sub(r"[ \t]+$", "", text, flags=re.M)


CASES: dict[str, tuple[list[str], bool]] = {
    "not signed in": (["env", "--shell", "bash"], False),
    "status, not signed in": (["status"], False),
    "status": (["status"], True),
    "status offline": (["status", "--offline"], True),
    "doctor": (["doctor"], True),
    "doctor, not signed in": (["doctor"], False),
    "no such option": (["login", "--nonsense"], False),
    "no such command": (["lgoin"], False),
    "option misspelt": (["login", "--shell", "sh", "--sope", "s"], False),
    "option without its value": (["login", "--port"], False),
    "option that takes no value": (["status", "--all=3"], False),
    "option that takes a number": (["sandbox", "--port", "http"], False),
    "argument too many": (["status", "a", "b"], False),
    "argument too few": (["profile", "set"], False),
    "command too few": (["profile"], False),
    "exec without its command": (["exec"], False),
    "exec without its dashes": (["exec", "true"], False),
    "profile show": (["profile", "show"], False),
    "wrong time": (["login", "--shell", "sh", "--expires", "tomorrow"], False),
    "wrong root URL": (["login", "--shell", "sh", "http://example.com"], False),
    "too many scopes": (["login", "--shell", "sh", *(w for n in range(21) for w in ("--scope", f"s:{n}"))], False),
    "unknown shell": (["env", "--shell", "nosuch"], False),
    "unknown format": (["env", "--format", "yaml"], True),
    "scope that is not held": (["env", "--shell", "sh", "--scope", "nobody:has:this"], True),
    "command not found": (["exec", "--", "nosuchcommand"], True),
    "profile list": (["profile", "list"], True),
    "profile list, empty": (["profile", "list"], False),
    "profile remove, unknown": (["profile", "remove", "nosuch"], False),
    "direnv install": (["direnv", "--install"], False),
    "login again": (["login", "--shell", "bash"], True),
    "logout": (["logout", "--shell", "bash"], True),
    "logout again": (["logout", "--shell", "bash"], False),
}


@pytest.mark.parametrize("name", CASES)
def test_messages_in_a_log(name: str, deployment: Sandbox, text_snapshot: SnapshotAssertion) -> None:
    words, needs_session = CASES[name]
    env = sign_in(deployment) if needs_session else make_env(deployment)
    done = tcenv(*words, env=env)
    out = done.stdout if words[0] in ("status", "profile", "doctor") else ""
    assert normalize(f"$ tcenv {' '.join(words)}\n{out}{done.stderr}[{done.returncode}]\n", env) == text_snapshot


def show_in_terminal(words: list[str], env: Mapping[str, str], columns: int) -> str:
    """Return the output of a terminal of that width. stdout is discarded unless the command reports."""
    reports = words[0] in ("status", "doctor", "profile")
    return run_in_terminal(TCENV, *words, env=env, columns=columns, output=reports)[2]


@pytest.mark.parametrize("face", ["wide", "narrow", "dumb", "plain"])
@pytest.mark.parametrize(
    "name", ["status", "status, not signed in", "wrong time", "not signed in", "login again", "profile list"]
)
def test_messages_in_a_terminal(name: str, face: str, deployment: Sandbox, text_snapshot: SnapshotAssertion) -> None:
    words, needs_session = CASES[name]
    more = {"dumb": {"TERM": "dumb"}, "plain": {"TERM": "xterm", "NO_COLOR": "1"}}.get(face, {"TERM": "xterm-256color"})
    env = {**(sign_in(deployment) if needs_session else make_env(deployment)), **more}
    text = show_in_terminal(words, env, 40 if face == "narrow" else 80)
    if face in ("dumb", "plain"):
        assert "\x1b[" not in text
    if face == "narrow":
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
        # Only addresses and commands may be wider, because people copy them.
        long = [line for line in plain.splitlines() if len(line) > 40 and " " in line.strip(" ·✓✗→!")]
        assert all("tcenv " in line for line in long)
    assert normalize(text, env) == text_snapshot


def test_doctor(deployment: Sandbox) -> None:
    """Each finding is one line."""
    env = sign_in(deployment)
    done = run_program(TCENV, "doctor", env=env)
    lines = (done.stdout + done.stderr).splitlines()
    assert len(lines) == len(set(lines)) > 5
