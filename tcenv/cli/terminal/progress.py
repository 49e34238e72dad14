"""What a person sees on stderr while signing in takes its time: the URL, the time that is left, what to do if the page
objects. rich is imported after the browser has been started."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv import paths
from tcenv.cli.terminal import messages
from tcenv.deployment.scopes import describe_narrowing, find_missing
from tcenv.errors import TcenvError
from tcenv.files import write_privately
from tcenv.text import duration, moment, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rich.text import Text

    from tcenv.config.profile import Profile
    from tcenv.sessions.session import Session


# Where one of these is set, a browser that has been started may be another machine's.
_ELSEWHERE = ("SSH_CONNECTION", "REMOTE_CONTAINERS", "VSCODE_IPC_HOOK_CLI")


class Waiting:
    """The `Display` of the sign-in flow for a terminal, or for a log when stderr is none."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._live: Any = None
        self._notes: list[tuple[str | tuple[str, ...], ...]] = []
        #: Whether a new session has come meanwhile.
        self.is_new = False

    def note(self, *parts: str | tuple[str, ...]) -> None:
        # Until the browser is on its way, nothing is worth the time that importing rich takes.
        self._notes.append(parts)

    def warn(self, *parts: str | tuple[str, ...]) -> None:
        self._said(lambda: messages.warn(*parts))

    def _said(self, say: Callable[[], None]) -> None:
        """Say something in mid-wait: above the line that moves."""
        if self._live is None:
            self._flush()
            say()
            return
        self._live.stop()
        say()
        self._live.start()

    def queue(self) -> None:
        messages.note(f"Another tcenv is signing in to {self._profile.name}; waiting for its session.")

    def ask(self, url: str, opened: bool, pasting: bool, name: str) -> None:
        from rich.text import Text

        console = messages.console()
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._flush()
        link = Text(url, style=f"link {url}" if console.is_terminal else "")
        if opened:
            messages.note(f"Approve “{name}” in the browser that has opened. If none did, open:")
        else:
            messages.note(f"Open this in a browser, and approve “{name}” there:")
        console.print(Text("  ").append(link), soft_wrap=True)
        if pasting and (not opened or any(os.environ.get(name) for name in _ELSEWHERE)):
            messages.note("If that browser is on another machine, paste here the address of the page that it ends on:")
        if console.is_terminal:
            from rich.live import Live

            self._live = Live("", console=console, auto_refresh=False, transient=True)
            self._live.start()
        self._prepare()

    def _prepare(self) -> None:
        """Import what verifying and the end need while the person is busy in the browser."""

        def load() -> None:
            import tcenv.deployment.client
            import tcenv.signin.verify  # noqa: F401

        threading.Thread(target=load, daemon=True).start()

    def tick(self, left: float, next_name: str | None = None) -> None:
        if self._live is None:
            return
        lines = [f"waiting for the browser · {duration(left)} left · Ctrl-C to give up"]
        if self._profile.flow != "new":
            way = (
                f"Press Enter to ask for {next_name}" if next_name else "Change the Client ID on that page: any will do"
            )
            lines.append(f"“Client already exists”? {way}.")
        self._live.update(self._lines(lines), refresh=True)

    def _lines(self, lines: list[str]) -> Text:
        from rich.text import Text

        face = messages.face()
        whole = "\n".join(wrapped(line, (face.width or 80) - 1, "  ", "  ") for line in lines)
        return Text(whole, style="dim" if face.colour else "")

    def wrong_paste(self) -> None:
        self.warn("That is not the address; it begins with http://localhost: and has both clientId and accessToken.")

    def verify(self) -> None:
        if self._live is not None:
            self._live.update(self._lines(["asking the deployment …"]), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._flush()

    def _flush(self) -> None:
        notes, self._notes = self._notes, []
        for parts in notes:
            messages.note(*parts)

    def granted(self, session: Session) -> None:
        """Show that there is a new session."""
        self.close()
        self.is_new = True
        left = duration(session.expires - time.time())
        messages.done(f"Signed in as {session.credentials.client_id} until {moment(session.expires)} ({left}).")
        if session.scopes is not None:
            dropped, partly = find_missing(session.wanted, session.scopes)
            if dropped:
                messages.warn(f"Not granted: {', '.join(dropped)}. You do not hold them on {session.root_url}.")
            if partly:
                told = "; ".join(describe_narrowing(scope, session.scopes) for scope in partly)
                messages.note(f"Granted in part: {told}.")
        if session.wanted == ("*",) and self._first_time():
            messages.hint("This session can do all that you can. To narrow it: --scope, or scopes in a profile.")

    def _first_time(self) -> bool:
        """Whether this profile's user has not been told yet."""
        place = os.path.join(paths.state_directory(), "told", f"wide-{self._profile.name}")
        if os.path.exists(place):
            return False
        with suppress(OSError, TcenvError):
            write_privately(place, b"")
        return True

    def explain(self, session: Session, line: str) -> None:
        """Stdout is a terminal: nothing secret goes there, so say what there is and how to load it."""
        self._flush()
        if not self.is_new:
            messages.signed_in(session.profile, session.root_url, session.credentials.client_id, session.expires)
        messages.hint(line)
        sys.stderr.flush()
