"""Which certificates the user trusts, said as for `requests` and for OpenSSL."""

from __future__ import annotations

import os

# The first that is set names a file or a directory; requests itself looks at the first two only.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def trusted() -> str | None:
    """The file or directory that the user names; None for those that come with `certifi`."""
    return next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), None)
