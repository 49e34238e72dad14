"""`tcenv.credentials()` in a program of somebody else's: from threads, inside asyncio, and without a trace in the process."""

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
from tcenv.sandbox import Sandbox
from tcenv.sessions.lock import sign_in_lock
from tcenv.sessions.session import RESETTING
from tcenv.sessions.stores import open_store
from tests.world import sign_in


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Somebody has signed in, and this process has their environment; the session's token."""
    with Sandbox() as sandbox:
        for name, value in sign_in(sandbox).items():
            monkeypatch.setenv(name, value)
        (client,) = sandbox.clients.values()
        yield client.access_token


def cut_short() -> str:
    """Mark the session as one whose reset was cut short, so that the deployment must be asked; its profile."""
    store = open_store()
    (profile,) = store.list_profiles()
    session = store.load(profile)
    assert session is not None
    store.save(replace(session, state=RESETTING))
    return profile


def state_of_the_process() -> dict[str, Any]:
    """What a library must leave alone."""
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


def test_nothing_of_the_host_changes_and_its_timer_goes_on(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rang, waits = threading.Event(), threading.Event()
    acquire = locks.acquire

    def noticed(descriptor: int, timeout: float) -> bool:
        waits.set()
        return acquire(descriptor, timeout)

    monkeypatch.setattr(locks, "acquire", noticed)
    former = signal.signal(signal.SIGALRM, lambda number, frame: rang.set())
    signal.setitimer(signal.ITIMER_REAL, 3600, 7200)
    try:
        before = state_of_the_process()
        profile = cut_short()
        # Another process is at it for a while: the wait for its lock has no timer of its own.
        with ThreadPoolExecutor(1) as pool, sign_in_lock(profile, 10, lambda: None):
            waiting = pool.submit(library.credentials)
            assert waits.wait(60)
        assert waiting.result(timeout=60)["credentials"]["accessToken"] == token
        cut_short()
        assert library.credentials()["credentials"]["accessToken"] == token
        assert state_of_the_process() == before
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3000
        signal.raise_signal(signal.SIGALRM)
        assert rang.is_set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_from_many_threads_at_once(token: str) -> None:
    cut_short()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: library.credentials(), range(32)))
    assert {options["credentials"]["accessToken"] for options in found} == {token}
    assert len({id(options["credentials"]) for options in found}) == 32


def test_inside_asyncio(token: str) -> None:
    cut_short()

    async def main() -> list[Any]:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
        handler = signal.getsignal(signal.SIGTERM)
        here = library.credentials()
        elsewhere = await asyncio.gather(*(asyncio.to_thread(library.credentials) for _ in range(4)))
        assert signal.getsignal(signal.SIGTERM) is handler
        return [here, *elsewhere]

    assert {options["credentials"]["accessToken"] for options in asyncio.run(main())} == {token}


def test_modules_of_the_host_are_the_real_ones(token: str) -> None:
    cut_short()
    library.credentials()
    for name in ("requests", "urllib3", "ssl", "signal"):
        module = sys.modules.get(name)
        assert module is None or getattr(module, "__spec__", None) is not None, name
