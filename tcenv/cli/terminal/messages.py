"""Print messages for people on stderr: in a terminal with a mark and colours, elsewhere as plain lines.
Never shows a token, and shows nothing from outside before `replace_unprintable` has been over it.

Does not import rich, which takes five times as long as the interpreter. Only moving output needs it (`progress`)."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from tcenv import output, verbosity
from tcenv.cli.terminal.command_line import render_command_line
from tcenv.cli.terminal.streams import ASCII
from tcenv.errors import Hint
from tcenv.sessions.profile_names import get_profile_name
from tcenv.text import format_duration, replace_unprintable, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TextIO

    from rich.console import Console

    from tcenv.errors import TcenvError

    Part = str | tuple[str, ...]

_STYLES = {"bold red": "1;31", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}
# As TERM_PROGRAM and TERM name them.
_WITH_LINKS = frozenset({"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio"})
_TYPES_WITH_LINKS = frozenset({"xterm-kitty", "alacritty", "foot", "foot-extra", "xterm-ghostty", "wezterm"})
_TO_ASCII = str.maketrans(ASCII)


class StyledStream:
    """A stream that people read, and what it can show: `has_colour`, and `has_marks` beyond ASCII."""

    def __init__(self, stream: TextIO | None, *, is_requested: bool = False) -> None:
        self.stream = stream
        self._is_requested = is_requested
        try:
            self.is_terminal = stream is not None and stream.isatty()
        except ValueError:  # closed
            self.is_terminal = False
        is_smart = self.is_terminal and os.environ.get("TERM", "") not in ("dumb", "unknown")
        self.has_colour = is_smart and not os.environ.get("NO_COLOR")
        self._is_ascii = _find_locale() in ("C", "POSIX")
        is_unicode = (getattr(stream, "encoding", "") or "").lower().startswith("utf")
        self.has_marks = is_smart and is_unicode and not self._is_ascii

    @property
    def width(self) -> int:
        """The terminal's columns, which a resize changes; 0 if there is no terminal."""
        return output.measure_width(self.stream.fileno()) if self.stream is not None and self.is_terminal else 0

    def transliterate(self, text: str) -> str:
        """Return `text` with ASCII in place of our own typography, if the locale is C."""
        return text.translate(_TO_ASCII) if self._is_ascii else text

    def style(self, text: str, style: str) -> str:
        """Return `text` in a colour or weight, if the stream shows any."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.has_colour and text else text

    def wrap(self, text: str, first: str = "", rest: str = "", *, shown: str | None = None) -> str:
        """Return `text` broken between words to the stream's width, behind `first` (shown as `shown`) and `rest`. A word,
        such as an address or a scope, stays whole."""
        width = self.width
        whole = wrap(text, width, first, rest) if width else first + text
        return (first if shown is None else shown) + whole[len(first) :]

    @property
    def has_links(self) -> bool:
        """Whether the terminal is known to follow links (OSC 8). tmux and screen pass them on only if they are told to."""
        environ = os.environ
        if not self.has_colour or "TMUX" in environ or "STY" in environ:
            return False
        # VTE is the terminal of GNOME, Xfce and others. It has had links since 0.50.
        vte = environ.get("VTE_VERSION", "")
        return (
            environ.get("TERM_PROGRAM") in _WITH_LINKS
            or environ.get("TERM") in _TYPES_WITH_LINKS
            or any(name in environ for name in ("KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION"))
            or (vte.isdecimal() and int(vte) >= 5000)
        )

    def write(self, text: str) -> None:
        """Write a line. A message is lost if the stream is closed or full; requested output then fails the command (see
        `output`)."""
        if self.stream is None:
            return
        text = self.transliterate(text)
        if self._is_requested:
            output.write(text + "\n")
            return
        try:
            self.stream.write(text + "\n")
            self.stream.flush()
        except ValueError:
            return
        except OSError:
            # The buffer keeps the text. Python's own exit must not fail on it again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


def _find_locale() -> str:
    """Return the locale that decides on characters, or "" if the user has set none."""
    names = (os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next(filter(None, names), "")


@cache
def get_stderr() -> StyledStream:
    """Return standard error, for messages."""
    return StyledStream(sys.stderr)


@cache
def get_stdout() -> StyledStream:
    """Return standard output, for the commands that report."""
    return StyledStream(sys.stdout, is_requested=True)


class _SteadyStream:
    """Standard error that ignores failed writes: a closed terminal or a full disk is no reason to lose a session."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@cache
