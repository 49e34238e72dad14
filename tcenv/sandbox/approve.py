"""Approve sign-ins on machines without a display, and in tests.

`python -m tcenv.sandbox.approve URL` opens a sandbox's sign-in page, approves, and follows the callback as Chromium
does. It prints nothing if all goes well, and refuses every address that is not on loopback."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import site
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

_DATA = re.compile(r'<script type="application/json" id="page">(.*?)</script>', re.DOTALL)
_FIELD = re.compile(r'<textarea id="(client-id|description|scopes)"[^>]*>\n?([^<]*)<')
_CRASH = re.compile(r'id="crashed"[^>]*>([^<]+)<')
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MOST_REDIRECTS = 10
_LONGEST_SHOWN = 200
# Seconds by which a browser's clock may be off.
_SKEW = 15 * 60
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
    "Accept-Language": "en-US,en;q=0.9",
    # Another program's on localhost: browsers send cookies to all ports.
    "Cookie": "session=of-another-program",
}


class NotApproved(Exception):
    """The page shows an error, and no callback follows. The text is what a person would read."""


@dataclass(frozen=True)
class _Answer:
    status: int
    text: str
    location: str | None


def approve(
    url: str, *, rename: str | None = None, wait: float = 0.0, expires: str | None = None, keep: bool = False
) -> int:
    """Approve at the sandbox's sign-in page `url`, follow the callback to its end, and return the HTTP status there.

    Waits for `wait` seconds first. Types `rename` into the Client ID field and `expires` (a date with time and zone)
    into Expires, if given. Switches off Delete on Expiration with `keep`. Raises NotApproved, ValueError, OSError."""
    return _approve(url, rename, wait, expires, keep).status


def _approve(url: str, rename: str | None, wait: float, expires: str | None, keep: bool) -> _Answer:
    opened, page = _open(url)
    if 'id="sign-in"' in opened.text:
        _press(url, "sign-in", {})
        opened, page = _open(url)
    fields = {name: unescape(value) for name, value in _FIELD.findall(opened.text)}
    time.sleep(wait)
    if page["refusal"]:
        raise NotApproved(page["refusal"])
    stale = page["now"] is not None and abs(time.time() - page["now"]) > _SKEW
    if page["variant"] != "edit" and (stale or not page["known"]):
        user = _press(url, "user", {key: page[key] for key in ("name", "scopes", "loaded")})
        fields.update({"client-id": user["clientId"], "scopes": "\n".join(user["scopes"])})
    action = "update" if page["variant"] == "edit" else "reset" if 'id="reset"' in opened.text else "create"
    content = {
        "clientId": rename or fields["client-id"],
        "description": fields["description"],
        "scopes": [scope for scope in fields["scopes"].split("\n") if scope],
        "expires": expires or page["expires"],
        "deleteOnExpiration": not keep,
        "loaded": page["loaded"],
    }
    credentials = _press(url, action, content)
    if page["callback"] is None:
        return opened
    target = urlsplit(url)
    return _visit(
        f"{page['callback']}?clientId={credentials['clientId']}&accessToken={credentials['accessToken']}",
        referer=f"{target.scheme}://{target.netloc}/",
    )


def _open(url: str) -> tuple[_Answer, dict[str, Any]]:
    """Open a sign-in page. Return it and the data of its form. Raises NotApproved with the page's text if it has no
    form."""
    opened = _request("GET", url)
    found = _DATA.search(opened.text)
    if found is None:
        crash = _CRASH.search(opened.text)
        if crash:
            raise NotApproved(unescape(crash[1]))
        shown = _extract_text(opened.text)
        raise NotApproved(
            f"there is no sign-in form at that address (status {opened.status}{shown and f', {shown!r}'})"
        )
    page: dict[str, Any] = json.loads(found[1])
    return opened, page


def _extract_text(text: str) -> str:
    """Return the beginning of the text that a person would read on a page, or of an API error's message."""
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(text)["message"]).splitlines()[0]
    visible = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
    words = " ".join("".join(c if c.isprintable() else " " for c in unescape(visible)).split())
    return words if len(words) <= _LONGEST_SHOWN else f"{words[:_LONGEST_SHOWN]}…"


def visit(url: str, referer: str | None = None) -> int:
    """Open a loopback address with Chromium's headers and follow redirects. Return the last HTTP status.

    `referer` is a page on another port of localhost that leads there. Raises ValueError for other addresses,
    OSError."""
    return _visit(url, referer).status


