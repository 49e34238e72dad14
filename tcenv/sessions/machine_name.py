"""The name of this machine, which the names of its clients and its stores' places hold."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from tcenv import paths
from tcenv.errors import StoreError
from tcenv.files import write_privately


def get_machine_name() -> str:
    """Return the name of this machine, and on macOS the one that it had when it was asked first: there, the network may give
    it another name, with `.local` or a domain, at any time."""
    if sys.platform != "darwin":
        return _host_name()
    from tcenv import macos

    # A home that was copied to another Mac has that one's note.
    machine = macos.get_machine_id()
    note = os.path.join(paths.state_directory(), "host-name")
    known = _read(note)
    if known and known[0] == (machine or "-"):
        return known[1]
    name = macos.get_local_host_name() or _host_name().partition(".")[0]
    with suppress(OSError, StoreError):
        write_privately(note, f"{machine or '-'} {name}\n".encode())
    return name


def _host_name() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket

    return socket.gethostname()


def _read(note: str) -> tuple[str, str] | None:
    try:
        with open(note, encoding="utf-8", opener=paths.open_trusted_or_ignore) as file:
            machine, _, name = file.read(1024).strip().partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    return (machine, name) if name and name.isprintable() else None
