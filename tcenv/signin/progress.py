"""Declare what a sign-in tells the person. The command line shows it."""

from __future__ import annotations

from typing import Protocol

from tcenv.sessions.session import Session


class Progress(Protocol):
    """Shows how a sign-in goes on."""

    def note(self, *parts: str | tuple[str, ...]) -> None:
        """Show something worth knowing."""

    def note_once(self, topic: str, *parts: str | tuple[str, ...]) -> None:
        """Show something about `topic`, once for each profile."""

    def warn(self, *parts: str | tuple[str, ...]) -> None:
        """Show something that needs attention, at once."""

    def show_queued(self) -> None:
        """Say that another process signs in to the same profile, and that this one waits for its session."""

    def show_request(self, url: str, opened: bool, pasting: bool, enter: bool, name: str) -> None:
        """Ask for an approval at `url`, in the browser that was `opened` or in one that the person opens. `pasting` says whether
        the person can paste an address, `enter` whether Enter asks for the next name."""

    def show_time_left(self, left: float, next_name: str | None = None) -> None:
        """Show the seconds that are left and the name that Enter asks for. Called about once a second."""

    def warn_of_wrong_paste(self) -> None:
        """Say that a pasted text is not the address of this sign-in."""

    def note_unused_lines(self, lines: list[str], hidden: int) -> None:
        """List the `lines` that the person typed during the wait, and count the `hidden` ones, which may hold a token. None of
        them was run."""

    def show_verifying(self) -> None:
        """Say that the browser has answered, and that tcenv asks the deployment."""

    def hide(self) -> None:
        """Erase the moving lines until the next `show_time_left`."""

    def show_granted(self, session: Session, *, is_reset: bool = False) -> None:
        """Say that a new session is verified and stored. `is_reset` says that its client existed before."""

    def close(self) -> None:
        """Erase the moving lines."""
