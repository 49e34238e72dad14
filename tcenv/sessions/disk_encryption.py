"""On macOS the `runtime` store is on the disk. Tell whether FileVault encrypts it, and say so once where it does not."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv import paths
from tcenv.errors import StoreError
from tcenv.files import write_privately

if TYPE_CHECKING:
    from tcenv.sessions.stores import Store


def is_encrypted(store: Store) -> bool | None:
    """Return whether the disk on which `store` keeps tokens is encrypted; None if it uses no disk, or if macOS does not
    tell."""
    if sys.platform != "darwin" or store.name != "runtime":
        return None
    from tcenv import macos

    return macos.is_disk_encrypted()


def must_be_said(store: Store) -> bool:
    """Return whether to tell the user that `store` is on a plain disk. True once in a home."""
    note = os.path.join(paths.state_directory(), "filevault-said")
    if sys.platform != "darwin" or os.path.lexists(note) or is_encrypted(store) is not False:
        return False
    with suppress(OSError, StoreError):
        write_privately(note, b"")
    return True
