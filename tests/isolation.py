"""Prepare the process that runs the tests, so that each run starts alike."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

if sys.platform != "win32":
    import fcntl
    import resource
    import termios

# The variables that the tests inherit. A name that ends in an underscore stands for all that begin with it.
_KEPT = ("PATH", "TMPDIR", "USER", "LOGNAME", "TCENV_TEST_", "PYTEST_", "COVERAGE_", "HYPOTHESIS_")
# Without these, no program starts on Windows, and none finds its files.
_KEPT_ON_WINDOWS = (
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERNAME", "USERPROFILE"),
    *("APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "NUMBER_OF_PROCESSORS"),
)
_SET = {"LANG": "C.UTF-8", "TZ": "UTC", "SHELL": "/bin/bash", "HOME": "/nonexistent"}
# Tells the workers which signals the starter ignores. A worker sees the default, but must survive them as well.
_IGNORED = "TCENV_TEST_IGNORED_SIGNALS"
_PRIVATE = "TCENV_TEST_SHARED_MEMORY_PROBLEM"
_SOFT_LIMITS = {"RLIMIT_NOFILE": 4096, "RLIMIT_CORE": 0, "RLIMIT_STACK": 8 << 20}
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_RECURSIVE, _MOUNTS_OF_OUR_OWN = 0x4000, 0x40000

# The reason why the tests have no /dev/shm and /run/user of their own, or empty.
shared_memory_problem = ""
# Whether other workers of this run see the same /dev/shm.
is_shared_with_workers = False


def prepare() -> None:
    """Drop everything that a process inherits: variables and what Python read in them, ignored signals, the terminal,
    limits, umask, shared memory. On Windows, drop variables alone."""
    global shared_memory_problem, is_shared_with_workers
    _clear_environment()
    # Keep the bytecode of the tests: writing it takes most of the time of collection.
    sys.dont_write_bytecode = False
    if sys.platform == "win32":
        shared_memory_problem = "only Linux has it"
        return
    _restore_signals()
    _leave_terminal()
    _raise_limits()
    os.umask(0o022)
    # A process with threads may have mounts of its own, but no user namespace: a worker needs root for both.
    if _PRIVATE not in os.environ or (not os.geteuid() and not os.environ[_PRIVATE]):
        os.environ[_PRIVATE] = (_make_shared_memory_private() or "") if sys.platform == "linux" else "only Linux has it"
    shared_memory_problem = os.environ[_PRIVATE]
    is_shared_with_workers = "PYTEST_XDIST_WORKER" in os.environ and (bool(os.geteuid()) or bool(shared_memory_problem))


def _clear_environment() -> None:
    all_kept = (*_KEPT, *(_KEPT_ON_WINDOWS if sys.platform == "win32" else ()))
    for name in list(os.environ):
        if not any(name == kept or (kept.endswith("_") and name.startswith(kept)) for kept in all_kept):
            del os.environ[name]
    os.environ.setdefault("PATH", os.defpath)
    os.environ.update(_SET)


def _restore_signals() -> None:
    """Restore the default of each signal in children.

    A handler in this process does that, and still protects it from the signals that its starter ignores."""
    # Python itself ignores these, and restores them in its children.
    by_python = {signal.SIGPIPE, signal.SIGXFSZ}
    ignored = {number for number in signal.valid_signals() - by_python if signal.getsignal(number) is signal.SIG_IGN}
    ignored |= {int(number) for number in os.environ.get(_IGNORED, "").split()}  # type: ignore[misc]
    for number in ignored:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _do_nothing)
    os.environ[_IGNORED] = " ".join(str(int(number)) for number in ignored)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _do_nothing(number: int, frame: object) -> None:
    pass


def _leave_terminal() -> None:
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return
    # A session's leader that leaves its terminal is sent HUP.
    before = signal.signal(signal.SIGHUP, _do_nothing)
    try:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(terminal)


def _raise_limits() -> None:
    soft_limits = {getattr(resource, name): limit for name, limit in _SOFT_LIMITS.items()}
    for number in {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}:
        _, hard = resource.getrlimit(number)
        for highest in (resource.RLIM_INFINITY, hard):
            wanted = soft_limits.get(number, highest)
            try:
                resource.setrlimit(number, (min(wanted, highest) if highest >= 0 else wanted, highest))
            except (OSError, ValueError):
                continue
            break


def _make_shared_memory_private() -> str | None:
    """Mount an empty /dev/shm and /run/user for this thread and its children. Return why that is impossible, or
    None."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEW_MOUNTS | (_NEW_USER if user else 0)):
        return f"this process may have no mounts of its own ({os.strerror(ctypes.get_errno())})"
    if user:
        for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{file}", "w") as map_file:
                map_file.write(text)
    if libc.mount(b"none", b"/", None, _RECURSIVE | _MOUNTS_OF_OUR_OWN, None):
        return f"the mounts stay shared ({os.strerror(ctypes.get_errno())})"
    for place, mode in ((b"/dev/shm", b"mode=1777"), (b"/run/user", b"mode=755")):
        if os.path.isdir(place) and libc.mount(b"tmpfs", place, b"tmpfs", 0, mode):
            return f"{place.decode()} cannot be mounted ({os.strerror(ctypes.get_errno())})"
    return None
