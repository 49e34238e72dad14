"""`tcenv sandbox`."""

from __future__ import annotations

from tcenv.errors import TcenvError, UsageError


def run(*, port: int, private: bool) -> int:
    """Serve until Ctrl-C. Raises TcenvError."""
    from tcenv.sandbox.serve import CannotListen, serve

    try:
        return serve(port=port, public=not private)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except CannotListen as error:
        raise TcenvError(str(error), "Leave out --port for a free one.") from None
