"""Which certificates the user trusts, said as for `requests` and for OpenSSL."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

# The first that is set names a file or a directory; requests itself looks at the first two only.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def trusted() -> str | None:
    """The file or directory that the user names; None for what the system trusts."""
    return next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), None)


def context() -> ssl.SSLContext:
    """Certificates and names are verified, as `ssl` does by default: by what the user names alone, else by what the system
    trusts, and by `certifi` where it has nothing. Raises OSError where what the user names is not there."""
    import ssl

    where = trusted()
    if where is None:
        context = ssl.create_default_context()
        if not _system_has_some(ssl.get_default_verify_paths()):
            import certifi

            context.load_verify_locations(certifi.where())
        return context
    if os.path.isdir(where):
        return ssl.create_default_context(capath=where)
    if not os.path.exists(where):
        raise OSError(f"the certificates to trust are not there: {where}")
    return ssl.create_default_context(cafile=where)


def _system_has_some(paths: ssl.DefaultVerifyPaths) -> bool:
    if paths.cafile is not None:
        return True
    try:
        return paths.capath is not None and bool(os.listdir(paths.capath))
    except OSError:
        return False
