"""End a run early: a shell that evaluates its output fails, and nobody sees a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.world import TCENV, make_env, read_session_fields, sign_in, tcenv

SIGNALS = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "XCPU", "VTALRM", "PROF", "IO", "PWR", "RTMIN")
FAILURE = "\\false;\n"
# Sends its own process a signal at the event with the given number after the command's script has begun; the events are
# what the interpreter reports of its imports and of the files that it opens. With none, it counts them.
_HOOK = """
import os, sys
begun = False
count = 0
def hook(event, arguments):
    global begun, count
    if event == "exec" and arguments[0].co_filename.endswith("/tcenv"):
        begun = True
    elif begun and event in ("import", "open", "os.listdir", "os.scandir", "exec"):
        count += 1
        if count == int(os.environ.get("AT", "0")):
            os.kill(os.getpid(), int(os.environ["NUMBER"]))
        if told is not None:
            os.pwrite(told, str(count).encode(), 0)
told = os.open(os.environ["COUNT_TO"], os.O_WRONLY | os.O_CREAT) if "COUNT_TO" in os.environ else None
sys.addaudithook(hook)
"""


@pytest.fixture
def hooked(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "sitecustomize.py").write_text(_HOOK)
    return {"PYTHONPATH": str(tmp_path)}


def start_login(env: dict[str, str], *arguments: str, **more: object) -> subprocess.Popen[str]:
    """Start a login, and return it when it waits for its browser."""
    process = subprocess.Popen(  # type: ignore[call-overload]
        [TCENV, "login", "--shell", "bash", *arguments],
        env={**env, "BROWSER": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )
    while "/auth/clients/create?" not in process.stderr.readline():
        assert process.poll() is None
    return process


@pytest.mark.signals
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_during_the_wait_fails_the_evaluation(name: str, deployment: Sandbox) -> None:
    number = getattr(signal, f"SIG{name}")
    process = start_login(make_env(deployment))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, FAILURE)
    assert "Traceback" not in err
    assert ("Interrupted." if name == "INT" else f"SIG{name}") in err


def wait_until_taken(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Wait until a signal that was sent is no longer pending."""
    while True:
        status = Path(f"/proc/{process.pid}/status").read_text()
        pending = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
        if not any(mask >> (number - 1) & 1 for mask in pending):
            return
        time.sleep(0.01)


