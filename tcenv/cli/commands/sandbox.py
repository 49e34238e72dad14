"""`tcenv sandbox`."""

from __future__ import annotations

from typing import Any

from tcenv.errors import TcenvError, UsageError


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Serve until Ctrl-C. Raises TcenvError."""
    from tcenv.cli.terminal import job_control
    from tcenv.sandbox.serve import CannotListen, serve

    job_control.refuse_where_the_shell_waits("sandbox")
    try:
        return serve(port=options.get("port", 0), public=not options.get("private", False))
    except ValueError as error:
        raise UsageError(str(error)) from None
    except CannotListen as error:
        raise TcenvError(str(error), "Leave out --port for a free one.") from None