def get_console() -> Console:
    """Return rich's console on stderr, for moving output."""
    from rich.console import Console

    steady: Any = _SteadyStream(sys.stderr)
    return Console(file=steady, highlight=False, soft_wrap=True)


# Kind of a message -> mark, word, style.
_MARKS = {
    "done": ("✓", "", "green"),
    "note": ("·", "", "dim"),
    "warning": ("!", "warning", "yellow"),
    "hint": ("→", "", "cyan"),
    "error": ("✗", "error", "bold red"),
}
# State of a finding -> mark, style.
_STATES = {"good": ("✓", "green"), "note": ("·", "dim"), "bad": ("✗", "bold red")}
# Stands for a blank at which no line breaks. Nobody can type it.
_NO_BREAK = "\N{OBJECT REPLACEMENT CHARACTER}"


def confirm(*parts: Part) -> None:
    """Say that something has been done. Each of `parts` is prose or a command, as in a Hint."""
    if not verbosity.is_quiet:
        _print_message("done", parts)


def note(*parts: Part) -> None:
    """Say something worth knowing."""
    if not verbosity.is_quiet:
        _print_message("note", parts)


def note_reuse(fields: Mapping[str, str]) -> None:
    """Say that a session is reused. `fields` are those of its file."""
    profile, root_url = fields["TCENV_PROFILE"], fields["TASKCLUSTER_ROOT_URL"]
    # The user does not know a name that was made from the root URL.
    where = root_url if profile == get_profile_name(root_url) else profile
    left = format_duration(int(fields["TCENV_EXPIRES"]) - time.time())
    confirm(f"{where}: signed in as {fields['TASKCLUSTER_CLIENT_ID']}, {left} left.")


def warn(*parts: Part) -> None:
    """Say something that the user should look at."""
    if not verbosity.is_quiet:
        _print_message("warning", parts)


def hint(*parts: Part) -> None:
    """Say what to do next."""
    if not verbosity.is_quiet:
        _print_message("hint", parts)


def report_error(failure: TcenvError) -> None:
    """Say why the command fails, and what to do next."""
    _print_message("error", (failure.message,))
    if failure.hint:
        # Part of the error, so --quiet leaves it.
        _print_message("hint", failure.hint.parts)


def say(text: str) -> None:
    """Write a line without a mark, which `--quiet` leaves: a part of a question or of a report."""
    get_stderr().write(replace_unprintable(text))


def ask(question: str) -> str:
    """Ask on standard error, because a shell may evaluate standard output. Returns the answer with its line end, or "" at the
    end of the input."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline()


def print_finding(state: str, text: str, fix: Hint | str | None) -> None:
    """Write a line of a report on stdout: `state` is good, note or bad; `fix` says what to do."""
    out = get_stdout()
    mark, style = _STATES[state]
    _write(out, mark if out.has_marks else f"{state}:", style, (text,))
    if fix:
        parts = (fix,) if isinstance(fix, str) else fix.parts
        _write(out, "→" if out.has_marks else "fix:", "cyan", parts, indent="  ")


def _print_message(kind: str, parts: Sequence[Part]) -> None:
    out = get_stderr()
    mark, word, style = _MARKS[kind]
    _write(out, mark if out.has_marks else f"tcenv: {word}:" if word else "tcenv:", style, parts)


def _write(out: StyledStream, lead: str, style: str, parts: Sequence[Part], indent: str = "") -> None:
    """Write `parts` behind a `lead`, broken between words to the stream's width. No line breaks inside of a command."""

    def show(command: tuple[str, ...]) -> str:
        return render_command_line(command).replace(" ", _NO_BREAK)

    text = replace_unprintable(Hint(*parts).render(show))
    shown = f"{indent}{out.style(lead, style)} "
    out.write(out.wrap(text, f"{indent}{lead} ", f"{indent}  ", shown=shown).replace(_NO_BREAK, " "))
