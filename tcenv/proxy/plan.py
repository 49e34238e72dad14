"""All that a proxy needs to know before it begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tcenv.proxy.credential_calls import OwnClient
from tcenv.values import dataclass

if TYPE_CHECKING:
    from tcenv.proxy.calllog import CallLog
    from tcenv.proxy.run import Run
    from tcenv.proxy.sockets import Sockets
    from tcenv.sessions.session import Session
    from tcenv.sessions.stores import Store


@dataclass(frozen=True)
class Plan:
    """What is to be served, with what, and within which bounds.

    `scopes` is what the run is narrowed to (None: to nothing), `until` when it ends before the session does (seconds since the
    epoch), `learn` what a run that learns begins with (None: it does not); `announce` is told what the user should know, from
    the proxy's own thread."""

    sockets: Sockets
    run: Run
    store: Store
    first: Session
    own: OwnClient
    announce: Callable[[str], None]
    scopes: tuple[str, ...] | None = None
    until: float | None = None
    read_only: bool = False
    allow_credentials: bool = False
    log: CallLog | None = None
    learn: tuple[str, ...] | None = None
