"""Make a deployment fail or lie, for tests of programs that must cope with it.

`FAULTS` lists all faults by name. They happen only after a call of `Sandbox.fail`."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from tcenv.sandbox.answers import Answer, redirect
from tcenv.sandbox.http_server import Incoming, make_web_server_page

_JSON = "Content-Type: application/json; charset=utf-8\r\n"
_HTML = "Content-Type: text/html; charset=utf-8\r\n"
_PAGE = b"<!doctype html><html><head><title>Taskcluster</title></head><body><div id=root></div></body></html>"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BLANKS = b" " * (1 << 20)
_HIDDEN = "\x1b[31m\x07\x00\r\n\u202e\u2028$(touch owned)`';\"\\"


@dataclass(frozen=True)
class Options:
    """Options of some faults: the target of a redirect, the seconds between bytes, the seconds by which the clock is
    ahead, the missing fields, the other client, and the size of a large answer (bytes)."""

    location: str = "http://127.0.0.1:1/"
    pace: float = 1.0
    ahead: float = 3600.0
    fields: tuple[str, ...] = ("accessToken", "clientId", "expires", "scopes")
    client_id: str = "mozilla-auth0/ad|Mozilla-LDAP|somebody-else/tcenv"
    size: int = 1 << 30


_Act = Callable[[Options, Answer], Answer]
_Pieces = Callable[[Options], AsyncIterator[bytes]]
_Change = Callable[[Options, dict[str, Any]], Any]


@dataclass(frozen=True)
class Fault:
    """A way to fail. `about` describes it for people. `act` makes an answer from the true one. With `blind`, the
    sandbox does not handle the request at all."""

    about: str
    act: _Act
    blind: bool = True


@dataclass
class Rule:
    """A fault that is switched on, for the next `times` requests of `method` to `path`, or until `until`
    (time.monotonic). None stands for every method and for no limit."""

    fault: Fault
    path: str
    method: str | None
    times: int | None
    until: float | None
    options: Options

    def act(self, true: Answer) -> Answer:
        """Return what the fault makes of the true answer."""
        return self.fault.act(self.options, true)


@dataclass
class Faults:
    """The faults that are switched on: for which requests, how often, until when. Any thread may use it."""

    _rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self, name: str, path: str, method: str | None, times: int | None, seconds: float | None, options: Options
    ) -> None:
        """Switch a fault on. See Sandbox.fail. Raises KeyError."""
        until = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            self._rules.append(Rule(FAULTS[name], path, method, times, until, options))

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._rules.clear()

    def find_rule(self, request: Incoming) -> Rule | None:
        """Return the first rule that applies to a request, and count this use of it."""
        with self._lock:
            for rule in list(self._rules):
                if rule.until is not None and time.monotonic() > rule.until:
                    self._rules.remove(rule)
                elif request.target.startswith(rule.path) and rule.method in (None, request.method):
                    if rule.times is not None:
                        rule.times -= 1
                        if rule.times <= 0:
                            self._rules.remove(rule)
                    return rule
        return None


def _answer_with(status: int, body: bytes, head: str = _JSON) -> _Act:
    return lambda options, true: Answer(status, body, head)


def _make_error(status: int, code: str, message: str, **more: Any) -> Answer:
    data = {"code": code, "message": message, "requestInfo": {}, **more}
    return Answer(status, json.dumps(data).encode(), _JSON)


def _answer_as_web_server(status: int) -> _Act:
    return lambda options, true: make_web_server_page(status)


def _answer_with_stream(pieces: _Pieces, head: str = _JSON, *, raw: bool = False, **more: Any) -> _Act:
    return lambda options, true: Answer(head=head, stream=partial(pieces, options), raw=raw, close=True, **more)


def _answer_raw(data: bytes) -> _Act:
    async def pieces(options: Options) -> AsyncIterator[bytes]:
        if data:
            yield data

    return _answer_with_stream(pieces, raw=True)


def _repeat(start: bytes, piece: bytes, pace: float = 0.0) -> _Pieces:
    """Send `start`, then `piece` without end, every `pace` times the fault's own pace."""

    async def pieces(options: Options) -> AsyncIterator[bytes]:
        yield start
        while True:
            yield piece
            await asyncio.sleep(pace * options.pace)

    return pieces


