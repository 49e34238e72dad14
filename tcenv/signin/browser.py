"""Open a browser that gets no token and neither writes to stdout nor keeps it open.

Reads `BROWSER` as Python's `webbrowser` does: commands separated by `os.pathsep`, tried in order and before the desktop's own;
`%s` stands for the URL, which is appended otherwise; a trailing `&`; or the name of a browser that `webbrowser` knows."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from tcenv.shells.process import on_path
from tcenv.shells.secrets_in_environment import without_secrets
from tcenv.shells.windows import NotQuotable, arguments_for, find_program
from tcenv.signin.launch import Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    # Whether a program runs or has ended without an error; None if it does not exist.
    Launch = Callable[[list[str]], bool | None]

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
# No test runs these.
_WINDOWS_FROM_LINUX = (["wslview"], ["rundll32.exe", "url.dll,FileProtocolHandler"])
# Seconds in which a launcher may fail. One that runs longer has found something to open.
_LAUNCHER_SECONDS = 0.25
# The same for a program that may answer without a person, and so at once.
_PROGRAM_SECONDS = 0.03
_BROWSERS = frozenset(
    {program[0] for program in (*_DESKTOP, *_WINDOWS_FROM_LINUX)}
    | {"open", "sensible-browser", "firefox-esr", "chromium-browser", "google-chrome-stable", "brave-browser"}
)


def open_browser(url: str, command: str | None = None, launch: Launch | None = None) -> bool:
    """Start a browser at `url`: `command` if it is given, or else what `BROWSER` names, or else the desktop's. `launch` starts a
    program (see `PausedLaunch`).

    Return False if none starts. The user has the URL, and the wait goes on."""
    launch = launch or _start
    if command:
        return _open_named(command, url, launch)
    return _open_named(os.environ.get("BROWSER", ""), url, launch) or _open_desktop(url, launch)


def _words(entry: str) -> list[str]:
    """Split a command line into words. Raises ValueError."""
    if os.name == "nt":
        return _words_on_windows(entry)
    if not set(entry) & set("\\'\""):
        return entry.split()
    return shlex.split(entry)


def named_program(commands: str) -> str:
    """Return the first program that `commands`, a value of BROWSER, names, or what it is if it names none."""
    entry = commands.split(os.pathsep)[0]
    try:
        return _words(entry)[0]
    except (ValueError, IndexError):
        return entry


def _words_on_windows(entry: str) -> list[str]:
    """Split a command line in which backslashes separate directories. A path may have blanks if nothing follows it."""
    if os.path.isfile(entry):
        return [entry]
    words = shlex.shlex(entry, posix=True)
    words.whitespace_split, words.escape, words.commenters, words.quotes = True, "", "", '"'
    return list(words)


def _open_named(commands: str, url: str, launch: Launch) -> bool:
    return any(_open_entry(entry, url, launch) for entry in commands.split(os.pathsep))


def _open_entry(entry: str, url: str, launch: Launch) -> bool:
    try:
        words = _words(entry)
    except ValueError:
        return False
    if words and words[-1] == "&":
        words.pop()
    if not words or os.path.basename(words[0]) in _IN_TERMINAL:
        return False
    arguments = [word.replace("%s", url) for word in words[1:]]
    if "%s" not in entry:
        arguments.append(url)
    opened = launch([words[0], *arguments])
    if opened is None and len(words) == 1:
        opened = launch(_registered(words[0], url))
    return bool(opened)


def _open_desktop(url: str, launch: Launch) -> bool:
    if os.name == "nt":
        try:
            os.startfile(url)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    if sys.platform == "darwin":
        # Over ssh it would open on a screen in front of somebody else.
        return not os.environ.get("SSH_CONNECTION") and bool(launch(["/usr/bin/open", url]))
    if os.environ.get("WSL_DISTRO_NAME") and any(launch([*program, url]) for program in _WINDOWS_FROM_LINUX):
        return True
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return any(launch([*program, url]) for program in _DESKTOP)


def _registered(name: str, url: str) -> list[str]:
    """Return the command that opens a browser which `webbrowser` knows under a name that is no command (`chrome`, `macosx`,
    `windows-default`). That module runs in a process of its own, so that its output goes nowhere. Empty for an unknown name."""
    import webbrowser

    try:
        webbrowser.get(name)
    except webbrowser.Error:
        return []
    program = "import sys, webbrowser; sys.exit(not webbrowser.get(sys.argv[1]).open(sys.argv[2]))"
    # -I: neither the current directory nor one that a variable names holds code for it.
    return [sys.executable, "-I", "-c", program, name, url]


def _start(arguments: list[str]) -> bool | None:
    """Start a program. Return whether it runs or has ended without an error; None if it does not exist."""
    if not hasattr(os, "posix_spawn"):
        return _run_elsewhere(arguments)
    program = _launch(arguments)
    if program is None:
        return None
    try:
        return program.wait(_LAUNCHER_SECONDS) is not False
    finally:
        program.close()


class PausedLaunch:
    """A context manager whose `launch` starts a program and stops it as soon as that has not failed. The program goes on when the
    context ends, also if this process is killed.

    So a step can be taken after it is known that a browser starts, and before anybody sees its page."""

    def __init__(self) -> None:
        self._keeper: tuple[int, int] | None = None

    def __enter__(self) -> PausedLaunch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            child, leash = self._keeper
            os.close(leash)
            os.waitpid(child, 0)
            self._keeper = None

    def launch(self, arguments: list[str]) -> bool | None:
        """Start a program, for `open_browser`."""
        if not hasattr(os, "posix_spawn"):
            return _run_elsewhere(arguments)
        program = _launch(arguments)
        if program is None:
            return None
        for_people = os.path.basename(arguments[0]) in _BROWSERS or arguments[:2] == [sys.executable, "-I"]
        try:
            ended = program.wait(_LAUNCHER_SECONDS if for_people else _PROGRAM_SECONDS)
            if ended is None:
                self._keeper = program.pause()
            return ended is not False
        finally:
            program.close()


def _launch(arguments: list[str]) -> Program | None:
    """Start a program; None if it does not exist."""
    return Program.start(arguments) if arguments and on_path(arguments[0]) else None


def _run_elsewhere(arguments: list[str]) -> bool | None:
    """Start a program on Windows, in a process group that the console's Ctrl-C does not reach."""
    import subprocess

    program = find_program(arguments[0], os.environ) if arguments else None
    if program is None:
        return None
    try:
        process = subprocess.Popen(
            arguments_for(program, arguments[1:], os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=without_secrets(os.environ),
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except (NotQuotable, OSError):
        return False
    try:
        return process.wait(_LAUNCHER_SECONDS) == 0
    except subprocess.TimeoutExpired:
        process.returncode = 0
        return True
