"""Call `tcenv.credentials()` in a program: from threads, inside asyncio, and without a side effect."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

import tcenv as library
from tcenv import locks
from tcenv.api import NotSignedIn
from tcenv.sandbox import Sandbox
from tcenv.sessions.lock import hold_sign_in_lock
from tcenv.sessions.session import RESETTING
from tcenv.sessions.stores import open_store
from tests.world import sign_in


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Sign in and put the session into this process's environment. Return its token."""
    with Sandbox() as sandbox:
        for name, value in sign_in(sandbox).items():
            monkeypatch.setenv(name, value)
        (client,) = sandbox.clients.values()
        yield client.access_token


def interrupt_reset() -> str:
    """Mark the session's reset as interrupted, so that tcenv must ask the deployment. Return the profile."""
    store = open_store()
    (profile,) = store.list_profiles()
    session = store.load(profile)
    assert session is not None
    store.save(replace(session, state=RESETTING))
    return profile


def read_process_state() -> dict[str, Any]:
    """Return the state that a library must not change."""
    mask = os.umask(0o077)
    os.umask(mask)
    return {
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "timers": [signal.getitimer(timer)[1] for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL)],
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "umask": mask,
        "limits": resource.getrlimit(resource.RLIMIT_CORE),
        "path": list(sys.path),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook),
        "collector": (gc.isenabled(), gc.get_threshold()),
    }


def test_credentials_change_nothing_in_the_host_process(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rang, waits = threading.Event(), threading.Event()
    acquire = locks.acquire

    def noticed(descriptor: int, timeout: float) -> bool:
        waits.set()
        return acquire(descriptor, timeout)

    monkeypatch.setattr(locks, "acquire", noticed)
    former = signal.signal(signal.SIGALRM, lambda number, frame: rang.set())
    signal.setitimer(signal.ITIMER_REAL, 3600, 7200)
    try:
        before = read_process_state()
        profile = interrupt_reset()
        # Another process holds the lock for a while. The wait for it must not set a timer.
        with ThreadPoolExecutor(1) as pool, hold_sign_in_lock(profile, 10, lambda: None):
            waiting = pool.submit(library.credentials)
            assert waits.wait(60)
        assert waiting.result(timeout=60)["credentials"]["accessToken"] == token
        interrupt_reset()
        assert library.credentials()["credentials"]["accessToken"] == token
        assert read_process_state() == before
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3000
        signal.raise_signal(signal.SIGALRM)
        assert rang.is_set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_credentials_work_from_many_threads(token: str) -> None:
    interrupt_reset()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: library.credentials(), range(32)))
    assert {options["credentials"]["accessToken"] for options in found} == {token}
    assert len({id(options["credentials"]) for options in found}) == 32


def test_credentials_work_inside_asyncio(token: str) -> None:
    interrupt_reset()

    async def main() -> list[Any]:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
        handler = signal.getsignal(signal.SIGTERM)
        here = library.credentials()
        other = await asyncio.gather(*(asyncio.to_thread(library.credentials) for _ in range(4)))
        assert signal.getsignal(signal.SIGTERM) is handler
        return [here, *other]

    assert {options["credentials"]["accessToken"] for options in asyncio.run(main())} == {token}


def test_credentials_leave_the_hosts_modules_alone(token: str) -> None:
    interrupt_reset()
    library.credentials()
    for name in ("requests", "urllib3", "ssl", "signal"):
        module = sys.modules.get(name)
        assert module is None or getattr(module, "__spec__", None) is not None, name


def test_the_python_interface_returns_credentials_of_the_session(
    deployment: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    import taskcluster

    monkeypatch.setenv("TASKCLUSTER_ROOT_URL", deployment.root_url)
    with pytest.raises(NotSignedIn):
        library.credentials()
    sign_in(deployment)
    options = library.credentials()
    assert options["rootUrl"] == deployment.root_url
    assert taskcluster.Auth(options).currentScopes()["scopes"]
    # The client library has changed its dictionary. The next call returns a new one.
    assert isinstance(library.credentials()["credentials"]["accessToken"], str)
