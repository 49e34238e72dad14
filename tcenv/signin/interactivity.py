"""Find out whether a person can approve in a browser, and remember a sign-in that nobody answered.

So tcenv waits for no browser in CI, cron or an agent, and a loop in the background does not open one browser after another."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tcenv import paths
from tcenv.config.profile import Profile
from tcenv.errors import Hint, NotSignedIn, StoreError, TimedOut, make_login_command
from tcenv.files import write_privately
from tcenv.sessions.lock import get_lock_directory
from tcenv.sessions.profile_names import get_display_name, get_file_name
from tcenv.text import format_duration

# Seconds in which tcenv does not repeat an unanswered sign-in, unless a person asks for it.
_COOLDOWN = 15 * 60
_ASKED, _UNANSWERED = "asked", "unanswered"
_SIGINT = 2


def require_person(profile: Profile, *, waited: bool, retry: bool) -> None:
    """Raise NotSignedIn if nobody is there, or if nobody answered the last sign-in and no person at a terminal asks again.

    `waited` says that another process was signing in meanwhile. This one takes over if that process was killed, but not if it
    gave up."""
    name = get_display_name(profile.name, profile.root_url)
    if not _can_anybody_approve(profile):
        raise NotSignedIn(
            f"Not signed in to {name}, and nobody is here to approve it in a browser: there "
            "is no terminal, no display and no BROWSER.",
            Hint(
                "Run this in a terminal, or pipe in the address that the browser ends on:",
                make_login_command(profile.argument, "--no-browser"),
            ),
        )
    if retry or is_interactive():
        return
    state, time_of_attempt = _read_attempt(profile)
    left = time_of_attempt + _COOLDOWN - time.time()
    if 0 < left <= _COOLDOWN and (state == _UNANSWERED or (state == _ASKED and not waited)):
        raise NotSignedIn(
            f"Nobody answered the last sign-in to {name}: tcenv opens no other browser for {format_duration(left)}.",
            Hint("Sign in at a terminal, or use --retry:", make_login_command(profile.argument, "--retry")),
        )


@contextmanager
def remember_attempt(profile: Profile) -> Iterator[None]:
    """Remember that nobody has answered a sign-in, while it waits and after it has timed out."""
    _write_attempt(profile, _ASKED)
    try:
        yield
    except TimedOut:
        _write_attempt(profile, _UNANSWERED)
        raise
    except BaseException as end:
        # A failure or Ctrl-C (raised with the number of its signal) shows that a person was there.
        if isinstance(end, (Exception, KeyboardInterrupt)) or getattr(end, "number", None) == _SIGINT:
            _forget_attempt(profile)
        raise
    _forget_attempt(profile)


def is_interactive() -> bool:
    """Return whether a person has typed this command: it runs in a terminal's foreground, and not in direnv at a prompt."""
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


def _can_anybody_approve(profile: Profile) -> bool:
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
    """Return whether standard input can bring an address: it is a pipe, a socket or a file."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)


def _get_path(profile: Profile) -> str:
    return os.path.join(get_lock_directory(), f"{get_file_name(profile.name)}.asked")


def _write_attempt(profile: Profile, state: str) -> None:
    with suppress(OSError, StoreError):
        write_privately(_get_path(profile), f"{state} {int(time.time())}\n".encode())


def _forget_attempt(profile: Profile) -> None:
    with suppress(OSError):
        os.unlink(_get_path(profile))


def _read_attempt(profile: Profile) -> tuple[str, float]:
    try:
        with open(_get_path(profile), encoding="ascii", opener=paths.open_trusted_or_ignore) as file:
            state, _, seconds = file.read(64).strip().partition(" ")
            return state, float(seconds)
    except (OSError, ValueError):
        return "", 0.0