async def _send_drip_head(options: Options) -> AsyncIterator[bytes]:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 100_000:
        yield bytes((byte,))
        await asyncio.sleep(options.pace)


async def _send_part(options: Options) -> AsyncIterator[bytes]:
    yield b'{"clientId": "'


async def _send_large(options: Options) -> AsyncIterator[bytes]:
    for _ in range(options.size // 65536):
        yield b" " * 65536
        await asyncio.sleep(0)


async def _send_bomb(options: Options) -> AsyncIterator[bytes]:
    yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    pieces, check = max(1, options.size // len(_BLANKS)), 0
    for _ in range(pieces):
        yield _compress_blanks()
        check = zlib.crc32(_BLANKS, check)
        await asyncio.sleep(0)
    yield b"\x03\x00" + struct.pack("<II", check, pieces * len(_BLANKS) % (1 << 32))


@cache
def _compress_blanks() -> bytes:
    """Return _BLANKS, deflated in a form that can be repeated."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(_BLANKS) + compressor.flush(zlib.Z_FULL_FLUSH)


def _lie(about: str, change: _Change) -> Fault:
    """Return a fault that changes the true answer if it is a JSON object with status 200."""

    def act(options: Options, true: Answer) -> Answer:
        if true.status != 200 or not true.body.startswith(b"{"):
            return true
        text = json.dumps(change(options, json.loads(true.body)), ensure_ascii=False)
        return Answer(200, text.encode("utf-8", "surrogatepass"), _JSON)

    return Fault(about, act, blind=False)


def _change_values(data: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(data, dict):
        return {name: _change_values(value, change) for name, value in data.items()}
    return change(data)


def _set_fields(**values: Any) -> _Change:
    return lambda options, data: {name: values.get(name, value) for name, value in data.items()}


def _change_type(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    return {"0": value} if isinstance(value, list) else str(value)


def _shift_date(options: Options, true: Answer) -> Answer:
    true.ahead = options.ahead
    return true


def _answer_stale(options: Options, true: Answer) -> Answer:
    answer = _make_error(401, "AuthenticationFailed", "Unauthorized: Stale timestamp")
    answer.ahead = options.ahead
    return answer


FAULTS: dict[str, Fault] = {
    # No answer, or one from the web server.
    "unavailable": Fault("503, from the web server in front", _answer_as_web_server(503)),
    "bad-gateway": Fault("502, from the web server in front", _answer_as_web_server(502)),
    "broken": Fault(
        "500, from the service", lambda o, t: _make_error(500, "InternalServerError", "Internal Server Error")
    ),
    "too-many": Fault("429", _answer_as_web_server(429)),
    "silent": Fault("accepts the connection, and never answers", lambda options, true: Answer(silent=True)),
    "hang-up": Fault("closes the connection", _answer_raw(b"")),
    "cut-off": Fault("closes the connection in the middle of the body", _answer_with_stream(_send_part, length=1000)),
    "drip": Fault("an endless body, one byte every `pace` seconds", _answer_with_stream(_repeat(b"{", b" ", pace=1))),
    "drip-head": Fault(
        "an endless head, one byte every `pace` seconds", _answer_with_stream(_send_drip_head, raw=True)
    ),
    # An answer that is not the API's.
    "html": Fault("200 and the page of a web site", _answer_with(200, _PAGE, _HTML)),
    "text": Fault("200 and some text", _answer_with(200, b"It works!\n", "Content-Type: text/plain\r\n")),
    "empty": Fault("200 and nothing", _answer_with(200, b"")),
    "no-content": Fault("204", _answer_with(204, b"")),
    "not-json": Fault("200 and JSON that ends too early", _answer_with(200, b'{"clientId": "x", "scopes": [')),
    "not-utf8": Fault("200 and JSON that is not UTF-8", _answer_with(200, b'{"clientId": "\xff\xfe"}')),
    "no-number": Fault(
        "200 and a number that JSON does not have", _answer_with(200, b'{"expires": NaN, "scopes": -Infinity}')
    ),
    "huge-number": Fault(
        "200 and a number of 100,000 digits", _answer_with(200, b'{"expires": ' + b"9" * 100_000 + b"}")
    ),
    "deep": Fault("200 and 100,000 nested lists, never closed", _answer_with(200, b'{"scopes": ' + b"[" * 100_000)),
    "deep-closed": Fault(
        "200 and 100,000 nested lists, all closed",
        _answer_with(200, b'{"scopes": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ),
    "null": Fault("200 and null", _answer_with(200, b"null")),
    "list": Fault("200 and a list", _answer_with(200, b'["clientId", "scopes"]')),
    "string": Fault("200 and a string", _answer_with(200, b'"clientId"')),
    "number": Fault("200 and a number", _answer_with(200, b"7")),
    "empty-object": Fault("200 and an object without fields", _answer_with(200, b"{}")),
    # Too much.
    "endless": Fault("endless JSON", _answer_with_stream(_repeat(b'{"clientId": "x", "scopes": ["', b"a" * 65536))),
    "endless-head": Fault(
        "endless header lines",
        _answer_with_stream(_repeat(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"a" * 1000 + b"\r\n"), raw=True),
    ),
    "endless-continue": Fault(
        "endless 100 Continue answers",
        _answer_with_stream(_repeat(_CONTINUE, _CONTINUE, pace=0.01), raw=True),
    ),
    "large": Fault("`size` bytes of spaces", _answer_with_stream(_send_large)),
    "bomb": Fault(
        "`size` bytes of spaces, compressed to a thousandth",
        _answer_with_stream(_send_bomb, f"{_JSON}Content-Encoding: gzip\r\n"),
    ),
    "many-scopes": _lie("100,000 scopes", _set_fields(scopes=[f"s:{n}" for n in range(100_000)])),
    # Redirects.
    "redirect": Fault("302 to `location`", lambda o, t: redirect(o.location, status=302)),
    "redirect-307": Fault("307 to `location`", lambda o, t: redirect(o.location, status=307)),
    "redirect-loop": Fault("302 to the same address", lambda o, t: redirect("?", status=302)),
    # Broken HTTP.
    "not-http": Fault("an answer in another protocol", _answer_raw(b"SSH-2.0-OpenSSH_9.2p1\r\n")),
    "not-gzip": Fault(
        "claims to be gzip, and is not", _answer_with(200, b'{"a": 1}', f"{_JSON}Content-Encoding: gzip\r\n")
    ),
    "bad-chunks": Fault(
        "chunks without a size", _answer_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n")
    ),
    "two-lengths": Fault(
        "two Content-Length headers",
        _answer_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 50\r\n\r\n{}"),
    ),
    # Lies. (The request has its effect.)
    "wrong-types": _lie("each field has the wrong type", lambda o, data: _change_values(data, _change_type)),
    "missing-fields": _lie(
        "an answer that lacks `fields`", lambda o, data: {k: v for k, v in data.items() if k not in o.fields}
    ),
    "null-fields": _lie("each field is null", lambda o, data: _change_values(data, lambda value: None)),
    "other-client": _lie(
        "the data of another client, `client_id`",
        lambda o, data: data | ({"clientId": o.client_id} if "clientId" in data else {}),
    ),
    "odd-characters": _lie(
        "control characters in every string",
        lambda o, data: _change_values(data, lambda v: [*v, _HIDDEN] if isinstance(v, list) else f"{v}{_HIDDEN}"),
    ),
    "no-token": _lie("an empty accessToken", _set_fields(accessToken="")),
    "no-time": _lie("an expiry that is not a time", _set_fields(expires="tomorrow")),
    "past": _lie("an expiry long in the past", _set_fields(expires="1970-01-01T00:00:00.000Z")),
    "far": _lie("an expiry in an invalid year", _set_fields(expires="+275760-09-13T00:00:00.000Z")),
    "disabled": _lie("a client that is disabled", _set_fields(disabled=True)),
    # Refusals.
    "unauthorized": Fault(
        "401 for all credentials", lambda o, t: _make_error(401, "AuthenticationFailed", "Unauthorized")
    ),
    "unauthorized-html": Fault("401 and a page", _answer_with(401, _PAGE, _HTML)),
    "forbidden": Fault("403 without the code for it", _answer_with(403, b'{"message": "no"}')),
    "forbidden-html": Fault("403 and a page", _answer_with(403, _PAGE, _HTML)),
    "forbidden-code": Fault("403 with another code", lambda o, t: _make_error(403, "Nothing", "no")),
    # A wrong clock.
    "clock": Fault("answers with a Date that is `ahead` seconds off", _shift_date, blind=False),
    "stale": Fault("401 Stale timestamp, with a Date that is `ahead` seconds off", _answer_stale),
}
