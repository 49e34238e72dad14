"""`tcenv whoami`: another word for `tcenv status`."""

from __future__ import annotations

from tcenv.cli.commands.status import run

__all__ = ["run"]