def _visit(url: str, referer: str | None = None) -> _Answer:
    headers = {
        **_HEADERS,
        "Sec-Fetch-Site": "same-site" if referer else "none",
        **({"Referer": referer} if referer else {}),
    }
    for _ in range(_MOST_REDIRECTS):
        answer = _request("GET", url, headers)
        if answer.status not in _REDIRECTS or not answer.location:
            return answer
        url = urljoin(url, answer.location)
    raise ValueError("the callback redirects without end")


def _press(page_url: str, action: str, content: dict[str, Any]) -> dict[str, Any]:
    """Press a button. Raises NotApproved with the error that the page shows."""
    answer = _request(
        "POST",
        urljoin(page_url, f"/sandbox/{action}"),
        {"Content-Type": "application/json"},
        json.dumps({**content, "clock": time.time()}),
    )
    if answer.status != 200:
        raise NotApproved(_read_message(answer.text) or f"the page got status {answer.status}")
    try:
        result: dict[str, Any] = json.loads(answer.text)
    except ValueError:
        raise NotApproved(f"the page's answer cannot be read: {_extract_text(answer.text)!r}") from None
    return result


def _read_message(text: str) -> str:
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(text)["message"])
    return _extract_text(text)


def _request(method: str, url: str, headers: dict[str, str] | None = None, body: str | None = None) -> _Answer:
    target = urlsplit(url)
    if target.scheme != "http" or target.hostname not in _LOOPBACK:
        raise ValueError("this browser opens only http addresses on loopback")
    connection = _connect(target.hostname or "", target.port or 80)
    try:
        path = url.partition("://")[2].removeprefix(target.netloc).partition("#")[0]
        sent = {"Host": target.netloc, "Connection": "keep-alive", **(headers or {})}
        connection.putrequest(method, path or "/", skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body.encode())))
        connection.endheaders(None if body is None else body.encode())
        answer = connection.getresponse()
        return _Answer(answer.status, answer.read().decode("utf-8", "replace"), answer.getheader("Location"))
    finally:
        connection.close()


def _connect(host: str, port: int) -> http.client.HTTPConnection:
    """Connect as Chromium does: to [::1] for `localhost`, and to 127.0.0.1 only if that is refused."""
    for address in ("::1", "127.0.0.1") if host == "localhost" else (host,):
        connection = http.client.HTTPConnection(address, port, timeout=60)
        with suppress(OSError):
            connection.connect()
            return connection
    raise ConnectionRefusedError(f"nothing listens on port {port}")


def get_interpreter_command() -> list[str]:
    """Return the command that starts this Python again with tcenv, and without files of the current directory. It has
    `-I`, unless tcenv is installed in the user's site directory or on
    PYTHONPATH, which `-I` ignores."""
    elsewhere = [site.getusersitepackages(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return [sys.executable, "-P" if _ROOT in elsewhere else "-I"]


def get_approver_command() -> str:
    """Return a value of BROWSER that approves on the sandbox's page."""
    return f"{' '.join(get_interpreter_command())} -m tcenv.sandbox.approve %s"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tcenv.sandbox.approve", description="Approve on a sandbox's page.")
    parser.add_argument("url", help="the sign-in page")
    parser.add_argument("--rename", metavar="CLIENT_ID", help="type this into the Client ID field")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait before pressing the button")
    parser.add_argument("--expires", metavar="TIME", help="type this into the Expires field, e.g. 2030-01-01T00:00:00Z")
    parser.add_argument("--keep", action="store_true", help="switch off Delete on Expiration")
    options = parser.parse_args(arguments)
    problem = try_to_approve(options.url, options.rename, options.wait, options.expires, options.keep)
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


def try_to_approve(
    url: str, rename: str | None = None, wait: float = 0.0, expires: str | None = None, keep: bool = False
) -> str:
    """Approve, as `approve` does. Return one line that says what went wrong, or an empty text."""
    try:
        answer = _approve(url, rename, wait, expires, keep)
    except (NotApproved, ValueError, OSError, http.client.HTTPException) as error:
        return f"not approved: {_describe_error(error)}"
    if answer.status == 200:
        return ""
    shown = _extract_text(answer.text)
    return f"approved, but the program that waits answered with status {answer.status}{shown and f': {shown}'}"


def _describe_error(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer came within a minute"
    if isinstance(error, http.client.HTTPException):
        return f"that is not an HTTP answer ({type(error).__name__})"
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