@pytest.mark.linux
@pytest.mark.signals
def test_a_signal_that_nohup_ignores_stays_ignored(deployment: Sandbox) -> None:
    process = start_login(make_env(deployment), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    wait_until_taken(process, signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == FAILURE
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.linux
@pytest.mark.signals
def test_a_broken_pipe_does_not_end_the_wait(deployment: Sandbox) -> None:
    """A browser that closes its connection to the listener would cause this signal."""
    process = start_login(make_env(deployment))
    process.send_signal(signal.SIGPIPE)
    wait_until_taken(process, signal.SIGPIPE)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == FAILURE
    assert process.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize("live", [True, False], ids=["session", "none"])
def test_a_signal_at_any_moment_fails_the_evaluation(
    live: bool, deployment: Sandbox, hooked: dict[str, str], tmp_path: Path
) -> None:
    env = {**(sign_in(deployment) if live else make_env(deployment)), **hooked}
    whole = tcenv("env", "--shell", "bash", env={**env, "COUNT_TO": str(tmp_path / "count")})
    events = int((tmp_path / "count").read_text())
    assert events > 10
    # A signal comes at each moment (at each eighth without a session, which has many), and each signal at the first.
    step = len(SIGNALS) * (1 if live else 8)
    for number, name in enumerate(SIGNALS):
        for moment in (1, *range(2 + number, events + 1, step)):
            done = tcenv(
                "env", "--shell", "bash", env={**env, "AT": str(moment), "NUMBER": str(getattr(signal, f"SIG{name}"))}
            )
            assert "Traceback" not in done.stderr, done.stderr
            expected = (whole.stdout, whole.returncode), (FAILURE, 128 + getattr(signal, f"SIG{name}"))
            assert (done.stdout, done.returncode) in expected, (name, moment, done)


def test_exec_passes_on_the_signals_of_its_caller(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    status = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    own = run_program(*status, env=env).stdout
    done = tcenv("exec", "--", *status, env=env)
    assert (done.stdout, done.returncode) == (own, 0)
    blocked = run_program(
        TCENV,
        "exec",
        "--",
        *status,
        env=env,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}),
    )
    assert "SigBlk:\t0000000000000200" in blocked.stdout


@pytest.mark.parametrize("command", ["login", "env", "logout", "status"])
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&-"])
def test_a_closed_stdout_is_an_error(command: str, closed: str, deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    line = f"{TCENV} {command}{'' if command == 'status' else ' --shell bash'} {closed}"
    done = run_program("bash", "-c", line, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "" if "2>&-" in closed else "Standard output (1) is closed." in done.stderr
    # No opened file gets the closed descriptor.
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_a_closed_stderr_equals_a_discarded_one(closed: str, deployment: Sandbox) -> None:
    """The first command signs in: it opens a browser, a listener and the session's file while descriptor 2 is free."""
    env = make_env(deployment)
    shown = []
    for command in ("login --shell bash", "env --shell bash", "status --json", "hook bash", "profile list", "nonsense"):
        for stderr in (closed, closed.replace("2>&-", "2>/dev/null")):
            line = f"{TCENV} {command} {stderr}; echo $?"
            done = run_program("bash", "-c", line, env=env)
            assert done.stderr == ""
            shown.append(re.sub(r'"expires_in": \d+', "", done.stdout))
        assert shown[-1] == shown[-2]
        assert shown[-1].endswith("2\n" if command == "nonsense" else "0\n")
    assert "TASKCLUSTER_ACCESS_TOKEN" in shown[0]
    done = run_program("bash", "-c", f"{TCENV} logout --shell bash {closed}", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert tcenv("env", "--shell", "bash", env=env).returncode == 3


def test_exec_leaves_closed_streams_to_its_command(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    line = f"{TCENV} exec -- ls /proc/self/fd 2>&- <&-"
    done = run_program("bash", "-c", line, env=env)
    assert done.returncode == 0
    assert "2" not in done.stdout.split()[1:] or done.stdout.split() == ["0", "1", "2"]


def test_a_full_stdout_is_an_error(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [TCENV, "env", "--shell", "bash"], stdout=full, stderr=subprocess.PIPE, text=True, env=env
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "inside tcenv" not in done.stderr


REPORTS = (
    ("--help",), ("login", "--help"), ("--version",), ("status",), ("status", "--json"), ("scopes",), ("doctor",),
    ("doctor", "--json"), ("profile", "list"), ("profile", "list", "--json"), ("profile", "show"),
    ("profile", "show", "--json"), ("purpose", "list"), ("purpose", "list", "--json"), ("purpose", "show", "p"),
    ("init", "bash"), ("direnv",), ("env", "--format", "json"), ("--profiles",), ("--purposes",),
)  # fmt: skip


def test_a_report_that_cannot_be_written_fails(deployment: Sandbox) -> None:
    """A full disk is an error with a message. A reader that closes its pipe gets no message."""
    env = sign_in(deployment)
    assert tcenv("profile", "set", "w", "--root-url", "https://w.example.com", env=env).returncode == 0
    assert tcenv("purpose", "set", "p", "--scope", "a", env=env).returncode == 0
    for number, words in enumerate(REPORTS):
        # Alternate Python's two ways of output between the full disk and the closed pipe.
        env, other = ({**env, "PYTHONUNBUFFERED": value} for value in ("", "1")[:: (-1) ** number])
        with open("/dev/full", "w") as full:
            done = subprocess.run([TCENV, *words], stdout=full, stderr=subprocess.PIPE, text=True, env=env)
        assert (done.returncode, "No space left on device." in done.stderr) == (1, True), (words, done)
        assert "inside tcenv" not in done.stderr
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([TCENV, *words], stdout=writer, stderr=subprocess.PIPE, text=True, env=other)
        os.close(writer)
        assert (done.returncode, done.stderr) == (1, ""), (words, done)


def test_a_full_stderr_loses_no_session(deployment: Sandbox) -> None:
    env = make_env(deployment)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [TCENV, "login", "--shell", "bash"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            env=env,
        )
    assert done.returncode == 0
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] in done.stdout
    for words in (["profile", "set", "a", "--root-url", "https://a.example.com"], ["logout", "--shell", "bash"]):
        with open("/dev/full", "w") as full:
            assert subprocess.run([TCENV, *words], stderr=full, stdout=subprocess.DEVNULL, env=env).returncode == 0


def test_too_few_descriptors_fail_the_evaluation(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    for limit in range(3, 8):
        done = run_program("bash", "-c", f"ulimit -n {limit} && exec {TCENV} login --shell bash", env=env)
        # With fewer, the interpreter cannot start.
        if "Python" not in done.stderr and "error while loading" not in done.stderr and done.returncode < 126:
            assert (done.returncode == 0) or done.stdout in (FAILURE, "false\n"), (limit, done)
