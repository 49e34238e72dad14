"""Hand a callback that came after its sign-in had ended to a tcenv process, and pass that process's pages to the
browser."""

from __future__ import annotations

import os

from tcenv.portholder import messages
from tcenv.portholder.callback_request import is_same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from tcenv.portholder.loop import Loop

    class PageConnection(Protocol):
        """A connection that waits for a page."""

        def send(self, response: bytes) -> None: ...

        def send_ended_page(self) -> None: ...


_SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "signin", "late_approval.py")
#: The page to send if tcenv does not answer.
ENDED = (
    b"<!doctype html><title>This sign-in has ended</title><h1>This sign-in has ended</h1>"
    b"<p>Nothing was stored or set. The client that you have made on the deployment's page may still be there: "
    b"delete it there.</p>\n"
)


class LateAnswer:
    """A late callback. A new tcenv process gets it through a pipe. The browser gets that process's answer at the path
    `page`, or first at `detour`, which leads there (see `signin.pages`)."""

    def __init__(self, loop: Loop, details: Mapping[str, str], client_id: str, access_token: str) -> None:
        self.page, self.detour = (f"/{os.urandom(20).hex()}" for _ in range(2))
        self._responses: dict[str, bytes] = {}
        self._waiting: list[tuple[str, PageConnection]] = []
        self._loop = loop
        self._buffer = bytearray()
        self._over = False
        received = {"client_id": client_id, "access_token": access_token, "onward": self.page}
        self._pipe: int | None = None
        try:
            self._pipe = _start(details, received)
        except (OSError, KeyError):
            self._over = True
            return
        os.set_blocking(self._pipe, False)
        loop.watch(self._pipe, self._read_pipe)

    def serve(self, path: str, connection: PageConnection) -> bool:
        """Send the page at `path` to the connection, now or once it is ready. Returns False for any other path."""
        for own in (self.page, self.detour):
            if is_same(path, own):
                self._waiting.append((own, connection))
                self._send_responses()
                return True
        return False

    def _read_pipe(self) -> None:
        assert self._pipe is not None
        data = messages.read(self._pipe)
        if data is None:
            return
        self._buffer += data
        for table in messages.take_tables(self._buffer):
            for name, path in (("page", self.page), ("detour", self.detour)):
                if name in table:
                    self._responses[path] = table[name].encode()
        if not data:
            self._over = True
            self._loop.ignore(self._pipe)
            os.close(self._pipe)
        self._send_responses()

    def _send_responses(self) -> None:
        waiting, self._waiting = self._waiting, []
        for path, connection in waiting:
            if path in self._responses:
                connection.send(self._responses[path])
            elif self._over:
                connection.send_ended_page()
            else:
                self._waiting.append((path, connection))


def _start(details: Mapping[str, str], received: Mapping[str, str]) -> int:
    """Start tcenv and return the pipe for its answers. It gets all input through another pipe: nothing is in its
    arguments or its environment. Raises OSError."""
    python = details["python"]
    environ = {key[4:]: value for key, value in details.items() if key.startswith("env.")}
    table = {key: value for key, value in details.items() if not key.startswith("env.")}
    pipes: list[int] = []
    try:
        pipes += os.pipe()
        pipes += os.pipe()
        read_there, write_here, read_here, write_there = pipes
        actions: list[tuple[object, ...]] = [
            (os.POSIX_SPAWN_DUP2, read_there, 0),
            (os.POSIX_SPAWN_DUP2, write_there, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        os.posix_spawn(python, [python, "-I", _SCRIPT], environ, file_actions=actions)
        os.write(write_here, messages.encode({**table, **received}))
        pipes.remove(read_here)
        return read_here
    finally:
        for descriptor in pipes:
            os.close(descriptor)
