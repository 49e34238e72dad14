"""Keep the proxy's port from other users while a program of its run may still call it, even after the run and this
process have ended. Hot path."""

from __future__ import annotations

import os
import sys
import threading

from tcenv.portholder import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.portholder.client import Hold
    from tcenv.proxy.sockets import Sockets

_PR_SET_CHILD_SUBREAPER = 36


class RunPort:
    """The port of a proxy that serves the programs of one run (Linux)."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._held: Hold | None = sockets.held
        self._lock = threading.Lock()
        self._is_over = sys.platform != "linux"
        self._adopts = False

    def adopt_orphans(self) -> None:
        """Become the parent of the run's processes whose own parent ends, so that `end` finds them. Call it before
        starting the first process."""
        if self._is_over:
            return
        try:
            from ctypes import CDLL

            self._adopts = CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        except (ImportError, OSError, AttributeError):
            return

    def begin(self) -> None:
        """Let the holder keep the port if this process ends before `end`, while any process's environment has the
        proxy's address."""
        with self._lock:
            if not self._is_over:
                self._hold()

    def _hold(self) -> None:
        fields = {"kind": "run", "address": self._sockets.root_url}
        if self._held is None:
            self._held = client.hold(self._sockets.all, fields, as_child=True)
        else:
            self._held.tell(**fields)

    def end(self) -> None:
        """Let the holder keep the port if processes of the run are still alive. Otherwise return once only this process
        holds the port."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            processes = self._find_processes()
            # Once the proxy has stopped, its sockets are closed: then the holder has had them since `begin`.
            if processes and self._held is None:
                self._hold()
            if self._held is None:
                return
            if processes or not self._adopts:
                self._held.tell(processes=",".join(map(str, sorted(processes))))
                self._held.leave()
            else:
                self._held.release()

    def _find_processes(self) -> set[int]:
        """Return the live children of this process, without the holder."""
        holder = self._held.process if self._held is not None else None
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return set()
        return _list_children() - {holder}


class SessionPort:
    """The port of a proxy that any shell may use. The holder keeps it from the proxy's end to the end of the session
    that signed."""

    def __init__(self, sockets: Sockets, session_end: int) -> None:
        """Let the holder keep the port if this process ends. Raises nothing."""
        fields = {"kind": "proxy", "until": str(session_end)}
        self._session_end = session_end
        self._held = sockets.held
        if self._held is None:
            self._held = client.hold(sockets.all, fields)
        else:
            self._held.tell(**fields)

    def note(self, session_end: int | None) -> None:
        """Note the end of the session that signs now."""
        if self._held is not None and session_end is not None and session_end > self._session_end:
            self._session_end = session_end
            self._held.tell(until=str(session_end))

    def end(self) -> None:
        """Let the holder keep the port from now on."""
        if self._held is not None:
            self._held.leave()


def _list_children() -> set[int]:
    """Return the children of this process, including adopted ones."""
    own = str(os.getpid())
    found = set()
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name stands in parentheses and may hold any character.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if len(fields) > 1 and fields[1].decode() == own and fields[0] not in (b"Z", b"X"):
            found.add(int(name))
    return found
