"""Run another machine for tests of `tcenv ssh`: a real sshd on loopback, with a temporary account."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from tests.programs import require

# Seconds to wait for the lock of the accounts, which another run of the tests may hold.
_LOCK_TIMEOUT = 120


class RemoteMachine:
    """A machine called `far`, with an account whose login shell is `shell`. `settings` are lines of its sshd_config."""

    def __init__(self, shell: str = "bash", settings: tuple[str, ...] = ()) -> None:
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="far-"))
        self.folder.chmod(0o755)
        self.home = self.folder / "home"
        self.user = f"far{os.getpid()}{self.folder.name[-4:].lower().replace('_', 'x')}"
        self.port = _find_free_port()
        self.log = self.folder / "sshd.log"
        self._shell = require(shell)
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RemoteMachine:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        _change_accounts("useradd", "-m", "-d", str(self.home), "-s", self._shell, "-p", "*", self.user)
        self.uid = pwd.getpwnam(self.user).pw_uid
        near = self.folder / "near"
        near.mkdir(mode=0o700)
        for path in (self.folder / "host", near / "key"):
            subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        shutil.copy(near / "key.pub", self.folder / "authorized")
        self.config = near / "config"
        self.config.write_text(
            f"Host far\n  HostName 127.0.0.1\n  Port {self.port}\n  User {self.user}\n  IdentityFile {near}/key\n"
            f"  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile {near}/known\n  LogLevel ERROR\n"
        )
        # ssh reads the configuration of the account, not that of HOME.
        self.bin = near / "bin"
        self.bin.mkdir()
        (self.bin / "ssh").write_text(f'#!/bin/sh\nexec {require("ssh")} -F {self.config} "$@"\n')
        (self.bin / "ssh").chmod(0o755)
        self.start()
        return self

    def start(self, *settings: str) -> None:
        """Start sshd. `settings` are further lines of its configuration, before the others."""
        self.stop()
        config = self.folder / "sshd_config"
        lines = (
            *settings,
            *self.settings,
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder}/host",
            f"AuthorizedKeysFile {self.folder}/authorized",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "MaxStartups 100",
            "PidFile none",
            "Subsystem sftp internal-sftp",
        )
        config.write_text("\n".join([*lines, ""]))
        self._server = subprocess.Popen([require("sshd"), "-D", "-E", self.log, "-f", config])
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 60).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < end and self._server.poll() is None, self.log.read_text()
                time.sleep(0.02)

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(60)
            self._server = None

    def use_shell(self, name: str) -> None:
        """Change the account's login shell."""
        _change_accounts("usermod", "-s", require(name), self.user)

    def write(self, name: str, text: str) -> None:
        """Write a file into the account's home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        shutil.chown(path, self.user)

    def add_ssh(self, env: dict[str, str]) -> dict[str, str]:
        """Return `env` with an ssh that knows this machine."""
        return {**env, "PATH": f"{self.bin}:{env['PATH']}"}

    def processes(self) -> dict[int, str]:
        """Return the account's live processes with their arguments, without those of sshd for open connections."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                owner, state = folder.stat().st_uid, (folder / "stat").read_text().rpartition(") ")[2][:1]
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
            except OSError:
                continue
            if owner == self.uid and state not in "ZX":
                found[int(folder.name)] = words
        return found

    def files(self) -> list[str]:
        """Return what runs have left in the directory for temporary files."""
        return [str(path) for path in Path("/tmp").glob("tcenv-*") if path.is_dir() and path.stat().st_uid == self.uid]

    def ports(self) -> list[int]:
        """Return the ports on which the account listens."""
        found = []
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[7]) == self.uid:
                    found.append(int(fields[1].rpartition(":")[2], 16))
        return found

    def list_leftovers(self) -> tuple[dict[int, str], list[str], list[int]]:
        """Return what runs have left: processes, directories and ports."""
        return self.processes(), self.files(), self.ports()

    def is_clean(self) -> bool:
        """Return whether nothing of a run is left."""
        return self.list_leftovers() == ({}, [], [])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for process in self.processes():
            subprocess.run(["kill", "-KILL", str(process)], capture_output=True)
        _change_accounts("userdel", "-f", self.user)
        shutil.rmtree(self.folder, ignore_errors=True)


def _change_accounts(*command: str) -> None:
    """Change the machine's accounts, after other processes that do so."""
    end = time.monotonic() + _LOCK_TIMEOUT
    while True:
        done = subprocess.run([require(command[0]), *command[1:]], capture_output=True, text=True)
        if done.returncode == 0 or (command[0] == "userdel" and done.returncode in (6, 12)):
            return
        assert "lock" in done.stderr and time.monotonic() < end, done.stderr
        time.sleep(0.2)


def _find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
