"""Which variables hold a secret, or a copy of one: plainly, or packed as direnv and its like pack what they remember. For
programs that are to be given none. Never changes anything by itself. Hot path."""

from __future__ import annotations

from tcenv.shells.environment import ACCESS_TOKEN, CERTIFICATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# What remembers variables as they were or will be, and puts them back: direnv's, and what tcenv's own subshells are given.
_REMEMBERED = ("DIRENV_", "__TCENV_LOAD", "__tcenv_")
# Its like, packed in ways of their own.
_COPIES = ("__MISE_DIFF", "__MISE_SESSION", "SHADOWENV_DATA", "__shadowenv_data")
# Characters of an access token at least; what is shorter is nobody's, and might be anywhere.
_SHORTEST = 22
# Characters of what is worth being unpacked, and bytes of what it may unpack to.
_LONG = 40
_MOST_UNPACKED = 2**24
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Every other character parts one packed text from the next; the URL-safe alphabet becomes the other.
_PARTED = {code: " " for code in range(128) if chr(code) not in _BASE64} | {ord("-"): "+", ord("_"): "/"}


def holding(environ: Mapping[str, str], *secrets: str) -> list[str]:
    """The names of the variables that hold one of `secrets`, or of the token and the certificate that are loaded in `environ`,
    and of those that a tool would put them back from."""
    every = [*secrets, *(environ.get(name, "") for name in (ACCESS_TOKEN, CERTIFICATE))]
    wanted = [secret for secret in dict.fromkeys(every) if len(secret) >= _SHORTEST]
    return [
        name
        for name, value in environ.items()
        if name.startswith(_REMEMBERED) or name in _COPIES or _holds(value, wanted)
    ]


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy of `environ` for a program that is to have no token."""
    left_out = {*holding(environ), ACCESS_TOKEN, CERTIFICATE}
    return {name: value for name, value in environ.items() if name not in left_out}


def _holds(value: str, secrets: Iterable[str]) -> bool:
    if any(secret in value for secret in secrets):
        return True
    return len(value) >= _LONG and any(
        secret.encode("utf-8", "surrogateescape") in unpacked for unpacked in _unpacked(value) for secret in secrets
    )


def _unpacked(value: str) -> Iterator[bytes]:
    """What the parts of a value would hold if they were base64, and if that were compressed."""
    import binascii
    import zlib

    for text in value.translate(_PARTED).split():
        if len(text) < _LONG or not text.isascii():
            continue
        try:
            raw = binascii.a2b_base64(text + "=" * (-len(text) % 4))
        except ValueError:
            continue
        yield raw
        for form in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
            try:
                yield zlib.decompressobj(wbits=form).decompress(raw, _MOST_UNPACKED)
            except zlib.error:
                continue
