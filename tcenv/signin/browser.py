"""Open a browser that gets no token and neither writes to stdout nor keeps it open.

Reads `BROWSER` as Python's `webbrowser` does: commands separated by `os.pathsep`, tried in order and before the desktop's own;
`%s` stands for the URL, which is appended otherwise; a trailing `&`; or the name of a browser that `webbrowser` knows."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import errno
import os
import sys
import time

from tcenv.shells.secrets_in_environment import without_secrets
from tcenv.signals import restore_ignored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Literal

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
    if not set(entry) & set("\\'\""):
        return entry.split()
    import shlex

    return shlex.split(entry)


def on_path(program: str) -> bool:
    """Return whether the PATH has `program`. (`shutil.which` imports three compressors, and the browser would wait for them.)"""
    if os.name == "nt":
        import shutil

        return shutil.which(program) is not None
    folders = [""] if os.path.dirname(program) else os.environ.get("PATH", os.defpath).split(os.pathsep)
    places = (os.path.join(folder, program) for folder in folders)
    return any(os.path.isfile(place) and os.access(place, os.X_OK) for place in places)


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
    if not arguments:
        return None
    if not hasattr(os, "fork"):
        return _run(arguments)
    # A process in between, which ends soon: the browser must be no child of the program that `exec` becomes.
    child = os.fork()
    if child == 0:
        code = _EXIT_CODES[False]
        try:
            # The sign-in's lock among them: it must end with the sign-in.
            os.closerange(3, 1 << 16)
            code = _EXIT_CODES[_run(arguments)]
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return next((outcome for outcome, own in _EXIT_CODES.items() if own == code), False)


_EXIT_CODES: dict[bool | None, int] = {True: 0, False: 1, None: 2}


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
        if not arguments:
            return None
        if not hasattr(os, "fork"):
            return _run(arguments)
        told, tell = os.pipe()
        wait, leash = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(leash)
                _start_and_stop(arguments, tell, wait)
            finally:
                os._exit(0)
        os.close(tell)
        os.close(wait)
        said = os.read(told, 1)
        os.close(told)
        outcome = next((outcome for outcome, own in _EXIT_CODES.items() if said == bytes([own])), False)
        if outcome:
            self._keeper = child, leash
        else:
            os.close(leash)
            os.waitpid(child, 0)
        return outcome


def _start_and_stop(arguments: list[str], tell: int, wait: int) -> None:
    """Start a program, wait for it to fail, and stop it. Write to `tell` how that went. Let the program go on when nobody
    holds the other end of `wait`."""
    program = _launch(arguments)
    if not program:
        os.write(tell, bytes([_EXIT_CODES[None if program is None else False]]))
        return
    for_people = os.path.basename(arguments[0]) in _BROWSERS or arguments[:2] == [sys.executable, "-I"]
    seconds = _LAUNCHER_SECONDS if for_people else _PROGRAM_SECONDS
    ended = _wait_for_end(program, seconds)
    if ended is None:
        os.killpg(program, _signal.SIGSTOP)
    try:
        os.write(tell, bytes([_EXIT_CODES[ended is not False]]))
        os.read(wait, 1)
    finally:
        if ended is None:
            os.killpg(program, _signal.SIGCONT)


def _run(arguments: list[str]) -> bool | None:
    if not hasattr(os, "fork"):
        return _run_elsewhere(arguments)
    program = _launch(arguments)
    # One that still runs outlives this process.
    return _wait_for_end(program, _LAUNCHER_SECONDS) is not False if program else None if program is None else False


def _launch(arguments: list[str]) -> int | Literal[False] | None:
    """Start a program. Returns its process; False where it cannot be started, None where there is none."""
    # `subprocess` imports 30 modules, for which the browser would wait.
    failed, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _exec(arguments, tell)
        except OSError as error:
            os.write(tell, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(tell)
    told = os.read(failed, 16)
    os.close(failed)
    if told:
        os.waitpid(child, 0)
        return None if int(told) == errno.ENOENT else False
    return child


def _wait_for_end(program: int, seconds: float) -> bool | None:
    """Return whether a program that ends within `seconds` ends without an error; None if it still runs."""
    end = time.monotonic() + seconds
    pause = 0.001
    while time.monotonic() < end:
        found, status = os.waitpid(program, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
    return None


def _exec(arguments: list[str], tell: int) -> None:
    """Become the program, without this process's streams and descriptors, in a session of its own: Ctrl-C is for tcenv alone, and
    a closing terminal does not close the browser. Raises OSError."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.closerange(3, tell)
    os.closerange(tell + 1, 1 << 16)
    restore_ignored()
    os.execvpe(arguments[0], arguments, without_secrets(os.environ))


def _run_elsewhere(arguments: list[str]) -> bool | None:
    import subprocess

    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=without_secrets(os.environ),
            start_new_session=True,
        )
    except FileNotFoundError:
        return None
    except OSError:
        return False
    try:
        return process.wait(_LAUNCHER_SECONDS) == 0
    except subprocess.TimeoutExpired:
        process.returncode = 0
        return True
