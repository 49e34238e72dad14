"""What the tests need on the machine. A missing shell or browser fails the test: a skipped proof is no proof."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

_TOOLS = Path(__file__).parent.parent / ".tools"


def need(program: str) -> str:
    """The absolute path of `program`: from the project's own tools, this interpreter's folder, or PATH."""
    for folder in (_TOOLS / "bin", Path(sys.executable).parent):
        if (folder / program).exists():
            return str(folder / program)
    found = shutil.which(program)
    if found is None:
        pytest.fail(f"{program} is needed for this test; .ci/run installs it", pytrace=False)
    return found
