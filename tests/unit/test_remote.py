"""Run the remote side of `tcenv ssh` in each shell that may be `sh` there, and check the local side without it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tcenv.errors import TcenvError, UsageError
from tcenv.proxy.probe import Probe
from tcenv.remote import control_path, far_port, scripts
from tcenv.remote.client import Client
from tcenv.remote.connection import Connection
from tests.portholder import wait_until
from tests.programs import require

SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"], ["mksh"], ["ksh93"], ["yash"], ["zsh", "--emulate", "sh"])
TOKEN = "-n" + "R" * 42
# Everything that a shell, `printf` or `echo` could change.
ODD = "a  'b' \"c\" \\ \\n \\0101 %s $d `e` !f {g,h} * ~\n\tümläut 日本 -n"


class Lifeline:
    """Runs the lifeline by a shell of this machine."""

    def __init__(self, shell: list[str], folder: Path) -> None:
        self.mark = secrets.token_hex(8)
        self._lock = threading.Lock()
        self.env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        self.shell = [require(shell[0]), *shell[1:]]
        inner = scripts.LIFELINE.removeprefix("exec sh -c '").partition("'")[0]
        self.process = subprocess.Popen(
            # The parent stands for sshd, which ends after a silence too.
            [require("sh"), "-c", '"$@"; exit', "sshd", *self.shell, "-c", inner, "tcenv"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.env,
        )
        self.write(scripts.make_lifeline(self.mark))
        words = self.read_answer()
        assert words[0] == "ready", words
        self.directory, self.uid = words[1:]

    def write(self, data: bytes) -> None:
        assert self.process.stdin
        with self._lock:
            self.process.stdin.write(data)
            self.process.stdin.flush()

    @contextmanager
    def send_heartbeats(self) -> Iterator[None]:
        """Send heartbeats, however slow the machine is."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(0.1):
                self.write(b"beat\n")

        thread = threading.Thread(target=beat)
        thread.start()
        yield
        ended.set()
        thread.join()

    def read_answer(self) -> list[str]:
        assert self.process.stdout
        while line := self.process.stdout.readline().decode():
            if line.startswith(self.mark):
                return line.split()[1:]
        raise AssertionError("the lifeline has ended")

    def begin_session(self, command: str, **more: str) -> subprocess.Popen[bytes]:
        """Start the user's session with `command`."""
        values = {"root_url": "http://127.0.0.1:1", "client_id": ODD, "behind": "x y z"}
        self.write(b"script\n" + scripts.make_run_script(self.mark, values, command))
        assert self.read_answer() == ["script"]
        self.write(f"token\nt{TOKEN}\n".encode())
        assert self.read_answer() == ["token"]
        env = {**self.env, "SHELL": require("bash"), "TASKCLUSTER_CERTIFICATE": "stale", **more}
        return subprocess.Popen(
            [*self.shell, f"{self.directory}/run"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )


@contextmanager
def run_lifeline(shell: list[str], folder: Path) -> Iterator[Lifeline]:
    made = Lifeline(shell, folder)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


@pytest.mark.linux
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_remote_side_runs_in_each_shell(shell: list[str], tmp_path: Path) -> None:
    with run_lifeline(shell, tmp_path) as remote, socket.socket() as listening:
        assert (remote.directory, remote.uid) == (f"{tmp_path}/tcenv-{remote.mark}", str(os.getuid()))
        assert scripts.is_directory(remote.directory, remote.mark)
        assert Path(remote.directory).stat().st_mode & 0o777 == 0o700
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        remote.write(f"port\n{listening.getsockname()[1]:04X}\n".encode())
        words = remote.read_answer()
        assert f"0100007F/{os.getuid()}" in words
        assert far_port.check_listeners(words[1:], remote.uid, "far")
        remote.write(b"beat\nstate\n")
        assert remote.read_answer() == ["state", "waiting"]
        names = ("TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_CERTIFICATE", "no_proxy")
        show = "printf '%s|%s|%s|%s' " + " ".join(f'"${name}"' for name in names) + "; cat"
        session = remote.begin_session(show, http_proxy="http://proxy:1", no_proxy="intern")
        out, _ = session.communicate(b"\0\xff\n-- \\n", timeout=60)
        assert out == f"{TOKEN}|{ODD}||intern,localhost,127.0.0.1".encode() + b"\0\xff\n-- \\n"
        remote.write(b"state\n")
        assert remote.read_answer() == ["state", "begun"]
        remote.write(b"end\n")
        assert remote.process.wait(60) == 0
        assert list(tmp_path.iterdir()) == []


@pytest.mark.linux
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("how", ["the input ends", "silence"])
def test_the_remote_side_ends_leftover_processes(
    how: str, shell: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "silence":
        monkeypatch.setattr(scripts, "QUIET", 8)
        monkeypatch.setattr(scripts, "STEP", 1)
    with run_lifeline(shell, tmp_path) as remote:
        # These processes obey the hangup. The end-to-end tests have others.
        with remote.send_heartbeats():
            session = remote.begin_session("setsid sh -c 'echo $$; exec sleep 1000 >&2' </dev/null & sleep 1000 & wait")
            assert session.stdout
            kept = int(session.stdout.readline())
        assert remote.process.stdin
        if how == "the input ends":
            remote.process.stdin.close()
        assert session.wait(60) != 0
        assert session.stdout.read() == b""
        remote.process.wait(60)
        wait_until(lambda: list(tmp_path.iterdir()) == [])
        # A process with a session of its own stays.
        os.kill(kept, signal.SIGKILL)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["known", "0100007F/1000"], ""),
        (["known", "0100007F/0"], ""),
        (["known", "7F000001/1000"], ""),
        (["known", "0100007F/1000", "00000000000000000000000001000000/1000", "00000000/33"], ""),
        ([], "unknown"),
        (["0100007F/1000"], "unknown"),
        (["known"], "another program has taken it"),
        (["known", "0100007F/33"], "another program has taken it"),
        (["known", "0100007F/33", "00000000000000000000000001000000/1000"], "another program has taken it"),
        (["known", "00000000/1000"], "GatewayPorts"),
        (["known", "0100007F/1000", "00000000000000000000000000000000/0"], "GatewayPorts"),
        (["known", "0A00020F/1000"], "GatewayPorts"),
    ],
)
def test_the_owner_of_a_port_is_checked(words: list[str], sentence: str) -> None:
    if sentence in ("", "unknown"):
        assert far_port.check_listeners(words, "1000", "far") is (sentence == "")
        return
    with pytest.raises(TcenvError, match=sentence):
        far_port.check_listeners(words, "1000", "far")


