"""Read an item of the Secret Service by D-Bus alone, for `env` and prompt hooks: the `keyring` library, its search for backends
and its encryption take ten times as long as the interpreter. It also remembers that this machine's keyring is the Secret
Service.

The item crosses the user's own bus as it is. Only the user's programs are on that bus, and each of them may ask for the item."""

from __future__ import annotations

import os
import sys
from typing import Any

from jeepney import DBusAddress, MessageType, new_method_call
from jeepney.io.blocking import open_dbus_connection

from tcenv import paths
from tcenv.errors import StoreError
from tcenv.files import write_privately

# What a reader waits for one answer (seconds). A prompt waits for two.
_TIMEOUT = 1.5
_SERVICE = "tcenv"


class Unavailable(Exception):
    """No Secret Service answers, or the item is locked. The `keyring` library may still read it."""


def _get_note_path() -> str:
    return os.path.join(os.path.dirname(paths.index_file()), "secret-service")


def is_known() -> bool:
    """Return whether the Secret Service was this machine's keyring when tcenv searched for one."""
    if sys.platform != "linux" or paths.has_keyring_configuration():
        return False
    try:
        with open(_get_note_path(), "rb", opener=paths.open_trusted_or_ignore):
            return True
    except OSError:
        return False


def remember() -> None:
    """Note that the Secret Service is this machine's keyring."""
    try:
        write_privately(_get_note_path(), b"")
    except (OSError, StoreError):
        return  # the next process searches again


def read_item(name: str) -> str | None:
    """Return the text of tcenv's item with this name, or None if there is no such item. Never asks the user to unlock a keyring.
    Raises Unavailable."""
    try:
        return _read(name)
    except Unavailable:
        raise
    except Exception as error:
        # D-Bus, the service and the library raise their own kinds of errors.
        raise Unavailable(type(error).__name__) from None


def _read(name: str) -> str | None:
    service = DBusAddress(
        "/org/freedesktop/secrets", bus_name="org.freedesktop.secrets", interface="org.freedesktop.Secret.Service"
    )
    connection = open_dbus_connection()

    def call(method: str, signature: str, *values: object) -> Any:
        answer = connection.send_and_get_reply(new_method_call(service, method, signature, values), timeout=_TIMEOUT)
        if answer.header.message_type is not MessageType.method_return:
            raise Unavailable(method)
        return answer.body

    try:
        # The attributes that the library gives an item.
        unlocked, locked = call("SearchItems", "a{ss}", {"service": _SERVICE, "username": name})
        if not unlocked:
            if locked:
                raise Unavailable("locked")
            return None
        _, session = call("OpenSession", "sv", "plain", ("s", ""))
        (secrets,) = call("GetSecrets", "aoo", unlocked[:1], session)
        return bytes(secrets[unlocked[0]][2]).decode("ascii")
    finally:
        connection.close()
