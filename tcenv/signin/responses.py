"""What the listener answers: refusals without a word, and the outcome's page. No byte of it ever holds a token."""

from __future__ import annotations

_REASONS = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
}


def refusal(status: int) -> bytes:
    return response(status, b"", *([("Allow", "GET")] if status == 405 else []))


def detour(onward: str) -> bytes:
    """Where a browser forgets the address that it was redirected from. Chromium (156) keeps that beside the address that a
    redirect ends at, in the tab and its session file, until the tab moves on by itself (at once, and with no opener policy
    on the way: that would make it write down both); and in its list of visited addresses, where one that ends in a 404 is
    hidden."""

    from tcenv.signin.pages import render_detour

    return response(404, render_detour(onward), ("Refresh", f"0; url={onward}"))


def response(status: int, body: bytes, *more: tuple[str, str]) -> bytes:
    from tcenv.signin.pages import CONTENT_SECURITY_POLICY

    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Connection", "close"),
        *more,
    ]
    head = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(head) + "\r\n\r\n").encode("ascii") + body
