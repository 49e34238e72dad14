"""Open a browser that gets no token and neither writes to stdout nor keeps it open.

Reads `BROWSER` as Python's `webbrowser` does. It holds commands that are separated by `os.pathsep`, and tcenv tries them
in order, before the desktop's browser. `%s` stands for the URL; without it, the URL becomes the last argument. A
trailing `&` is ignored. A command may also be a name that `webbrowser` knows, or the path of a program with spaces in
it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from typing import TYPE_CHECKING

from tcenv import verbosity
from tcenv.shells.secrets_in_environment import drop_secrets
from tcenv.signin.launch import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    # Starts a program. Returns the program if it runs, None if it ended without an error, or the reason for its failure.
    Launch = Callable[[list[str]], Program | str | None]

# Browsers that draw in a terminal. They cannot use this one.
_IN_TERMINAL = frozenset({"www-browser", "lynx", "links", "links2", "elinks", "w3m", "browsh", "carbonyl"})
_DESKTOP = (
    ["xdg-open"],
    ["gio", "open"],
    ["x-www-browser"],
    ["firefox"],
    ["chromium"],
    ["google-chrome"],
)
# Not tested.
_WSL_LAUNCHERS = (["wslview"], ["rundll32.exe", "url.dll,FileProtocolHandler"])
_NOT_FOUND = "not found"
# A program that fails within these seconds did not start. After that, a person may have closed the browser.
_START_SECONDS = 15.0
# Seconds to wait for a launcher to fail. A launcher that runs longer has found a browser.
_LAUNCHER_SECONDS = 0.25
# Seconds to wait for any other program to fail. It may approve by itself, at once.
_PROGRAM_SECONDS = 0.03
_BROWSERS = frozenset(
    {program[0] for program in (*_DESKTOP, *_WSL_LAUNCHERS)}
    | {"open", "sensible-browser", "firefox-esr", "chromium-browser", "google-chrome-stable", "brave-browser"}
)


class BrowserStart:
    """The attempt to start a browser: true if one has started. `failures` names the programs that did not start, each with the
    reason."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._has_started = False
        self._name = ""
        self._program: Program | None = None
        self._since = time.monotonic()

    def __bool__(self) -> bool:
        return self._has_started

    def add(self, name: str, outcome: Program | str | None) -> bool:
        """Add the outcome of starting `name` (see `Launch`). Return whether it has started."""
        if isinstance(outcome, str):
            self.failures.append(f"{name}: {outcome}")
            return False
        self._has_started, self._name, self._program = True, name, outcome
        return True

    def find_failure(self) -> str | None:
        """Return the name and the reason if the program has failed since it started. Reports a failure once."""
        if self._program is None:
            return None
        status = self._program.wait(0)
        if status is None and time.monotonic() < self._since + _START_SECONDS:
            return None
        self._program.close()
        self._program = None
        return f"{self._name}: {_describe_status(status)}" if status else None


def open_browser(url: str, command: str | None = None, launch: Launch | None = None) -> BrowserStart:
    """Start a browser at `url`: `command` if it is given, or else what `BROWSER` names, or else the desktop's. `launch`
    starts a program (see `PausedLaunch`). If none starts, the user has the URL, and the wait goes on."""
    launch = launch or _start_program
    start = BrowserStart()
    named = command or os.environ.get("BROWSER", "")
    if not any(_open_with(words, url, launch, start) for words in split_commands(named)) and not command:
        _open_desktop(url, launch, start)
    return start


def split_commands(commands: str) -> list[list[str]]:
    """Return the words of each command in `commands`, in order (see `BROWSER`). Skips words that are no command."""
    return [words for entry in commands.split(os.pathsep) if (words := _split_command(entry.strip()))]


def _split_command(entry: str) -> list[str]:
    if "%s" not in entry and is_on_path(entry):
        # This is a path with spaces, such as /mnt/c/Program Files/…, which users do not quote.
        return [entry]
    try:
        words = _split_words(entry)
    except ValueError:
        return []
    return words[:-1] if words and words[-1] == "&" else words


def _split_words(entry: str) -> list[str]:
    """Split a command line into words. Raises ValueError."""
    if os.name == "nt":
        return _split_on_windows(entry)
    if not set(entry) & set("\\'\""):
        return entry.split()
    return shlex.split(entry)


def _split_on_windows(entry: str) -> list[str]:
    """Split a command line in which backslashes separate directories."""
    words = shlex.shlex(entry, posix=True)
    words.whitespace_split, words.escape, words.commenters, words.quotes = True, "", "", '"'
    return list(words)


def is_on_path(program: str) -> bool:
    """Return whether the PATH has `program`. (`shutil.which` would delay the browser: it imports three compressors.)"""
    if os.name == "nt":
        from tcenv.shells.windows import find_program

        return find_program(program, os.environ) is not None
    folders = [""] if os.path.dirname(program) else os.environ.get("PATH", os.defpath).split(os.pathsep)
    places = (os.path.join(folder, program) for folder in folders)
    return any(os.path.isfile(place) and os.access(place, os.X_OK) for place in places)


