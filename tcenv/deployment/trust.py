"""Which certificates the user trusts, said as for `requests` and for OpenSSL."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

# The first that is set names a file or a directory; requests itself looks at the first two only.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def authorities() -> str:
    """The file or directory of the authorities that are trusted: what the user names alone, else the system's, else `certifi`'s.
    (On Windows and macOS the system's are in no file: see `context`.)"""
    return _named() or _of_the_system() or _of_certifi()


def context() -> ssl.SSLContext:
    """Certificates and names are verified, as `ssl` does by default, by the `authorities`. Raises OSError where what the user
    names is not there."""
    import ssl

    where = _named()
    if where is None:
        context = ssl.create_default_context()
        if _of_the_system() is None:
            context.load_verify_locations(_of_certifi())
        return context
    if os.path.isdir(where):
        return ssl.create_default_context(capath=where)
    if not os.path.exists(where):
        raise OSError(f"the certificates to trust are not there: {where}")
    return ssl.create_default_context(cafile=where)


def _named() -> str | None:
    return next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), None)


def _of_the_system() -> str | None:
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        return paths.cafile
    try:
        return paths.capath if paths.capath is not None and os.listdir(paths.capath) else None
    except OSError:
        return None


def _of_certifi() -> str:
    import certifi

    return certifi.where()
