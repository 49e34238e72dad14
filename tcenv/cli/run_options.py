"""Declare the options that `exec`, `shell` and `ssh` share: which session a program gets, and how to sign in for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """A subclass adds its own options. The docstring of that class is the command's help."""

    profile: str | None = None
    root_url: o.RootUrl = None
    name: o.Name = None
    scopes: o.CutScopes = ()
    purpose: o.As = None
    expires: o.Expires = None
    description: o.Description = None
    reset: o.Reset = False
    flow: o.Flow = None
    port: o.Port = None
    timeout: o.Timeout = None
    browser: o.Browser = None
    no_browser: o.NoBrowser = False
    retry: o.Retry = False
    no_self_delete: o.NoSelfDelete = False
    duration: o.For = None
    no_login: o.NoLogin = False