def _open_with(words: list[str], url: str, launch: Launch, start: BrowserStart) -> bool:
    if os.path.basename(words[0]) in _IN_TERMINAL:
        return start.add(words[0], "needs this terminal")
    verbosity.log(f"Starting the browser {words[0]}.")
    arguments = [word.replace("%s", url) for word in words[1:]]
    if not any("%s" in word for word in words):
        arguments.append(url)
    outcome = launch([words[0], *arguments])
    if outcome == _NOT_FOUND and len(words) == 1:
        outcome = launch(_find_registered(words[0], url))
    return start.add(words[0], outcome)


def _open_desktop(url: str, launch: Launch, start: BrowserStart) -> None:
    """Start the desktop's browser. A program that is not installed is no failure if another one starts."""
    if os.name == "nt":
        try:
            os.startfile(url)  # type: ignore[attr-defined,unused-ignore]
            start.add("the desktop", None)
        except OSError as error:
            start.add("the desktop", error.strerror or "failed")
        return
    if sys.platform == "darwin":
        # Over ssh the browser would open on the screen of another person.
        if not os.environ.get("SSH_CONNECTION"):
            start.add("/usr/bin/open", launch(["/usr/bin/open", url]))
        return
    programs: list[list[str]] = [*_WSL_LAUNCHERS] if os.environ.get("WSL_DISTRO_NAME") else []
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        programs += _DESKTOP
    failures = list(start.failures)
    for program in programs:
        verbosity.log(f"Starting the browser {program[0]}.")
        outcome = launch([*program, url])
        if outcome != _NOT_FOUND and start.add(program[0], outcome):
            start.failures = failures
            return
    if programs and start.failures == failures:
        start.add("the desktop's browser", _NOT_FOUND)


def _find_registered(name: str, url: str) -> list[str]:
    """Return the command that opens a browser by its name in `webbrowser`, such as `chrome` or `macosx`. Returns an
    empty list for an unknown name. The command runs `webbrowser` in its own process, so that tcenv can discard its
    output."""
    import webbrowser

    # `webbrowser` would register each command in BROWSER as a browser.
    commands = os.environ.pop("BROWSER", None)
    try:
        webbrowser.get(name)
    except webbrowser.Error:
        return []
    finally:
        if commands is not None:
            os.environ["BROWSER"] = commands
    program = "import sys, webbrowser; sys.exit(not webbrowser.get(sys.argv[1]).open(sys.argv[2]))"
    # -I: run no code from the current directory or from a directory that a variable names.
    return [sys.executable, "-I", "-c", program, name, url]


def _start_program(arguments: list[str]) -> Program | str | None:
    """Start a program (see `Launch`)."""
    if not hasattr(os, "posix_spawn"):
        return _start_on_windows(arguments)
    program = _launch(arguments)
    return _NOT_FOUND if program is None else _watch_start(program, _LAUNCHER_SECONDS)


def _watch_start(program: Program, seconds: float) -> Program | str | None:
    """Return the program if it still runs after these seconds; else None, or why it failed (see `Launch`)."""
    status = program.wait(seconds)
    if status is None:
        return program
    program.close()
    return _describe_status(status) if status else None


def _describe_status(status: int) -> str:
    return f"exit status {status}"


class PausedLaunch:
    """A context manager whose `launch` starts a program and pauses it if it does not fail at once. The program goes on when the
    context ends, even if this process is killed.

    The code in the context knows that a browser starts, and runs before anybody sees its page."""

    def __init__(self) -> None:
        self._pause: tuple[int, int] | None = None

    def __enter__(self) -> PausedLaunch:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pause is not None:
            child, descriptor = self._pause
            os.close(descriptor)
            os.waitpid(child, 0)
            self._pause = None

    def launch(self, arguments: list[str]) -> Program | str | None:
        """Start a program, for `open_browser`."""
        if not hasattr(os, "posix_spawn"):
            return _start_on_windows(arguments)
        program = _launch(arguments)
        if program is None:
            return _NOT_FOUND
        is_browser = os.path.basename(arguments[0]) in _BROWSERS or arguments[:2] == [sys.executable, "-I"]
        outcome = _watch_start(program, _LAUNCHER_SECONDS if is_browser else _PROGRAM_SECONDS)
        if outcome is program:
            self._pause = program.pause()
        return outcome


def _launch(arguments: list[str]) -> Program | None:
    """Start a program; None if it does not exist."""
    return Program.start(arguments) if arguments and is_on_path(arguments[0]) else None


def _start_on_windows(arguments: list[str]) -> str | None:
    """Start a program on Windows, in a process group that the console's Ctrl-C does not reach."""
    import subprocess

    from tcenv.shells.windows import NotQuotable, build_arguments, find_program

    program = find_program(arguments[0], os.environ) if arguments else None
    if program is None:
        return _NOT_FOUND
    try:
        process = subprocess.Popen(
            build_arguments(program, arguments[1:], os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=drop_secrets(os.environ),
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except NotQuotable as error:
        return str(error)
    except OSError as error:
        return error.strerror or "failed"
    try:
        status = process.wait(_LAUNCHER_SECONDS)
    except subprocess.TimeoutExpired:
        process.returncode = 0
        return None
    return _describe_status(status) if status else None
