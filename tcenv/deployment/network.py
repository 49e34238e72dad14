"""Read from the user's network settings which certificates to trust and which proxy to use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from urllib.parse import SplitResult

# The first variable that is set names a file or a directory. `requests` has the first two, OpenSSL the others.
_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


class SettingsError(OSError):
    """The user's settings cannot be used. The text holds no password and fits on a terminal."""


def make_ssl_context() -> ssl.SSLContext:
    """Make a context that verifies certificates and host names.

    It trusts what the user names in a variable and nothing else, or else what the system trusts, or else what `certifi`
    lists: Python from python.org finds no certificates on macOS, and small containers have none. Raises SettingsError if
    the file that the user names does not exist."""
    import ssl

    path = next((os.environ[name] for name in _CERTIFICATE_VARIABLES if os.environ.get(name)), None)
    if path is None:
        context = ssl.create_default_context()
        if not _has_system_certificates():
            import certifi

            context.load_verify_locations(certifi.where())
        return context
    if os.path.isdir(path):
        return ssl.create_default_context(capath=path)
    if not os.path.exists(path):
        raise SettingsError(f"the trusted certificates are missing: {path}")
    return ssl.create_default_context(cafile=path)


def find_proxy(url: str) -> SplitResult | None:
    """Return the address of the proxy for requests to `url`, or None if they go to the deployment directly.

    Reads HTTPS_PROXY, ALL_PROXY and NO_PROXY as urllib does, or else the settings of macOS or Windows. No proxy serves a
    deployment on this machine. Raises SettingsError for an address that is not http:// or https://."""
    target = urlsplit(url)
    host = target.hostname or ""
    if host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127."):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    address = proxies.get(target.scheme) or proxies.get("all")
    if not address or proxy_bypass(target.netloc):
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    try:
        usable = proxy.scheme in ("http", "https") and proxy.hostname and proxy.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError("the proxy that the environment names (HTTPS_PROXY, ALL_PROXY) is not http://HOST:PORT")
    return proxy


def _has_system_certificates() -> bool:
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        return True
    try:
        return paths.capath is not None and bool(os.listdir(paths.capath))
    except OSError:
        return False
