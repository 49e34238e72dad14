"""What a sign-in tells the person: the command that runs it implements this protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcenv.sessions.session import Session

if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Display(Protocol):
    """Shows the progress of a sign-in."""

    def note(self, *parts: str | tuple[str, ...]) -> None:
        """Show something worth knowing."""

    def note_once(self, topic: str, *parts: str | tuple[str, ...]) -> None:
        """Show something about `topic` that one reading of is enough for each profile."""

    def warn(self, *parts: str | tuple[str, ...]) -> None:
        """Show something that needs attention, at once."""

    def queue(self) -> None:
        """Say that another process signs in to the same profile, and that this one waits for its session."""

    def ask(self, url: str, opened: bool, pasting: bool, enter: bool, name: str) -> None:
        """Ask for an approval at `url`, in the browser that was `opened` or in one that the person opens. `pasting` says whether
        an address can be pasted, `enter` whether Enter asks for the next name."""

    def tick(self, left: float, next_name: str | None = None) -> None:
        """Show the seconds that are left and the name that Enter asks for. Called about once a second."""

    def tell_wrong_paste(self) -> None:
        """Say that a pasted text is not the address of this sign-in."""

    def tell_unused(self, lines: list[str], hidden: int) -> None:
        """Name the `lines` that were typed during the wait and not run, and count the `hidden` ones, which may hold a token."""

    def verify(self) -> None:
        """Say that the browser has answered and that the deployment is asked."""

    def pause(self) -> None:
        """Take off the screen what moves, until the next tick."""

    def show_granted(self, session: Session, *, is_reset: bool = False) -> None:
        """Say that a new session is verified and stored. `is_reset` says that its client was there before."""

    def close(self) -> None:
        """Take everything off the screen that moves."""
