"""Find what the tests need on the machine. A test that misses it is skipped, and fails where TCENV_TEST_REQUIRE is "all"."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

_TOOLS = Path(__file__).parent.parent / ".tools"


def need(program: str) -> str:
    """Return the absolute path of `program`: from the project's own tools, this interpreter's folder, or PATH."""
    for folder in (_TOOLS / "bin", Path(sys.executable).parent):
        if (folder / program).exists():
            return str(folder / program)
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not on this machine; .ci/install installs it")
    return found
