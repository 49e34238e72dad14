"""Ask macOS what no other system tells: whether FileVault encrypts the disk, which Mac this is, and its name."""

from __future__ import annotations

import ctypes
import subprocess

# By absolute paths: another program of that name must not answer.
FDESETUP = "/usr/bin/fdesetup"
SCUTIL = "/usr/sbin/scutil"
_SECONDS = 5.0


def is_disk_encrypted() -> bool | None:
    """Return whether FileVault is on, or None if `fdesetup` does not tell."""
    said = _said(FDESETUP, "status")
    if "FileVault is On" in said:
        return True
    return False if "FileVault is Off" in said else None


def get_local_host_name() -> str:
    """Return the name under which the user knows this Mac, without `.local`, or "". The host's name comes from the network."""
    return _said(SCUTIL, "--get", "LocalHostName").strip()


def get_machine_id() -> str:
    """Return the id of this Mac's hardware in hexadecimal, or "" (gethostuuid(3))."""
    found, wait = ctypes.create_string_buffer(16), (ctypes.c_long * 2)(int(_SECONDS), 0)
    try:
        failed = ctypes.CDLL(None).gethostuuid(found, wait)
    except (AttributeError, OSError):
        return ""
    return "" if failed else found.raw.hex()


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""
