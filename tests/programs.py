"""Find programs that the tests need. A test that lacks one is skipped, or fails if TCENV_TEST_REQUIRE is "all"."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

_TOOLS = Path(__file__).parent.parent / ".tools"
# The programs that the running test has required.
required: set[str] = set()


def require(program: str) -> str:
    """Return the absolute path of `program`: from the project's own tools, this interpreter's folder, or PATH."""
    for folder in (_TOOLS / "bin", Path(sys.executable).parent):
        if (folder / program).exists():
            return str(folder / program)
    found = shutil.which(program)
    required.add(found or program)
    if found is None:
        pytest.skip(f"{program} is not on this machine; .ci/install installs it")
    return found


def run_program(
    *command: str | Path, env: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program without a terminal. Its output is text. `more` is what `subprocess.run` takes."""
    stdin = {} if "input" in more else {"stdin": subprocess.DEVNULL}
    options = {"capture_output": True, "text": True, "timeout": 120, **stdin, **more}
    return subprocess.run(command, env=env, **options)


def list_versions() -> str:
    """Return the versions of the system's packages that the running test has used, since no lock holds them."""
    lines = []
    for program in sorted(required):
        # Debian lists some programs by their path before /bin became a link.
        names = (program, str(Path(program).resolve()), program.removeprefix("/usr"))
        package = next(filter(None, (_run("dpkg", "-S", name).partition(":")[0] for name in names)), "")
        lines.append(
            f"{program}: {package} {_run('dpkg-query', '-f', '${Version}', '-W', package)}" if package else program
        )
    return "\n".join(lines)


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except OSError:
        return ""
