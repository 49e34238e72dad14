"""Make the measured world: tcenv installed as users install it (a plain `pip install`, compiled), a home folder, and a
sandbox."""

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
    """The measured world: `python` and `tcenv` of the installation, the environment, the deployment and the home
    folder."""

    python: str
    tcenv: str
    env: dict[str, str]
    sandbox: Sandbox
    home: Path


@functools.cache
def _install() -> Path:
    """Install this checkout into a virtual environment in .bench with the pip that comes with Python. Return its folder
    of programs.

    Installs tcenv once a run, and the rest when the requirements have changed."""
    folder = PROJECT / ".bench" / "venv"
    # Let pip compile what it installs, as users' installers do.
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
    """Make a new world. Its processes see none of the user's own configuration."""
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
    """Return the path of a program, from the project's own tools or the machine, or None."""
    own = PROJECT / ".tools" / "bin" / program
    return str(own) if own.exists() else shutil.which(program)
