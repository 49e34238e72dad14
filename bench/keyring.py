"""Measure a session in the keyring: with a real Secret Service, and against one bare call to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

from bench.common import make_bare_timer, sign_in
from bench.measure import Row, measure_ratio, measure_seconds
from bench.world import World, find_program
from tests.secret_service import run_secret_service

_ONE_CALL = """
from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
where = DBusAddress("/org/freedesktop/secrets", "org.freedesktop.secrets", "org.freedesktop.Secret.Service")
call = new_method_call(where, "SearchItems", "a{ss}", ({"service": "tcenv"},))
assert open_dbus_connection().send_and_get_reply(call).body[0]
"""


def measure_keyring(world: World) -> Iterator[Row]:
    """Measure `env` with the token in a Secret Service, and one call to it by the library's own parts."""
    if find_program("gnome-keyring-daemon") is None or find_program("dbus-daemon") is None:
        yield Row("env, the token in the keyring", None, 6.0, note="not measured: no gnome-keyring here")
        return
    with mock.patch.dict(os.environ, world.env), run_secret_service():
        env = {
            **world.env,
            "TCENV_STORE": "keyring",
            "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SESSION_BUS_ADDRESS"],
        }
        sign_in(world, env)
        floor = measure_ratio(lambda: measure_seconds([world.python, "-c", _ONE_CALL], env), make_bare_timer(world))
        took = measure_ratio(
            lambda: measure_seconds([world.tcenv, "env", "--shell", "bash"], env), make_bare_timer(world)
        )
        yield Row(
            "env, the token in the keyring", took, 6.0, note=f"one call to the keyring alone makes it {floor:.2f}"
        )
        yield Row("one call to the keyring, by the library's own parts", floor, None)
