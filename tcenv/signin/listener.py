"""The loopback listener for the one answer: a `GET` of the one path that nobody can guess, from the browser.

Everything about a request is hostile until it has every mark of that answer; the rest gets a 4xx without a word, and the
wait goes on. Bounded in size, time and number; one thread; on 127.0.0.1 and ::1 and no other address. No byte of a response
ever holds a token."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from tcenv import loopback, peer
from tcenv.deployment.credentials import Credentials
from tcenv.portholder.callback_request import Refused, is_complete, parse_query, parse_request, same
from tcenv.signin import pages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.portholder.client import Held
    from tcenv.signin.pages import Outcome

# Seconds from the first byte of a request to its last, and again for the response.
_PATIENCE = 5.0
_MOST_CONNECTIONS = 64


class _Connection:
    __slots__ = ("descriptor", "last_word", "received", "sending", "since", "socket")

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.descriptor = client.fileno()
        # When it was accepted, or began to send, or to be sent to (`time.monotonic`).
        self.since = time.monotonic()
        self.received = bytearray()
        # What is still to be sent; None as long as the request is being read.
        self.sending: bytes | None = None
        # The page with the outcome: once it is through, the listener has done its work.
        self.last_word = False


class Listener:
    """A context manager: opened, it listens on a free port (or `port`) of both loopback families.

    `wait` returns the credentials of the first right callback; `finish` then tells the browser how it went. Between the two
    nothing is served: the browser's request for the page waits in the kernel."""

    def __init__(self, port: int = 0) -> None:
        self._secret = "/" + os.urandom(20).hex()
        self._clean = "/" + os.urandom(20).hex()
        self._detour = "/" + os.urandom(20).hex()
        self._answered = False
        #: How often a process of somebody else's, or of nobody known, has sent the right answer, and was refused.
        self.strangers = 0
        self._redirected = False
        self._delivered = False
        self._followed = 0.0
        self._outcome: bytes | None = None
        # By age.
        self._connections: dict[_Connection, None] = {}
        self._held: Held | None = None
        self._taken = False
        self._succeeded = False
        self._sockets, self.port = self._taken_back(port) or loopback.bind(port)
        # Browsers leave out the port that http has anyway.
        self._host = "localhost" if self.port == 80 else f"localhost:{self.port}"
        self._selector = selectors.DefaultSelector()
        for server in self._sockets:
            server.setblocking(False)
            self._selector.register(server, selectors.EVENT_READ, None)

    @property
    def families(self) -> tuple[str, ...]:
        """The addresses that are listened on."""
        return tuple(str(server.getsockname()[0]) for server in self._sockets)

    @property
    def callback_url(self) -> str:
        """Where the deployment's page is to send the browser. The secret (160 random bits) is in the path: a query breaks
        the page's answer."""
        return f"http://{self._host}{self._secret}"

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in list(self._connections):
            self._drop(connection)
        for server in self._sockets:
            server.close()
        self._selector.close()
        if self._held is not None:
            if self._succeeded:
                self._held.release()
            else:
                self._held.leave()

    def _taken_back(self, port: int) -> tuple[list[socket.socket], int] | None:
        """The sockets of a port that is held for an earlier sign-in, whose page may still answer; None where it is not."""
        from tcenv.portholder import client

        taken = client.take(port, "sign-in") if port else None
        if taken is None:
            return None
        descriptors, self._held = taken
        self._taken = True
        return [socket.socket(fileno=descriptor) for descriptor in descriptors], port

    def hold(self, **told: str) -> bool:
        """Have the port held if this sign-in ends without `succeed`, and tell the holder what it needs to deal with an approval
        that comes then (see `late_approval`); again to change that. False where a port cannot be held."""
        from tcenv.portholder import client

        table = {"kind": "sign-in", "path": self._secret, "seconds": str(client.SECONDS), **told}
        if self._held is None:
            self._held = client.hold(self._sockets, table)
        else:
            self._held.tell(**table)
        return self._held is not None

    @property
    def is_held(self) -> bool:
        """Whether the port stays this user's when this process ends."""
        return self._held is not None

    def succeed(self) -> None:
        """Let the port be free as soon as this is left: nobody's answer is waited for any longer."""
        self._succeeded = True

    def wait(
        self,
        deadline: float,
        on_tick: Callable[[], None] = lambda: None,
        pasted: tuple[int, Callable[[], Credentials | None]] | None = None,
    ) -> Credentials | None:
        """The credentials of the first right callback, or None at `deadline` (of `time.monotonic`). `on_tick` is called
        about once a second. `pasted` is a descriptor to watch, and what to call when it can be read."""
        if pasted is not None:
            try:
                self._selector.register(pasted[0], selectors.EVENT_READ, pasted[1])
            except PermissionError:  # a plain file can always be read, and cannot be watched
                found = pasted[1]()
                if found is not None:
                    self._answered = True
                    return found
                pasted = None
        try:
            next_tick = time.monotonic()
            while (now := time.monotonic()) < deadline:
                if now >= next_tick:
                    on_tick()
                    next_tick = now + 1.0
                found = self._turn(min(deadline, next_tick) - now)
                if found is not None:
                    self._answered = True
                    return found
            return None
        finally:
            if pasted is not None:
                self.ignore(pasted[0])

    def ignore(self, descriptor: int) -> None:
        """Watch `descriptor` no longer."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def pasted(self, address: str) -> Credentials:
        """The credentials in an address that the user copied from the browser's address bar, which may have left out the
        `http://`. Raises Refused."""
        address = address.strip().removeprefix("http://")
        start, mark, query = address.partition("?")
        if self._answered or not mark or not address.isascii() or not same(start, self._host + self._secret):
            raise Refused
        return Credentials(*parse_query(query.partition("#")[0].encode("ascii")))

    def finish(self, outcome: Outcome, linger: float = 1.0) -> None:
        """Tell the browser how it went, at the clean address to which it was sent. Returns as soon as the page is through,
        after `linger` seconds if nobody asks for it, and at once if no browser was sent there."""
        self._outcome = pages.respond_with_page(outcome)
        self._followed = time.monotonic()
        while self._redirected and not self._delivered and (left := self._followed + linger - time.monotonic()) > 0:
            self._turn(left)

    def reopen(self) -> None:
        """Wait on for another answer: the one that came was no good."""
        self._answered = self._redirected = self._delivered = False
        self._outcome = None

    def _turn(self, seconds: float) -> Credentials | None:
        """Wait for something to happen for up to `seconds`, and deal with it; the credentials, if that was the answer."""
        self._drop_overdue()
        for key, _ in self._selector.select(max(0.0, min(seconds, 0.5))):
            if key.data is None:
                self._accept(key.fileobj)  # type: ignore[arg-type]
                found = None
            elif isinstance(key.data, _Connection):
                found = self._progressed(key.data)
            else:
                found = key.data()
            if found is not None:
                # The rest of what has happened will be there at the next turn.
                return found
        return None

    def _accept(self, server: socket.socket) -> None:
        try:
            client, _ = server.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._drop_oldest()
            return
        if len(self._connections) >= _MOST_CONNECTIONS:
            self._drop_oldest()
        try:
            client.setblocking(False)
            connection = _Connection(client)
            self._selector.register(connection.descriptor, selectors.EVENT_READ, connection)
            self._connections[connection] = None
        except (OSError, ValueError, KeyError):
            with suppress(OSError):
                client.close()

    def _drop(self, connection: _Connection) -> None:
        if connection in self._connections:
            del self._connections[connection]
            with suppress(OSError, KeyError, ValueError):
                self._selector.unregister(connection.descriptor)
            with suppress(OSError):
                connection.socket.close()

    def _drop_oldest(self) -> None:
        if self._connections:
            self._drop(min(self._connections, key=lambda connection: connection.since))

    def _drop_overdue(self) -> None:
        # One that has not said anything costs nothing, and may be the one that the browser will use.
        now = time.monotonic()
        for connection in list(self._connections):
            if connection.received and now - connection.since > _PATIENCE:
                self._drop(connection)

    def _progressed(self, connection: _Connection) -> Credentials | None:
        """Deal with what has happened on a connection. Whatever goes wrong there is that connection's end, never the wait's."""
        try:
            return self._progress(connection)
        except Exception:
            self._drop(connection)
            return None

    def _progress(self, connection: _Connection) -> Credentials | None:
        if connection.sending is not None:
            self._flush(connection)
            return None
        try:
            data = connection.socket.recv(4096)
        except BlockingIOError:
            return None
        if not data:
            self._drop(connection)
            return None
        if not connection.received:
            connection.since = time.monotonic()
        connection.received += data
        try:
            return self._answer(connection) if is_complete(connection.received) else None
        except Refused as refused:
            if not self._taken or not self._hand_over(connection):
                self._send(connection, pages.refuse(refused.status))
            return None

    def _hand_over(self, connection: _Connection) -> bool:
        """Have the holder answer what is not this sign-in's: it may be the earlier one's, whose port this was."""
        from tcenv.portholder import client

        if not client.hand_over(self.port, connection.socket, bytes(connection.received)):
            return False
        self._drop(connection)
        return True

    def _answer(self, connection: _Connection) -> Credentials | None:
        path, query, keeps_history = parse_request(bytes(connection.received), self._host)
        if self._outcome is not None and not query and same(path, self._clean):
            self._send(connection, self._outcome, last_word=True)
            return None
        if self._redirected and not query and same(path, self._detour):
            self._followed = time.monotonic()
            self._send(connection, pages.respond_with_detour(self._clean))
            return None
        if self._answered or not same(path, self._secret):
            raise Refused(404)
        # What stands in a browser's argument list, every user of the machine can read: who answers is asked of the kernel.
        if not peer.is_own(connection.socket):
            self.strangers += 1
            raise Refused(403)
        credentials = Credentials(*parse_query(query.encode("ascii")))
        self._answered = self._redirected = True
        # The response is far smaller than the empty buffer that the kernel has for it, so it is on its way when this returns.
        location = self._detour if keeps_history else self._clean
        try:
            self._send(connection, pages.respond(303, b"", ("Location", location)))
        except Exception:
            # The answer is there, whatever becomes of the connection that has brought it.
            self._drop(connection)
        return credentials

    def _send(self, connection: _Connection, data: bytes, *, last_word: bool = False) -> None:
        connection.sending = data
        connection.last_word = last_word
        connection.since = time.monotonic()
        self._selector.modify(connection.descriptor, selectors.EVENT_WRITE, connection)
        self._flush(connection)

    def _flush(self, connection: _Connection) -> None:
        data = connection.sending or b""
        try:
            connection.sending = data[connection.socket.send(data) :]
        except BlockingIOError:
            return
        if not connection.sending:
            self._delivered = self._delivered or connection.last_word
            _hang_up(connection.socket)
            self._drop(connection)


def _hang_up(client: socket.socket) -> None:
    """End the response. Closing with unread bytes would reset the connection under it, so some are taken out first."""
    try:
        client.shutdown(socket.SHUT_WR)
        for _ in range(16):
            if not client.recv(4096):
                break
    except OSError:
        pass
