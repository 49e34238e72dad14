"""Make the texts that the far side reads: the commands for its login shell, and the scripts of `shell/remote` with
their values.

No text of this module holds the run's token, which only the lifeline gets."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tcenv import resources

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds of silence after which the far side ends the run. A laptop's short sleep must not end it.
QUIET = 120
# Seconds between two checks on the far side.
STEP = 10
# An unknown login shell reads this and `make_run_command`, so they have no other quotes, backslash, `!` or newline.
LIFELINE = """exec sh -c 'IFS= read -r s && eval "$s"' tcenv"""
# Reads the lines up to the mark, and runs them. `printf` makes the newline.
_BOOTSTRAP = (
    'n=$(printf "\\nx"); n=${{n%x}}; s=; '
    'while IFS= read -r l && [ "$l" != {mark} ]; do s=$s$n$l; done; mark={mark} quiet={quiet} step={step}; eval "$s"'
)
_SAFE = re.compile(rb"[A-Za-z0-9 /._@:=,+|!~#%^*(){}<>\[\];?$&\"`-]")


def make_lifeline(mark: str) -> bytes:
    """Return the first text for the lifeline's shell. `mark` begins its answers."""
    lines = [_BOOTSTRAP.format(mark=mark, quiet=QUIET, step=STEP), _read("lifeline.sh").rstrip("\n"), mark, ""]
    return "\n".join(lines).encode("ascii")


def make_run_script(mark: str, values: Mapping[str, str], command: str) -> bytes:
    """Return the script of the user's session, up to the mark that ends it.

    `values` are its variables. `command` is for the login shell (empty: it reads its input)."""
    lines = [f"{name}={_quote(value)}" for name, value in {**values, "command": command}.items()]
    return "\n".join([*lines, _read("run.sh").rstrip("\n"), mark, ""]).encode("ascii")


def make_run_command(directory: str) -> str:
    """Return the command that runs this script from the far side's `directory`."""
    return f"exec sh {directory}/run"


def is_directory(text: str, mark: str) -> bool:
    """Return whether `text` is a path that the lifeline may have made, and a plain word in every shell."""
    return re.fullmatch(rf"/[A-Za-z0-9/._-]*/?tcenv-{mark}", text) is not None


def _quote(text: str) -> str:
    """Quote a text for a POSIX shell, on one line of ASCII. The shell drops newlines at the end."""
    octal = "".join(chr(byte) if _SAFE.match(bytes([byte])) else f"\\0{byte:03o}" for byte in os.fsencode(text))
    return f"$(printf %b '{octal}')"


def _read(name: str) -> str:
    return resources.read("shell", f"remote/{name}") or ""
