"""Ask macOS for facts that no other system has: whether FileVault encrypts the disk, which Mac this is, and its name."""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import suppress

from tcenv import paths
from tcenv.errors import StoreError
from tcenv.files import is_first_time, write_privately

# By absolute paths: another program of that name must not answer.
FDESETUP = "/usr/bin/fdesetup"
SCUTIL = "/usr/sbin/scutil"
_TIMEOUT = 5.0


def is_disk_encrypted() -> bool | None:
    """Return whether FileVault is on, or None if `fdesetup` does not tell."""
    output = _run(FDESETUP, "status")
    if "FileVault is On" in output:
        return True
    return False if "FileVault is Off" in output else None


def should_warn_of_plain_disk() -> bool:
    """Return whether to warn the user that FileVault does not encrypt the disk: once in a home."""
    note = os.path.join(paths.state_directory(), "filevault-said")
    return not os.path.lexists(note) and is_disk_encrypted() is False and is_first_time(note)


def get_local_host_name() -> str:
    """Return the name under which the user knows this Mac, without `.local`, or "". The host's name comes from the network."""
    return _run(SCUTIL, "--get", "LocalHostName").strip()


def get_host_name() -> str:
    """Return the name that this Mac had when it was asked first. The network may give it another name, with `.local` or a
    domain, at any time."""
    # A home that was copied to another Mac has that one's note.
    machine = get_machine_id() or "-"
    note = os.path.join(paths.state_directory(), "host-name")
    known = _read(note)
    if known and known[0] == machine:
        return known[1]
    name = get_local_host_name() or os.uname().nodename.partition(".")[0]
    with suppress(OSError, StoreError):
        write_privately(note, f"{machine} {name}\n".encode())
    return name


def _read(note: str) -> tuple[str, str] | None:
    try:
        with open(note, encoding="utf-8", opener=paths.open_trusted_or_ignore) as file:
            machine, _, name = file.read(1024).strip().partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    return (machine, name) if name and name.isprintable() else None


def get_machine_id() -> str:
    """Return the id of this Mac's hardware in hexadecimal, or "" (gethostuuid(3))."""
    found, wait = ctypes.create_string_buffer(16), (ctypes.c_long * 2)(int(_TIMEOUT), 0)
    try:
        failed = ctypes.CDLL(None).gethostuuid(found, wait)
    except (AttributeError, OSError):
        return ""
    return "" if failed else found.raw.hex()


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""
