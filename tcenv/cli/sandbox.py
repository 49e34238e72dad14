"""`tcenv sandbox`."""

from __future__ import annotations


def run(*, port: int, private: bool) -> int:
    """Serve until Ctrl-C."""
    from tcenv.sandbox.serve import serve

    return serve(port=port, public=not private)
