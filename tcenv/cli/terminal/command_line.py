"""Write command lines for messages, in the form for the user's shell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tcenv import cli
from tcenv.errors import UsageError
from tcenv.shells import EVALUATED, load_shell
from tcenv.shells.detect import choose_shell

# The first word of a command that stands for the shell's own way to read a file of statements.
READ = "."
# The options that have other names than their keys.
_NAMES = {"scopes": "--scope", "purpose": "--as", "duration": "--for"}


def render_command_line(words: Sequence[str], name: str | None = None) -> str:
    """Return the line that the user types in the shell `name` (None: the one that runs tcenv) to run a command. A command
    whose output a shell evaluates gets the form that makes it take effect."""
    try:
        shell = load_shell(choose_shell(name))
    except UsageError:
        shell = load_shell("sh")
    if words[0] == READ:
        return shell.make_reading_line(words[1])
    line = " ".join(shell.quote_word(word) for word in words)
    evaluated = words[0] == "tcenv" and len(words) > 1 and words[1] in EVALUATED
    if not evaluated or "--help" in words or cli.from_function:
        return line
    return shell.eval_line.format(line.removeprefix("tcenv "))


def list_option_words(options: object, keys: Iterable[str]) -> list[str]:
    """Return the words of a command line that give those of `options` that have these `keys` and are set."""
    words: list[str] = []
    for key in keys:
        value = getattr(options, key)
        if value is True:
            words.append(get_option_name(key))
        elif value is not None and value is not False:
            values = value if isinstance(value, tuple) else (value,)
            words += [word for one in values for word in (get_option_name(key), str(one))]
    return words


def get_option_name(key: str) -> str:
    """Return the name of the option with this key."""
    return _NAMES.get(key) or f"--{key.replace('_', '-')}"
