"""Find variables that hold a secret or a copy of one, either plain or packed as direnv and similar tools pack saved
variables. Hot path."""

from __future__ import annotations

from tcenv.shells.environment import CERTIFICATE, SECRETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Variables in which direnv and tcenv's own subshells save other variables to restore them later.
_REMEMBERING = ("DIRENV_", "__TCENV_LOAD", "__tcenv_")
# The same for mise and shadowenv, which use packed formats of their own.
_PACKED = ("__MISE_DIFF", "__MISE_SESSION", "SHADOWENV_DATA", "__shadowenv_data")
# The shortest access token. A shorter text may occur anywhere by chance.
_MIN_SECRET = 22
_MIN_PACKED = 40
_MAX_UNPACKED = 2**24
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Turn all other characters into separators, and the URL-safe alphabet into this one.
_SEPARATORS = {code: " " for code in range(128) if chr(code) not in _BASE64} | {ord("-"): "+", ord("_"): "/"}


def find_copies(environ: Mapping[str, str], *secrets: str) -> list[str]:
    """Return the names of the variables that hold one of `secrets` or of the secrets loaded in `environ`, and of the
    variables from which a tool would restore them."""
    known = {*secrets, *(environ.get(name, "") for name in SECRETS)}
    known = {secret for secret in known if len(secret) >= _MIN_SECRET}
    return [
        name
        for name, value in environ.items()
        if name.startswith(_REMEMBERING) or name in _PACKED or _has_copy(value, known)
    ]


def drop_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of `environ` for a program that gets no token."""
    left_out = {*find_copies(environ), *SECRETS}
    return {name: value for name, value in environ.items() if name not in left_out}


def drop_whole_token(change: Mapping[str, str | None], environ: Mapping[str, str], token: str) -> dict[str, str]:
    """Return a copy of `environ` for a program to which `change` applies. If `change` loads temporary credentials, no
    other variable of the copy holds the `token` that they were made from, or the secrets that were loaded before."""
    if change.get(CERTIFICATE) is None:
        return dict(environ)
    copies = find_copies(environ, token)
    return {name: value for name, value in environ.items() if name not in copies}


def _has_copy(value: str, secrets: Iterable[str]) -> bool:
    if any(secret in value for secret in secrets):
        return True
    return len(value) >= _MIN_PACKED and any(
        secret.encode("utf-8", "surrogateescape") in unpacked for unpacked in _unpack(value) for secret in secrets
    )


def _unpack(value: str) -> Iterator[bytes]:
    """Yield each part of a value that is base64 in decoded form, and also uncompressed if it is compressed."""
    import binascii
    import zlib

    for text in value.translate(_SEPARATORS).split():
        if len(text) < _MIN_PACKED or not text.isascii():
            continue
        try:
            raw = binascii.a2b_base64(text + "=" * (-len(text) % 4))
        except ValueError:
            continue
        yield raw
        for form in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
            try:
                yield zlib.decompressobj(wbits=form).decompress(raw, _MAX_UNPACKED)
            except zlib.error:
                continue
