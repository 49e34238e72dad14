"""Read a program's body: its last piece waits for the check of the hash, and it can be sent again."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable, Iterable

import pytest

from tcenv.deployment.hawk import PayloadHash
from tcenv.proxy import body as module
from tcenv.proxy.body import Body, WrongBody


def make_source(pieces: Iterable[bytes]) -> Callable[[], Awaitable[bytes]]:
    left = iter(pieces)

    async def read() -> bytes:
        await asyncio.sleep(0)
        return next(left, b"")

    return read


def compute_hash(content: bytes, content_type: str = "") -> str:
    payload = PayloadHash(content_type)
    payload.update(content)
    return payload.digest()


async def collect(body: Body, seen: list[bytes]) -> None:
    async for piece in body:
        seen.append(piece)  # noqa: PERF401 - what came before an error counts


async def read_pieces(body: Body) -> list[bytes]:
    return [piece async for piece in body]


def test_a_body_is_read_piece_by_piece_and_again() -> None:
    async def check() -> None:
        pieces = [b"a", b"bc", b"d"]
        for expected in ("", compute_hash(b"abcd", "a/b")):
            body = Body(make_source(pieces), 4, content_type="a/b; c=d", expected=expected)
            assert await read_pieces(body) == pieces
            assert body.is_repeatable
            assert b"".join(await read_pieces(body)) == b"abcd"
            assert await body.read_whole() == b"abcd"

    asyncio.run(check())


def test_a_body_with_another_hash_never_completes() -> None:
    async def check() -> None:
        for pieces in ([b"abcd"], [b"ab", b"cd"], [b"a", b"b", b"c", b"d"]):
            body = Body(make_source(pieces), 4, expected=compute_hash(b"abce"))
            seen: list[bytes] = []
            with pytest.raises(WrongBody):
                await collect(body, seen)
            assert seen == pieces[:-1]
            assert body.wrong
            with pytest.raises(WrongBody):
                await read_pieces(body)
        for expected in (compute_hash(b"", "x/y"), compute_hash(b"x"), "é"):
            with pytest.raises(WrongBody):
                await read_pieces(Body(make_source([]), 0, expected=expected))
        assert await read_pieces(Body(make_source([]), 0, expected=compute_hash(b""))) == []

    asyncio.run(check())


def test_a_piece_is_forwarded_before_the_next_one_comes() -> None:
    """Without a hash there is nothing to check."""

    async def check() -> None:
        waiting = asyncio.Event()

        async def read() -> bytes:
            if waiting.is_set():
                await asyncio.sleep(3600)
            waiting.set()
            return b"first"

        attempt = aiter(Body(read, None))
        assert await asyncio.wait_for(anext(attempt), 60) == b"first"

    asyncio.run(check())


@pytest.mark.parametrize("has_length", [True, False])
def test_a_long_body_is_not_kept(has_length: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 10)

    async def check() -> None:
        for count, repeatable in ((10, True), (11, False)):
            body = Body(make_source([b"x"] * count), count if has_length else None)
            assert await read_pieces(body) == [b"x"] * count
            assert body.is_repeatable is repeatable

    asyncio.run(check())


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("memory", ["the kernel's", "our own", "too little"])
def test_16_mib_are_kept_with_and_without_a_length(
    has_length: bool, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [bytes([number]) * 2**16 for number in range(256)]
    if memory == "our own":
        monkeypatch.delattr(os, "memfd_create", raising=False)

    async def check(repeatable: bool) -> None:
        body = Body(make_source(pieces), 2**24 if has_length else None)
        assert await read_pieces(body) == pieces
        assert body.is_repeatable is repeatable
        if repeatable:
            assert await body.read_whole() == b"".join(pieces)
        longer = Body(make_source([*pieces, b"x"]), None)
        assert b"".join(await read_pieces(longer)) == b"".join(pieces) + b"x"
        assert not longer.is_repeatable
        for each in (body, longer):
            each.close()
            assert not each.is_repeatable

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if memory == "too little":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    try:
        asyncio.run(check(memory != "too little"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_cancelled_attempt_loses_nothing() -> None:
    async def check() -> None:
        reading, gate = asyncio.Event(), asyncio.Event()
        left = iter([b"a", b"b", b"c"])

        async def read() -> bytes:
            reading.set()
            await gate.wait()
            return next(left, b"")

        body = Body(read, 3, expected=compute_hash(b"abc"))
        first = asyncio.create_task(read_pieces(body))
        await reading.wait()
        second = asyncio.create_task(read_pieces(body))
        # Let the task run until it waits for the gate.
        for _ in range(10):
            await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert b"".join(await second) == b"abc"
        both = Body(make_source([b"a", b"b", b"c"]), 3, expected=compute_hash(b"abc"))
        assert [b"".join(pieces) for pieces in await asyncio.gather(read_pieces(both), read_pieces(both))] == [
            b"abc"
        ] * 2

    asyncio.run(check())
