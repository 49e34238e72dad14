"""Find and start programs on Windows: none from the current directory unless it is named, and a batch file only with arguments
that cmd leaves alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tcenv.text import replace_unprintable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_ENDINGS = ".COM;.EXE;.BAT;.CMD"
_BATCH = (".bat", ".cmd")
# cmd reads a batch file's arguments once to start it, and once more in it. No quoting keeps these characters through both:
# `%` and `!` name variables, a quote ends the quoting, and a line end ends the command.
_NOT_QUOTABLE = frozenset('%!"\r\n\0')
# The characters that cmd and programs take literally in a word without quotes.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:\\+@")
# The status of a program that Ctrl-C ended (STATUS_CONTROL_C_EXIT), and the one that shells report then.
_ENDED_BY_CTRL_C, _INTERRUPTED = 0xC000013A, 130
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class NotQuotable(ValueError):
    """A batch file would not get its arguments unchanged. The text tells why, and repeats no argument."""


def find_program(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the absolute path of the program `name`, or None. Windows itself and `shutil.which` look in the current directory
    first; this looks there only for a name with a directory in it."""
    endings = [ending.lower() for ending in (environ.get("PATHEXT") or _ENDINGS).split(";") if ending]
    if os.path.dirname(name):
        places = [os.path.abspath(name)]
    else:
        folders = [folder.strip('"') for folder in environ.get("PATH", "").split(os.pathsep)]
        places = [os.path.join(folder, name) for folder in folders if os.path.isabs(folder)]
    for place in places:
        candidates = [place + ending for ending in endings]
        if os.path.splitext(place)[1].lower() in endings:
            candidates.insert(0, place)
        for candidate in candidates:
            if os.path.isfile(candidate):
                return candidate
    return None


def build_arguments(program: str, arguments: Sequence[str], environ: Mapping[str, str]) -> str | list[str]:
    """Return the arguments with which `subprocess` starts `program` (an absolute path). Raises NotQuotable for a batch file
    that would not get `arguments` unchanged."""
    # Windows drops dots and blanks at the end of a file's name.
    if not program.rstrip(". ").lower().endswith(_BATCH):
        return [program, *arguments]
    root = environ.get("SystemRoot") or environ.get("SYSTEMROOT") or r"C:\Windows"
    words = " ".join(_quote(word) for word in (program, *arguments))
    # cmd takes the first quote and the last one away.
    return f'"{root}\\System32\\cmd.exe" /d /e:on /v:off /s /c "{words}"'


def _quote(word: str) -> str:
    found = sorted(_NOT_QUOTABLE & set(word))
    if found:
        raise NotQuotable(f"a batch file cannot take an argument with {' or '.join(map(repr, found))}")
    if word and not set(word) - _PLAIN:
        return word
    # Programs take a backslash before a quote for an escape.
    backslashes = len(word) - len(word.rstrip("\\"))
    return f'"{word}{backslashes * chr(92)}"'


def run_command(command: Sequence[str], environ: Mapping[str, str], started: Callable[[], None] = lambda: None) -> int:
    """Run `command` as a child, call `started` once it runs, wait for its end and return its status. Prints a message and
    returns 127 or 126 if it cannot be started. The console sends Ctrl-C and Ctrl-Break to the command."""
    program = find_program(command[0], environ)
    if program is None:
        return _refuse(command[0], "command not found", _NOT_FOUND)
    former = {number: signal.signal(number, _do_nothing) for number in _list_console_signals()}
    try:
        child = subprocess.Popen(build_arguments(program, command[1:], environ), env=dict(environ))
        started()
        status = child.wait()
    except NotQuotable as reason:
        return _refuse(command[0], str(reason), _NOT_EXECUTABLE)
    except OSError as error:
        return _refuse(command[0], error.strerror or str(error), _NOT_EXECUTABLE)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if status == _ENDED_BY_CTRL_C:
        return _INTERRUPTED
    # The interpreter ends with signed numbers.
    return status - (1 << 32) if status >> 31 else status


def _list_console_signals() -> list[int]:
    return [getattr(signal, name) for name in ("SIGINT", "SIGBREAK") if hasattr(signal, name)]


def _do_nothing(number: int, frame: object) -> None:
    return None


def _refuse(name: str, reason: str, status: int) -> int:
    print(replace_unprintable(f"tcenv: {name}: {reason}"), file=sys.stderr)
    return status
