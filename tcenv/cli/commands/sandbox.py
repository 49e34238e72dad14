"""Carry out `tcenv sandbox`: run a Taskcluster look-alike on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tcenv.cli.terminal import job_control
from tcenv.errors import TcenvError, UsageError
from tcenv.sandbox.serve import CannotListen, serve

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


class Options(NamedTuple):
    """Run a Taskcluster look-alike on loopback, to try tcenv and to test tools that use Taskcluster credentials.

    Examples:
        tcenv sandbox
        tcenv sandbox --port 8080
    """

    port: o.SandboxPort = None
    private: o.Private = False


def run(options: Options) -> int:
    """Serve until Ctrl-C. Raises TcenvError."""
    job_control.require_foreground("sandbox")
    try:
        return serve(port=options.port or 0, public=not options.private)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except CannotListen as error:
        raise TcenvError(str(error), "Leave out --port for a free one.") from None
