"""Show a person on stderr how a sign-in goes on: the URL, the time that is left, and what to do if the page objects.
Imports rich after the browser has started."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from tcenv import paths, verbosity
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.moving_lines import MovingLines
from tcenv.deployment.scopes import describe_narrowing, find_missing
from tcenv.files import is_first_time
from tcenv.text import format_duration, format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcenv.config.profile import Profile
    from tcenv.sessions.session import Session


# With one of these variables, the browser may be on another machine.
_ELSEWHERE = ("SSH_CONNECTION", "REMOTE_CONTAINERS", "VSCODE_IPC_HOOK_CLI")


class SignInProgress:
    """The `Progress` of the sign-in flow for a terminal, or for a log if stderr is no terminal."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._moving: MovingLines | None = None
        self._enter = False
        self._notes: list[tuple[str | tuple[str, ...], ...]] = []
        #: Whether a new session has come meanwhile.
        self.is_new = False

    def note(self, *parts: str | tuple[str, ...]) -> None:
        # Keep it until the browser has started: importing rich would delay the browser.
        self._notes.append(parts)

    def note_once(self, topic: str, *parts: str | tuple[str, ...]) -> None:
        if self._is_first_time(topic):
            self.note(*parts)

    def warn(self, *parts: str | tuple[str, ...]) -> None:
        self._print_above(lambda: messages.warn(*parts))

    def _print_above(self, say: Callable[[], None]) -> None:
        """Say something during the wait, above the moving lines."""
        if self._moving is None:
            self._flush()
            say()
            return
        self._moving.erase()
        say()
        self._moving.repeat()

    def show_queued(self) -> None:
        messages.note(f"Another tcenv is signing in to {self._profile.name}; waiting for its session.")

    def show_request(self, url: str, opened: bool, pasting: bool, enter: bool, name: str) -> None:
        notes, self._notes = self._notes, []
        self.close()
        self._enter = enter
        is_here = opened and not any(os.environ.get(name) for name in _ELSEWHERE)
        if opened:
            messages.note(f"Approve “{name}” in the browser that has opened. If none has, open this address:")
        else:
            messages.note(f"To approve “{name}”, open this address in a browser:")
        if not (opened and verbosity.is_quiet):
            self._print_address(url, is_here)
        if pasting and not is_here:
            messages.note("If the browser is on another machine, paste the address of its last page here:")
        self._notes = notes
        self._flush()
        console = messages.get_console()
        if console.is_terminal and not console.is_dumb_terminal and not verbosity.is_quiet:
            stderr = messages.get_stderr()
            self._moving = MovingLines(stderr)
            verbosity.write = lambda text: self._print_above(
                lambda: stderr.write(stderr.style(f"tcenv: {text}", "dim"))
            )
        self._prepare()

    def _print_address(self, url: str, is_here: bool) -> None:
        """Print the address of the sign-in page. Shortens it if it is a link and this machine's browser has it anyway;
        prints it whole if the user has to copy it."""
        from rich.text import Text

        console = messages.get_console()
        label = url.partition("?")[0] if is_here and messages.get_stderr().has_links else url
        link = Text(label, style=f"link {url}" if console.is_terminal else "")
        console.print(Text("  ").append(link), soft_wrap=True)

    def _prepare(self) -> None:
        """Import the modules for the end of the sign-in while the person is busy in the browser."""

        def load() -> None:
            import tcenv.deployment.client
            import tcenv.signin.verify  # noqa: F401

        threading.Thread(target=load, daemon=True).start()

    def show_time_left(self, left: float, next_name: str | None = None) -> None:
        if self._moving is None:
            return
        lines = [f"Waiting for the browser · {format_duration(left)} left", "Ctrl-C to give up"]
        if self._profile.flow != "new":
            way = "Change the Client ID on that page to any other name"
            if next_name and self._enter:
                way = f"Press Enter to ask for {next_name}"
            lines += ["“Client already exists”?", f"{way}."]
        self._moving.show(lines)

    def warn_of_wrong_paste(self) -> None:
        self.warn("That is not the address. It begins with http://localhost: and contains clientId and accessToken.")

    def note_unused_lines(self, lines: list[str], hidden: int) -> None:
        if lines:
            self.note(f"You typed this while tcenv waited, and it was not run: {'; '.join(lines)}")
        elif hidden:
            self.note(
                "You typed something while tcenv waited. It was not run, and it is not shown because it may contain a token."
            )

    def show_verifying(self) -> None:
        if self._moving is not None:
            self._moving.show(["Asking the deployment …"])

    def hide(self) -> None:
        if self._moving is not None:
            self._moving.erase()

    def close(self) -> None:
        self.hide()
        self._moving = None
        self._flush()

    def _flush(self) -> None:
        notes, self._notes = self._notes, []
        for parts in notes:
            messages.note(*parts)

    def show_granted(self, session: Session, *, is_reset: bool = False) -> None:
        """Show that there is a new session. `is_reset` says that its client has it from a reset."""
        self.close()
        self.is_new = True
        left = format_duration(session.expires - time.time())
        client_id, until = session.credentials.client_id, f"until {format_time(session.expires)} ({left})"
        messages.confirm(f"New token for {client_id}, {until}." if is_reset else f"Signed in as {client_id} {until}.")
        if session.scopes is not None:
            dropped, partly = find_missing(session.requested_scopes, session.scopes)
            if dropped:
                it = "it" if len(dropped) == 1 else "them"
                messages.warn(f"Not granted: {', '.join(dropped)}. You do not hold {it} on {session.root_url}.")
            if partly:
                parts = "; ".join(describe_narrowing(scope, session.scopes) for scope in partly)
                messages.note(f"Granted in part: {parts}.")
        if session.requested_scopes == ("*",) and self._is_first_time("wide"):
            messages.hint("This session has all your scopes. To narrow it, use --scope or set scopes in a profile.")

    def _is_first_time(self, topic: str) -> bool:
        """Return whether the user of this profile has not read about `topic` yet, and remember that they have now."""
        return is_first_time(os.path.join(paths.state_directory(), "told", f"{topic}-{self._profile.name}"))
