"""The measured world: tcenv installed as users have it (a plain `pip install`, compiled), a home folder of its own, a sandbox."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tcenv.sandbox import Sandbox

PROJECT = Path(__file__).parent.parent


@dataclass(frozen=True)
class World:
    """Where things are: `python` and `tcenv` of the installation, the environment, the deployment."""

    python: str
    tcenv: str
    env: dict[str, str]
    sandbox: Sandbox
    home: Path


@functools.cache
def _install() -> Path:
    """A virtual environment with this checkout installed into it by the pip that comes with Python, kept in .bench; tcenv in
    it is renewed once a run, the rest when the requirements have changed."""
    folder = PROJECT / ".bench" / "venv"
    # Installers compile what they install unless told not to; interpreted sources would be measured else.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    stamp = folder / "installed"
    locks = [PROJECT / "requirements.txt", PROJECT / "requirements-build.txt"]
    locked = "".join(lock.read_text(encoding="utf-8") for lock in locks)
    install = [folder / "bin/pip", "install", "-q", "--no-deps"]
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != locked:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, env=env)
        from_locks = [word for lock in locks for word in ("-r", lock)]
        subprocess.run([*install, "--require-hashes", *from_locks], check=True, env=env)  # type: ignore[list-item]
        stamp.write_text(locked, encoding="utf-8")
    subprocess.run([*install, "--force-reinstall", "--no-build-isolation", str(PROJECT)], check=True, env=env)  # type: ignore[list-item]
    return folder / "bin"


@contextlib.contextmanager
def make_world() -> Iterator[World]:
    """A fresh world; its processes see none of the user's own configuration."""
    bin_folder = _install()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "USER", "LOGNAME")}
    with tempfile.TemporaryDirectory(prefix="tcenv-bench-") as folder, Sandbox() as sandbox:
        home = Path(folder)
        (home / "run").mkdir(mode=0o700)
        env = {
            **kept,
            "PATH": f"{bin_folder}:{PROJECT / '.tools/bin'}:{kept['PATH']}",
            "HOME": folder,
            "XDG_RUNTIME_DIR": str(home / "run"),
            "TASKCLUSTER_ROOT_URL": sandbox.root_url,
            "BROWSER": f"{sys.executable} -m tcenv.sandbox.approve %s",
            "SHELL": "/bin/bash",
        }
        yield World(str(bin_folder / "python"), str(bin_folder / "tcenv"), env, sandbox, home)


def find_program(program: str) -> str | None:
    """The path of a program, of the project's own tools or the machine's."""
    own = PROJECT / ".tools" / "bin" / program
    return str(own) if own.exists() else shutil.which(program)


_GO_PEERS = {
    "client-shell": "github.com/taskcluster/taskcluster/v106/clients/client-shell@latest",
    "aws-vault": "github.com/99designs/aws-vault/v7@latest",
}


def build_go_peers() -> dict[str, str]:
    """Build the peers that are Go programs into .tools/bin, where Go is there; the reasons why not, by program."""
    reasons = {}
    for program, module in _GO_PEERS.items():
        if find_program(program):
            continue
        go = shutil.which("go")
        if go is None:
            reasons[program] = "Go is not on this machine"
            continue
        env = {**os.environ, "GOBIN": str(PROJECT / ".tools" / "bin")}
        done = subprocess.run([go, "install", module], env=env, capture_output=True, text=True)
        if done.returncode != 0:
            reasons[program] = f"the Go module proxy did not serve {module}"
    return reasons
