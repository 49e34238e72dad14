"""Carry out `tcenv whoami`: another name of `tcenv status`."""

from __future__ import annotations

from tcenv.cli.commands.status import Options, run

__all__ = ["Options", "run"]
