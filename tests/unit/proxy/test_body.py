"""A program's body: checked with its last piece held back, kept within bounds, sent again from its beginning."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable, Iterable

import pytest

from tcenv.deployment.hawk import PayloadHash
from tcenv.proxy import body as module
from tcenv.proxy.body import Body, WrongBody


def source(pieces: Iterable[bytes]) -> Callable[[], Awaitable[bytes]]:
    left = iter(pieces)

    async def read() -> bytes:
        await asyncio.sleep(0)
        return next(left, b"")

    return read


def hash_of(content: bytes, content_type: str = "") -> str:
    payload = PayloadHash(content_type)
    payload.update(content)
    return payload.digest()


async def collect(body: Body, seen: list[bytes]) -> None:
    async for piece in body:
        seen.append(piece)  # noqa: PERF401 - what came before an error counts


async def sent(body: Body) -> list[bytes]:
    return [piece async for piece in body]


def test_it_is_passed_on_piece_by_piece_and_again() -> None:
    async def story() -> None:
        pieces = [b"a", b"bc", b"d"]
        for expected in ("", hash_of(b"abcd", "a/b")):
            body = Body(source(pieces), 4, content_type="a/b; c=d", expected=expected)
            assert await sent(body) == pieces
            assert body.is_repeatable
            assert b"".join(await sent(body)) == b"abcd"
            assert await body.read_whole() == b"abcd"

    asyncio.run(story())


def test_a_body_that_does_not_match_never_completes() -> None:
    async def story() -> None:
        for pieces in ([b"abcd"], [b"ab", b"cd"], [b"a", b"b", b"c", b"d"]):
            body = Body(source(pieces), 4, expected=hash_of(b"abce"))
            seen: list[bytes] = []
            with pytest.raises(WrongBody):
                await collect(body, seen)
            assert seen == pieces[:-1]
            assert body.wrong
            with pytest.raises(WrongBody):
                await sent(body)
        for expected in (hash_of(b"", "x/y"), hash_of(b"x"), "é"):
            with pytest.raises(WrongBody):
                await sent(Body(source([]), 0, expected=expected))
        assert await sent(Body(source([]), 0, expected=hash_of(b""))) == []

    asyncio.run(story())


def test_a_piece_goes_on_before_the_next_one_comes() -> None:
    """Where there is nothing to check, nothing is held back."""

    async def story() -> None:
        waiting = asyncio.Event()

        async def read() -> bytes:
            if waiting.is_set():
                await asyncio.sleep(3600)
            waiting.set()
            return b"first"

        attempt = aiter(Body(read, None))
        assert await asyncio.wait_for(anext(attempt), 60) == b"first"

    asyncio.run(story())


@pytest.mark.parametrize("told", [True, False])
def test_what_is_too_long_is_not_kept(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 10)

    async def story() -> None:
        for count, repeatable in ((10, True), (11, False)):
            body = Body(source([b"x"] * count), count if told else None)
            assert await sent(body) == [b"x"] * count
            assert body.is_repeatable is repeatable

    asyncio.run(story())


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("memory", ["the kernel's", "our own", "too little"])
def test_16_mib_are_kept_whether_the_length_was_told_or_not(
    told: bool, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [bytes([number]) * 2**16 for number in range(256)]
    if memory == "our own":
        monkeypatch.delattr(os, "memfd_create", raising=False)

    async def story(repeatable: bool) -> None:
        body = Body(source(pieces), 2**24 if told else None)
        assert await sent(body) == pieces
        assert body.is_repeatable is repeatable
        if repeatable:
            assert await body.read_whole() == b"".join(pieces)
        longer = Body(source([*pieces, b"x"]), None)
        assert b"".join(await sent(longer)) == b"".join(pieces) + b"x"
        assert not longer.is_repeatable
        for each in (body, longer):
            each.close()
            assert not each.is_repeatable

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if memory == "too little":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    try:
        asyncio.run(story(memory != "too little"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_attempt_that_was_given_up_loses_nothing() -> None:
    async def story() -> None:
        reading, gate = asyncio.Event(), asyncio.Event()
        left = iter([b"a", b"b", b"c"])

        async def read() -> bytes:
            reading.set()
            await gate.wait()
            return next(left, b"")

        body = Body(read, 3, expected=hash_of(b"abc"))
        first = asyncio.create_task(sent(body))
        await reading.wait()
        second = asyncio.create_task(sent(body))
        # It goes as far as it can without the gate.
        for _ in range(10):
            await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert b"".join(await second) == b"abc"
        both = Body(source([b"a", b"b", b"c"]), 3, expected=hash_of(b"abc"))
        assert [b"".join(pieces) for pieces in await asyncio.gather(sent(both), sent(both))] == [b"abc"] * 2

    asyncio.run(story())
