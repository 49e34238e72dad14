"""`tcenv shell`."""

from __future__ import annotations

import os
from typing import Any

from tcenv.cli.acquire import BEHIND_A_PROXY, session_and_change
from tcenv.cli.terminal import messages
from tcenv.config import profile as profiles
from tcenv.config.inside_proxy import behind
from tcenv.errors import Hint, TcenvError, UsageError, login_command
from tcenv.sessions.session import Session
from tcenv.sessions.stores import open_store
from tcenv.shells import environment, load_shell, subshell
from tcenv.shells.detect import choose_shell


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Run a subshell with the session loaded; its status."""
    options = dict(options)
    shell = load_shell(choose_shell(options.pop("shell", None)))
    subshell.find_program(shell)
    _refuse_nesting(argument, options)
    if any(options.get(key) for key in BEHIND_A_PROXY):
        from tcenv.cli.commands import proxy

        return proxy.subshell(argument, options, shell)
    session, change = session_and_change(argument, options)
    status = subshell.run_subshell(shell, change, session.profile)
    _note_on_leaving(session, cut=change.get(environment.CERTIFICATE) is not None)
    return status


def _refuse_nesting(argument: str | None, options: dict[str, Any]) -> None:
    here = os.environ.get(subshell.MARK)
    around = behind()
    loaded = around.profile if around is not None else os.environ.get(environment.PROFILE)
    if not here or options.get("scopes") or here != loaded:
        return
    wanted = {key: options[key] for key in ("root_url",) if key in options}
    if profiles.resolve(argument, wanted).name == here:
        raise UsageError(
            f"This is a subshell of tcenv with the session of {here} already.",
            Hint(
                "Leave it: exit. To renew its token:",
                login_command(profiles.resolve(argument, wanted).argument, "--reset"),
            ),
        )


def _note_on_leaving(session: Session, *, cut: bool) -> None:
    """What happened to the session while the subshell had it."""
    if not session.is_live():
        messages.note(f"The session of {session.profile} has expired meanwhile.")
        return
    if cut:
        return
    try:
        now = open_store(profiles.store_name()).load(session.profile)
    except TcenvError:
        return
    if now is not None and now.credentials.access_token != session.credentials.access_token:
        messages.note(f"The token of {session.profile} was reset meanwhile: what the subshell had is no longer good.")
