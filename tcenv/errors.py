"""The ways in which tcenv fails, each with the sentence that the user reads, a hint of the next step, and the exit status
(see docs/configuration.md). No message may ever hold a token."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # Prints a sentence for the user, and the hint if there is one.
    Announce = Callable[[str, "Hint | None"], None]


class Hint:
    """The next step: prose, and commands as tuples of words, in the order in which they are shown.

    The words are not quoted. The terminal quotes them for the user's shell, and `str` for POSIX shells."""

    __slots__ = ("parts",)

    def __init__(self, *parts: str | tuple[str, ...]) -> None:
        self.parts = parts

    def render(self, show_command: Callable[[tuple[str, ...]], str]) -> str:
        """Return the hint as text, with each command as `show_command` writes it."""
        text = ""
        for part in self.parts:
            glued = not text or part[:1] in (",", ".", ";")
            shown = part if isinstance(part, str) else show_command(part)
            text += shown if glued else f" {shown}"
        return text

    def __str__(self) -> str:
        import shlex

        return self.render(shlex.join)

    def __repr__(self) -> str:
        return f"Hint{self.parts!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hint) and other.parts == self.parts

    def __hash__(self) -> int:
        return hash(self.parts)


def make_login_command(argument: str, *more: str) -> tuple[str, ...]:
    """Return the words of `tcenv login` for the profile that `argument` names (see `get_argument`)."""
    return ("tcenv", "login", *argument.split(), *more)


class TcenvError(Exception):
    """Something went wrong. `message` is one sentence for the user, and `hint` the next step (a text is a hint
    without a command)."""

    exit_code = 1

    def __init__(self, message: str, hint: str | Hint | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = Hint(hint) if isinstance(hint, str) else hint


class UsageError(TcenvError):
    """The command line, a variable or the configuration is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration file is wrong; the message names file, line and key."""


class NotSignedIn(TcenvError):
    """There is no session, or it has expired, or the deployment no longer accepts it."""

    exit_code = 3


class DamagedSession(TcenvError):
    """A stored session is half-written, foreign or altered; it is treated as absent."""


class StoreError(TcenvError):
    """The session store cannot be used safely (wrong owner, mode, a symbolic link) or at all."""


class DeploymentError(TcenvError):
    """The deployment cannot be reached or answered with an error."""


class UnknownAuthority(DeploymentError):
    """The deployment's certificate comes from an authority that this Python does not know. A browser may know it."""


class Refused(DeploymentError):
    """The deployment has answered that it does not do what was asked, and has not done it."""


class CredentialsRejected(DeploymentError):
    """The deployment says that these credentials are not good (HTTP 401).

    `reason` is one of `expired`, `disabled`, `deleted`, `bad-token`, `clock`, `other`."""

    exit_code = 3

    def __init__(self, message: str, hint: str | Hint | None = None, *, reason: str = "other") -> None:
        super().__init__(message, hint)
        self.reason = reason


class TimedOut(TcenvError):
    """Nobody approved in the browser in time."""

    exit_code = 124


class Interrupted(TcenvError):
    """The user pressed Ctrl-C, or the terminal went away."""

    exit_code = 130
