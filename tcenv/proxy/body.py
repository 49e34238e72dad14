"""Pass on the body of a request piece by piece.

Compares it with the signed hash before it sends the last piece. Keeps a short enough body to send it again."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import BinaryIO

from tcenv.deployment.hawk import PayloadHash

# Bytes to keep. If the length is not known in advance, drop a body that turns out to be longer.
KEPT = 16 * 2**20
# Bytes of the longest body to read before calling the deployment.
SMALL = 64 * 2**10
# Bytes of one piece of a kept body.
_PIECE = 256 * 2**10


class WrongBody(Exception):
    """The body does not match the signed hash."""


class Body:
    """The body of one request. `read` returns the next piece, empty at the end. `length` is in bytes (None: the program
    did not tell it). `expected` is the signed hash (empty: none). `wrong` tells that the hash did not match, `sent`
    that the whole body was sent. Close it at the end."""

    def __init__(
        self, read: Callable[[], Awaitable[bytes]], length: int | None, *, content_type: str = "", expected: str = ""
    ) -> None:
        self.length = length
        self.wrong = False
        self.sent = length == 0
        self._read = read
        self._expected = expected
        self._hash = PayloadHash(content_type) if expected else None
        # None: the body is too long to keep.
        self._kept: BinaryIO | None = None
        if length is None or length <= KEPT:
            self._kept = io.BytesIO() if self.is_small else _file_in_memory()
        self._kept_bytes = 0
        self._ended = length == 0
        # A failed attempt may still be reading when the next one starts.
        self._reading = asyncio.Lock()

    @property
    def is_small(self) -> bool:
        """Return whether the body is short enough to read it before calling the deployment."""
        return self.length is not None and self.length <= SMALL

    @property
    def is_repeatable(self) -> bool:
        """Return whether the body can be sent again."""
        return self._kept is not None

    async def read_whole(self) -> bytes:
        """Return the whole body after checking it. Raises WrongBody."""
        return b"".join([piece async for piece in self])

    def close(self) -> None:
        """Free the kept body, and end an attempt that is still running."""
        self._ended = True
        self._drop_kept()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body from its start, for one attempt to send it. Raises WrongBody before the last piece."""
        offset = 0
        held = b""
        self.sent = self.length == 0
        while True:
            piece = await self._read_piece(offset)
            if not piece:
                break
            offset += len(piece)
            if self._hash is None:
                yield piece
            else:
                if held:
                    yield held
                held = piece
        self._check()
        if held:
            yield held
        self.sent = True

    async def _read_piece(self, offset: int) -> bytes:
        async with self._reading:
            if self._kept is not None and offset < self._kept_bytes:
                self._kept.seek(offset)
                return self._kept.read(_PIECE)
            piece = b"" if self._ended else await self._read()
            if not piece:
                self._ended = True
                return b""
            if self._hash is not None:
                self._hash.update(piece)
            if self._kept is not None:
                self._keep(piece)
            return piece

    def _keep(self, piece: bytes) -> None:
        self._kept_bytes += len(piece)
        if self._kept is None or self._kept_bytes > KEPT:
            self._drop_kept()
            return
        try:
            self._kept.seek(0, os.SEEK_END)
            is_written = self._kept.write(piece) == len(piece)
        except OSError:
            is_written = False
        if not is_written:
            self._drop_kept()

    def _drop_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            with contextlib.suppress(OSError):
                kept.close()

    def _check(self) -> None:
        if self._hash is None:
            return
        expected, actual = self._expected.encode("utf-8", "replace"), self._hash.digest().encode()
        if not hmac.compare_digest(expected, actual):
            self.wrong = True
            raise WrongBody


def _file_in_memory() -> BinaryIO:
    """Open a file that exists only in the kernel's memory. If the system has no such files, use this process's
    memory."""
    try:
        return os.fdopen(os.memfd_create("body"), "w+b", buffering=0)
    except (AttributeError, OSError):
        return io.BytesIO()