def test_a_port_that_neither_side_knows_is_refused() -> None:
    with pytest.raises(TcenvError, match="Neither"):
        far_port.check_path(Probe(), lambda data: False, 1, is_known=False, host="far")
    far_port.check_path(Probe(), lambda data: False, 1, is_known=True, host="far")
    probe = Probe()

    def deliver(data: bytes) -> bool:
        assert probe.path.encode() in data
        probe.seen.set()
        return True

    far_port.check_path(probe, deliver, 1, is_known=False, host="far")


@pytest.mark.parametrize("path", ["/tmp/x;id", "/tmp/a b/tcenv-ab", "tcenv-ab", "/tmp/tcenv-abc", "/tmp/$x/tcenv-ab"])
def test_a_directory_with_odd_characters_is_refused(path: str) -> None:
    assert not scripts.is_directory(path, "ab")
    assert scripts.is_directory("/tmp/tcenv-ab", "ab")


@pytest.mark.parametrize("host", ["", "-oProxyCommand=id", "-"])
def test_an_invalid_host_is_refused(host: str) -> None:
    with pytest.raises(UsageError):
        Client(host, (), os.environ)


@pytest.mark.linux
def test_the_next_run_removes_sockets_of_killed_runs(tmp_path: Path) -> None:
    stale = Path(control_path.choose())
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    with socket.socket(socket.AF_UNIX) as alive:
        path = control_path.choose()
        assert not stale.exists()
        alive.bind(path)
        alive.listen()
        assert path not in (control_path.choose(), control_path.choose())
        assert Path(path).exists()
    control_path.remove(path)
    assert not Path(path).exists()


def test_a_long_runtime_directory_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert len(control_path.choose()) <= 86


def test_a_slow_ssh_can_explain_a_lost_connection(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ssh = home / "ssh"
    ssh.write_text(
        '#!/bin/sh\n[ "$1" != -G ] || exit 0\nread -r mark\n'
        "(while kill -0 $$ 2>/dev/null; do sleep 0.01; done; sleep 0.1; echo Connection closed. >&2) >/dev/null &\n"
        'echo "$mark ready /tmp/tcenv-$mark 0"\nexit 255\n'
    )
    ssh.chmod(0o700)
    monkeypatch.setattr(scripts, "make_lifeline", lambda mark: f"{mark}\n".encode())
    connection = Connection(Client("far", (), {"PATH": f"{home}:{os.environ['PATH']}"}), print)
    connection.open()
    assert connection.has_begun()
    connection.close()
    assert capsys.readouterr().err == "Connection closed.\n"
