"""Control how much tcenv prints. `--quiet` drops everything but errors and requested output. `--verbose` adds what tcenv
does.

Never log a secret: no token, no query of a URL, no body."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv.errors import UsageError
from tcenv.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEVELS = {"-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose"}

# These apply if the command line has no such option.
VARIABLES = {"quiet": "TCENV_QUIET", "verbose": "TCENV_VERBOSE"}

is_quiet = False
is_verbose = False


def take_options(arguments: Sequence[str]) -> list[str]:
    """Set the level from a command's options, else from a variable. Returns `arguments` without these options. Reads nothing
    after `--`. Raises UsageError."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    own = arguments[:cut]
    given = {LEVELS[word] for word in own if word in LEVELS}
    if not given:
        given = {level for level, name in VARIABLES.items() if os.environ.get(name) == "1"}
    if len(given) > 1:
        raise UsageError("Use either --quiet or --verbose.")
    set_level(quiet="quiet" in given, verbose="verbose" in given)
    return [*(word for word in own if word not in LEVELS), *arguments[cut:]]


def set_level(*, quiet: bool = False, verbose: bool = False) -> None:
    """Set how much tcenv prints from now on."""
    global is_quiet, is_verbose
    is_quiet, is_verbose = quiet, verbose


def log(text: str) -> None:
    """Say on stderr what tcenv does, with `--verbose`."""
    if is_verbose:
        write(replace_unprintable(text))


def _write(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"tcenv: {text}\n")
        sys.stderr.flush()


# A sign-in replaces this while it shows moving lines.
write: Callable[[str], None] = _write
