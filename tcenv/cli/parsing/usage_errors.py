"""Say in tcenv's words what is wrong with a command line that Typer's parser refuses."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tcenv.cli.parsing import declaration, plain_reader
from tcenv.errors import Hint, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What people type out of habit from other tools, and the command that does it here.
_MEANT = {
    "ls": "profile list",
    "list": "profile list",
    "rm": "profile remove",
    "remove": "profile remove",
    "add": "profile set",
    "set": "profile set",
    "use": "env",
    "auth": "login",
    "run": "exec",
    "exec-env": "exec",
}
# Options of similar commands that a command cannot have, with the reason.
_IMPOSSIBLE = {
    ("tcenv ssh", "--unsigned"): "--unsigned is for this machine alone: an ssh server hides who calls.",
}


def explain(failure: Exception, arguments: Sequence[str]) -> Exception:
    """Return the usage error that says what an exception of the parser means; the exception itself if it is none of those.

    Goes by the attributes of the parser's exceptions, which are the same in all versions of Typer. The classes are not:
    older versions take them from click, and newer ones have their own, most of them private."""
    if not hasattr(failure, "format_message"):
        return failure
    found = plain_reader.find(arguments) if arguments else None
    path = getattr(getattr(failure, "ctx", None), "command_path", f"tcenv {found[0]}" if found else "tcenv")
    name = str(getattr(failure, "option_name", "") or "")
    param: Any = getattr(failure, "param", None)
    if (path, name) in _IMPOSSIBLE:
        return _make_error(_IMPOSSIBLE[path, name], path)
    if name and hasattr(failure, "possibilities"):
        near = get_close_matches(name, failure.possibilities or (), 1)
        return _make_error(f"There is no option {name}.", path, near)
    if name:
        return _make_error(f"{name} takes no value." if _is_flag(name, path) else f"{name} needs a value.", path)
    if param is not None and hasattr(failure, "param_type"):
        argument = declaration.find_command(" ".join(path.split()[1:])).argument
        if argument is not None and "--" in argument.metavar and not argument.required:
            return _make_error("The command is missing: put it after --.", path)
        return _make_error(f"{argument.metavar.partition(' ')[0] if argument else param.name} is missing.", path)
    if param is not None:
        return _make_error(f"{param.opts[0]} takes a number.", path)
    message: str = getattr(failure, "message", "")
    return _make_error(message[:1].upper() + message[1:], path)


def describe_unknown_command(name: str, path: str, known: Iterable[str]) -> UsageError:
    """Return the error for a command that does not exist."""
    meant = [_MEANT[name]] if path == "tcenv" and name in _MEANT else get_close_matches(name, list(known), 1)
    return _make_error(f"There is no command {name!r}.", path, meant)


def describe_missing_command(path: str) -> UsageError:
    """Return the error for a group without a command."""
    return _make_error("A command is missing.", path)


def describe_unexpected_words(words: Sequence[str], path: str) -> UsageError:
    """Return the error for words that the command has no place for."""
    return _make_error(f"Unexpected argument: '{' '.join(words)}'.", path)


def _make_error(text: str, path: str, meant: Sequence[str] = ()) -> UsageError:
    text = text if text[-1:] in ".?!" else f"{text}."
    return UsageError(f"{text} Did you mean {meant[0]}?" if meant else text, Hint("See:", (*path.split(), "--help")))


def _is_flag(name: str, path: str) -> bool:
    words = " ".join(path.split()[1:])
    return any(option.name == name and option.kind == "flag" for option in declaration.find_command(words).options)
