"""Run a real Secret Service for tests of the keyring store."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import require

# A bus that starts no service: a second one would answer instead of the unlocked one.
_BUS = """<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""


def _wait_for_service() -> None:
    """Wait until the service's login collection can be used."""
    from keyring.backends.SecretService import Keyring

    end = time.monotonic() + 60
    while True:
        try:
            Keyring().get_preferred_collection().connection.close()
            return
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextmanager
def run_secret_service() -> Iterator[None]:
    """Run a real Secret Service, unlocked, on its own bus."""
    import keyring.core
    from keyring.backends import fail

    config = Path(os.environ["HOME"], "bus.conf")
    config.write_text(_BUS)
    bus = subprocess.Popen(
        [require("dbus-daemon"), f"--config-file={config}", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert bus.stdout is not None
    former = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    service = subprocess.Popen(
        [require("gnome-keyring-daemon"), "--foreground", "--unlock", "--components=secrets"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert service.stdin is not None
        service.stdin.write(b"\n")
        service.stdin.close()
        _wait_for_service()
        keyring.core.init_backend()
        yield
    finally:
        for process in (service, bus):
            process.terminate()
            process.wait(60)
        if former is None:
            del os.environ["DBUS_SESSION_BUS_ADDRESS"]
        else:
            os.environ["DBUS_SESSION_BUS_ADDRESS"] = former
        keyring.core.set_keyring(fail.Keyring())
