"""Build the HTTP responses of a sign-in's port. The listener and the port holder share them."""

from __future__ import annotations

_REASONS = {
    **{200: "OK", 303: "See Other", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"},
    **{410: "Gone", 421: "Misdirected Request", 431: "Request Header Fields Too Large"},
}
#: The hash of `signin.pages.STYLE`; a test compares them. Computing it here would take time in every sign-in.
STYLE_HASH = "sha256-56lO7XpPvR4IvUPms+72gcfnH805gAtyNPfs5gaCIvY="
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def respond(status: int, body: bytes = b"", *fields: str, content_type: str = "text/html; charset=utf-8") -> bytes:
    """Return a response that closes its connection. `fields` are more header lines, such as `Location: /x`."""
    head = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        f"Content-Security-Policy: {CONTENT_SECURITY_POLICY}",
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: DENY",
        "Cross-Origin-Resource-Policy: same-origin",
        "Connection: close",
        *fields,
    ]
    return "\r\n".join([*head, "", ""]).encode("ascii") + body


def refuse(status: int) -> bytes:
    """Return a refusal without a body."""
    return respond(status, b"", *(["Allow: GET"] if status == 405 else []))
