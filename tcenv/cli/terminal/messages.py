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
from tcenv.errors import Hint
from tcenv.sessions.profile_names import get_profile_name
from tcenv.text import format_duration, replace_unprintable, wrap

if TYPE_CHECKING:
    from typing import Any, TextIO

    from rich.console import Console

    from tcenv.errors import TcenvError

    Part = str | tuple[str, ...]

_STYLES = {"bold red": "1;31", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}


# As TERM_PROGRAM and TERM name them.
_WITH_LINKS = frozenset({"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio"})
_TYPES_WITH_LINKS = frozenset({"xterm-kitty", "alacritty", "foot", "foot-extra", "xterm-ghostty", "wezterm"})
_IN_ASCII = {"“": '"', "”": '"', "’": "'", "…": "...", "·": "-", "→": "->", "✓": "ok", "✗": "x"}


class Face:
    """What a stream can show: `terminal`, `colour` and `fancy` (marks beyond ASCII)."""

    def __init__(self, stream: TextIO | None, *, asked_for: bool = False) -> None:
        self.stream = stream
        self._asked_for = asked_for
        try:
            self.terminal = stream is not None and stream.isatty()
        except ValueError:  # closed
            self.terminal = False
        dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
        self.colour = self.terminal and not dumb and not os.environ.get("NO_COLOR")
        self.ascii = _find_locale() in ("C", "POSIX")
        is_unicode = (getattr(stream, "encoding", "") or "").lower().startswith("utf")
        self.fancy = self.terminal and not dumb and is_unicode and not self.ascii

    @property
    def width(self) -> int:
        """The terminal's columns, which a resize changes; 0 where there is no terminal."""
        return _measure_width(self.stream) if self.terminal else 0

    def transliterate(self, text: str) -> str:
        """Return `text` with ASCII in place of our own typography, where the locale is C."""
        if self.ascii:
            for mark, plain in _IN_ASCII.items():
                text = text.replace(mark, plain)
        return text

    def style(self, text: str, style: str) -> str:
        """Return `text` in a colour or weight, if the stream shows any."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour and text else text

    def wrap(self, text: str, first: str = "", rest: str = "", *, shown: str | None = None) -> str:
        """Return `text` broken between words to the stream's width, behind `first` (shown as `shown`) and `rest`. A word,
        such as an address or a scope, stays whole."""
        width = self.width
        whole = wrap(text, width, first, rest) if width else first + text
        return (first if shown is None else shown) + whole[len(first) :]

    @property
    def links(self) -> bool:
        """Whether the terminal is known to follow links (OSC 8). tmux and screen pass them on only if they are told to."""
        environ = os.environ
        if not self.colour or "TMUX" in environ or "STY" in environ:
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
        if self._asked_for:
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


def _measure_width(stream: TextIO | None) -> int:
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream is not None else 0
    except (OSError, ValueError):
        return 80


@cache
def get_face() -> Face:
    """Return the face of stderr."""
    return Face(sys.stderr)


@cache
def report() -> Face:
    """Return the face of stdout, for the commands that report."""
    return Face(sys.stdout, asked_for=True)


class _Steady:
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

    steady: Any = _Steady(sys.stderr)
    return Console(file=steady, highlight=False, soft_wrap=True)


def _render_line(mark: str, word: str, style: str, text: str) -> None:
    out = get_face()
    lead = mark if out.fancy else f"tcenv: {word}:" if word else "tcenv:"
    first = f"{lead} "
    whole = out.wrap(replace_unprintable(text), first, "  " if out.terminal else "", shown=out.style(lead, style) + " ")
    out.write(whole.replace(_TOGETHER, " "))


def done(*parts: Part) -> None:
    """Say that something has been done. Each of `parts` is prose or a command, as in a Hint."""
    if verbosity.is_quiet:
        return
    _render_line("✓", "", "green", _render(*parts))


def note(*parts: Part) -> None:
    """Say something worth knowing."""
    if verbosity.is_quiet:
        return
    _render_line("·", "", "dim", _render(*parts))


def note_reuse(profile: str, root_url: str, client_id: str, expires: int) -> None:
    """Say that a session is reused."""
    # The user does not know a name that was made from the root URL.
    where = root_url if profile == get_profile_name(root_url) else profile
    done(f"{where}: signed in as {client_id}, {format_duration(expires - time.time())} left.")


def warn(*parts: Part) -> None:
    """Say something that the user should look at."""
    if verbosity.is_quiet:
        return
    _render_line("!", "warning", "yellow", _render(*parts))


def hint(*parts: Part) -> None:
    """Say what to do next."""
    if verbosity.is_quiet:
        return
    _render_line("→", "", "cyan", _render(*parts))


def say(text: str) -> None:
    """Write a line of a question. It has no mark, and `--quiet` leaves it."""
    get_face().write(replace_unprintable(text))


def detail(text: str) -> None:
    """Say what tcenv does, with `--verbose`."""
    get_face().write(get_face().style(f"tcenv: {text}", "dim"))


def _render(*parts: Part) -> str:
    """Write each command in the form for the user's shell, and so that no line breaks inside of it."""

    def show(command: tuple[str, ...]) -> str:
        return render_command_line(command).replace(" ", _TOGETHER)

    return Hint(*parts).render(show)


# Stands for a blank at which no line breaks. Nobody can type it.
_TOGETHER = "\N{OBJECT REPLACEMENT CHARACTER}"


# state -> mark, word, style
_FOUND = {"good": ("✓", "good", "green"), "note": ("·", "note", "dim"), "bad": ("✗", "bad", "bold red")}


def finding(state: str, text: str, fix: Hint | str | None) -> None:
    """Write a line of a report on stdout: `state` is good, note or bad; `fix` says what to do."""
    out = report()
    mark, word, style = _FOUND[state]
    lead = mark if out.fancy else f"{word}:"
    rest = "  " if out.terminal else ""
    out.write(out.wrap(replace_unprintable(text), f"{lead} ", rest, shown=out.style(lead, style) + " "))
    if fix:
        arrow = "→" if out.fancy else "fix:"
        shown = f"  {out.style(arrow, 'cyan')} "
        text = replace_unprintable(_render(*([fix] if isinstance(fix, str) else fix.parts)))
        line = out.wrap(text, f"  {arrow} ", "    " if out.terminal else "", shown=shown)
        out.write(line.replace(_TOGETHER, " "))


def plain(text: str) -> None:
    """Write a line that belongs to the one above."""
    if verbosity.is_quiet:
        return
    get_face().write(replace_unprintable(text))


def error(failure: TcenvError) -> None:
    """Say why the command fails, and what to do next."""
    _render_line("✗", "error", "bold red", failure.message)
    if failure.hint:
        # Part of the error, so --quiet leaves it.
        _render_line("→", "", "cyan", _render(*failure.hint.parts))
