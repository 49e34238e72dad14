"""`tcenv sandbox`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tcenv.cli.terminal import job_control
from tcenv.errors import TcenvError, UsageError
from tcenv.sandbox.serve import CannotListen, serve

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


class Options(NamedTuple):
    """A Taskcluster look-alike on loopback, for trying tcenv and for testing tools that use its credentials.

    Examples:
        tcenv sandbox --port 8080
    """

    port: o.SandboxPort = None
    private: o.Private = False


def run(options: Options) -> int:
    """Serve until Ctrl-C. Raises TcenvError."""
    job_control.refuse_where_the_shell_waits("sandbox")
    try:
        return serve(port=options.port or 0, public=not options.private)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except CannotListen as error:
        raise TcenvError(str(error), "Leave out --port for a free one.") from None
