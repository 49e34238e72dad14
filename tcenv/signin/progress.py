"""What a person sees while signing in takes its time: told by the flow, shown by whoever runs it."""

from __future__ import annotations

from tcenv.sessions.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Display(Protocol):
    """What a person sees while signing in takes its time."""

    def note(self, *parts: str | tuple[str, ...]) -> None:
        """Something worth knowing; it went on by itself."""

    def warn(self, *parts: str | tuple[str, ...]) -> None:
        """Something that must be looked at, said at once."""

    def queue(self) -> None:
        """Another tcenv is signing in to the same profile, and this one waits for its session."""

    def ask(self, url: str, opened: bool, pasting: bool, name: str) -> None:
        """The user is to approve at `url`: in the browser that was `opened`, or in one of their own."""

    def tick(self, left: float, next_name: str | None = None) -> None:
        """Called about once a second while waiting, with the seconds that are left, and the name that Enter asks for."""

    def wrong_paste(self) -> None:
        """What was pasted is not the address that is waited for."""

    def verify(self) -> None:
        """The browser has answered; the deployment is being asked."""

    def granted(self, session: Session) -> None:
        """A new session has been made, verified and stored."""

    def close(self) -> None:
        """The wait is over, whichever way."""
