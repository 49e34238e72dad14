"""The session in the keyring: a real Secret Service, and the floor of asking one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

from bench.common import bare, sign_in
from bench.measure import Row, ratio, seconds
from bench.world import World, have
from tests.e2e.test_store_contract import secret_service

_ONE_CALL = """
from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
where = DBusAddress("/org/freedesktop/secrets", "org.freedesktop.secrets", "org.freedesktop.Secret.Service")
call = new_method_call(where, "SearchItems", "a{ss}", ({"service": "tcenv"},))
assert open_dbus_connection().send_and_get_reply(call).body[0]
"""


def keyring(world: World) -> Iterator[Row]:
    """`env` with the token in a Secret Service, beside one call to it by the library's own parts."""
    if have("gnome-keyring-daemon") is None or have("dbus-daemon") is None:
        yield Row("env, the token in the keyring", None, 6.0, note="not measured: no gnome-keyring here")
        return
    with mock.patch.dict(os.environ, world.env), secret_service():
        env = {
            **world.env,
            "TCENV_STORE": "keyring",
            "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SESSION_BUS_ADDRESS"],
        }
        sign_in(world, env)
        floor = ratio(lambda: seconds([world.python, "-c", _ONE_CALL], env), bare(world))
        took = ratio(lambda: seconds([world.tcenv, "env", "--shell", "bash"], env), bare(world))
        yield Row(
            "env, the token in the keyring", took, 6.0, note=f"one call to the keyring alone makes it {floor:.2f}"
        )
        yield Row("one call to the keyring, by the library's own parts", floor, None)
