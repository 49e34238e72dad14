"""What the page in the browser says in the end: the facts of the session, or in one human sentence why there is none."""

from __future__ import annotations

import time

from tcenv.config.profile import Profile
from tcenv.deployment.scopes import describe_narrowing, find_missing
from tcenv.errors import CredentialsRejected, Hint, TcenvError, login_command
from tcenv.sessions.session import Session
from tcenv.signin.pages import Outcome
from tcenv.text import duration


def success(session: Session) -> Outcome:
    """The page of a session that is good."""
    until = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(session.expires))
    facts = [
        ("Client", session.credentials.client_id),
        ("Deployment", session.root_url.partition("://")[2]),
        ("Good until", f"{until} ({duration(session.expires - time.time())})"),
    ]
    missing: list[str] = []
    if session.scopes is not None:
        facts.append(("Scopes", f"{len(session.scopes)} held"))
        dropped, partly = find_missing(session.wanted, session.scopes)
        missing = [*dropped, *(describe_narrowing(scope, session.scopes) for scope in partly)]
    return Outcome(
        True, "You are signed in", ("The deployment has confirmed it.",), tuple(facts), missing=tuple(missing)
    )


def failure(profile: Profile, error: Exception) -> Outcome:
    """The page of a sign-in that came to nothing."""
    again = f"Go back to the terminal and run {Hint(login_command(profile.argument))} again."
    if isinstance(error, CredentialsRejected) and error.reason == "clock":
        line = "The clocks of this machine and of the deployment do not agree, so it refuses the new credentials."
        again = f"Set the clock, then g{again[1:]}"
    elif isinstance(error, CredentialsRejected):
        line = "The deployment refused these credentials."
    elif isinstance(error, TcenvError):
        line = error.message
    else:
        line = "Something went wrong inside tcenv; the terminal says what."
    return Outcome(
        False, "That did not work", (f"{line} {again}",), (("Deployment", profile.root_url.partition("://")[2]),)
    )


def ended(root_url: str, argument: str, client_id: str, what: str, *, deleted: bool) -> Outcome:
    """Return the page of an approval that came after its sign-in had ended. `what` says what became of the client."""
    from tcenv.signin.client_names import client_page

    lines = [
        "The command that asked for it has ended, so nothing has the token of this client.",
        what,
        f"To sign in, run {Hint(login_command(argument))}.",
    ]
    if not deleted:
        lines.append("To delete the client yourself, go to its page:")
    return Outcome(
        False,
        "This sign-in has ended",
        tuple(lines),
        (("Client", client_id), ("Deployment", root_url.partition("://")[2])),
        link="" if deleted else client_page(root_url, client_id),
        in_terminal=False,
    )
