"""Whether anybody is there to approve in a browser, and whether the last sign-in was left unanswered: no browser is waited for
where nobody is (CI, cron, an agent), and a loop in the background opens no second one."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tcenv import paths
from tcenv.config.profile import Profile
from tcenv.errors import Hint, NotSignedIn, StoreError, TimedOut, login_command
from tcenv.files import write_privately
from tcenv.sessions.lock import lock_directory
from tcenv.sessions.profile_names import called
from tcenv.text import duration

#: For so long an unanswered sign-in is not repeated by itself (seconds).
MEMORY = 15 * 60
_ASKED, _UNANSWERED = "asked", "unanswered"
_CTRL_C = 2


def require(profile: Profile, *, waited: bool, retry: bool) -> None:
    """Raise NotSignedIn where nobody is there, or where nobody answered the last time and nobody at a terminal asks again.

    `waited`: another process was signing in meanwhile; one that was killed is taken over from, one that gave up is not."""
    if not _somebody(profile):
        raise NotSignedIn(
            f"Not signed in to {called(profile.name, profile.root_url)}, and nobody is here to approve it in a browser: there "
            "is no terminal, no display and no BROWSER.",
            Hint(
                "In a terminal, or with the address that a browser ends on piped in:",
                login_command(profile.argument, "--no-browser"),
            ),
        )
    if retry or in_person():
        return
    word, at = _read(profile)
    left = at + MEMORY - time.time()
    if 0 < left <= MEMORY and (word == _UNANSWERED or (word == _ASKED and not waited)):
        raise NotSignedIn(
            f"Nobody answered the last sign-in to {called(profile.name, profile.root_url)}: no other browser is opened for "
            f"{duration(left)}.",
            Hint("In a terminal, or with --retry:", login_command(profile.argument, "--retry")),
        )


@contextmanager
def noted(profile: Profile) -> Iterator[None]:
    """Remember, while a sign-in is waited for and after it was given up, that nobody has answered it."""
    _write(profile, _ASKED)
    try:
        yield
    except TimedOut:
        _write(profile, _UNANSWERED)
        raise
    except BaseException as end:
        # A failure is no silence, and Ctrl-C is somebody's answer (which `__main__` raises with the signal's number).
        if isinstance(end, (Exception, KeyboardInterrupt)) or getattr(end, "number", None) == _CTRL_C:
            _forget(profile)
        raise
    _forget(profile)


def in_person() -> bool:
    """Whether somebody at a terminal has asked: in its foreground, and not by a prompt (direnv runs at each of them)."""
    if os.environ.get("DIRENV_IN_ENVRC"):
        return False
    if os.name == "nt":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _somebody(profile: Profile) -> bool:
    environ = os.environ
    if profile.browser or environ.get("BROWSER") or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return True
    if sys.platform in ("darwin", "win32") and not (environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")):
        return True
    if profile.no_browser and _is_piped_in():
        return True
    if os.name == "nt":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _is_piped_in() -> bool:
    """Whether standard input may bring an address: a pipe, a socket or a file."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)


def _path(profile: Profile) -> str:
    return os.path.join(lock_directory(), f"{profile.name}.asked")


def _write(profile: Profile, word: str) -> None:
    with suppress(OSError, StoreError):
        write_privately(_path(profile), f"{word} {int(time.time())}\n".encode())


def _forget(profile: Profile) -> None:
    with suppress(OSError):
        os.unlink(_path(profile))


def _read(profile: Profile) -> tuple[str, float]:
    try:
        with open(_path(profile), encoding="ascii", opener=paths.trusted_or_ignored) as file:
            word, _, at = file.read(64).strip().partition(" ")
            return word, float(at)
    except (OSError, ValueError):
        return "", 0.0
