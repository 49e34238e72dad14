"""What the parser of the full command line could not read, in the words and the form of all other messages."""

from __future__ import annotations

import re

from tcenv.cli.parsing import plain_reader
from tcenv.errors import Hint, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# What the parser says, and what we say. (It is Typer's own English, whatever the locale.)
_WORDS = (
    (r"No such command '(.*?)'\.?(?: Did you mean (.*)\?)?", r"There is no command '\1'.", r"Did you mean \2?"),
    (r"No such option:? '?(-[^\s']*)'?.*", r"There is no option \1.", ""),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"There is no place for '\1'.", ""),
    (r"Missing argument '\[PROFILE\] -- CMD\.\.\.'\.?", r"The command is missing: tcenv exec -- CMD", ""),
    (r"Missing argument '?([^'.]*)'?\.?", r"\1 is missing.", ""),
    (r"Missing option '?([^'.]*)'?\.?", r"\1 is missing.", ""),
    (r"Missing command\.?", r"A command is missing.", ""),
    (r"Option '?(-[^' ]*)'? requires an argument\.?", r"\1 needs a value.", ""),
    (r"Option '?(-[^' ]*)'? does not take a value\.?", r"\1 takes no value.", ""),
    (r"Invalid value for '?(-[^':]*?)'?: .*valid integer.*", r"\1 takes a number.", ""),
    (r"Invalid value: (.*)", r"\1", ""),
)


def misread(failure: Any, arguments: Sequence[str]) -> UsageError:
    """The error of the command line `arguments`, which `failure`, one of Typer's exceptions, could not read."""
    text = " ".join(str(failure.format_message()).split())
    named = plain_reader.find(arguments) if arguments else None
    words = getattr(getattr(failure, "ctx", None), "command_path", f"tcenv {named[0]}" if named else "tcenv")
    for theirs, ours, more in _WORDS:
        found = re.fullmatch(theirs, text, re.S)
        if found:
            text = found.expand(ours)
            if more and found.group(2):
                text += f" {found.expand(more)}"
            break
    meant = _meant(failure)
    text = f"{text[:1].upper()}{text[1:]}{f' Did you mean {meant}?' if meant else ''}"
    return UsageError(text if text[-1:] in ".?!" else f"{text}.", Hint("See:", (*words.split(), "--help")))


def _meant(failure: Any) -> str:
    """The option that was meant by one that there is not, as far as that can be told."""
    from difflib import get_close_matches

    known = getattr(failure, "possibilities", None)
    return next(iter(get_close_matches(str(getattr(failure, "option_name", "")), known, 1)), "") if known else ""
