"""Carry out `tcenv env`: print the statements that load the stored session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from tcenv.cli.acquire import SessionOptions, apply_purpose, find_live_session
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.command_line import list_option_words, render_command_line
from tcenv.cli.terminal.shell_output import print_change, render_statements, warn_if_others_can_read
from tcenv.config import profile as profiles
from tcenv.config.profile import Overrides
from tcenv.errors import UsageError
from tcenv.output import write_last
from tcenv.sessions import temporary
from tcenv.sessions.stores import open_store
from tcenv.shells import formats

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


class Options(NamedTuple):
    """Print the statements that load the stored session. Never opens a browser; exits with 3 if there is no session.

    Examples:
        eval "$(tcenv env)"
        tcenv env --format json | jq -r .TASKCLUSTER_CLIENT_ID
    """

    profile: o.ProfileArgument = None
    shell: o.Shell = None
    format: o.Format = None
    scopes: o.CutScopes = ()
    purpose: o.As = None
    duration: o.For = None


def run(options: Options) -> int:
    """Print what loads the stored session: in the words of a shell, or in another format."""
    shell, form = options.shell, options.format
    if form is not None and form not in formats.FORMATS:
        raise UsageError(f"{form!r} is not a format.", f"Accepted: {', '.join(formats.FORMATS)}.")
    if form is not None and shell is not None:
        raise UsageError("Use either --format or --shell.")
    if os.isatty(1):
        words = ["tcenv", "env", *([options.profile] if options.profile else [])]
        words += list_option_words(options, ("scopes", "purpose", "duration"))
        raise UsageError(
            "The output contains a token, so tcenv does not print it to a terminal.",
            f"Evaluate it: {render_command_line(words, shell)}" if form is None else "Send it to a file or a program.",
        )
    if form is None:
        render_statements({}, shell)
    session = find_live_session(options.profile, stored=True)
    choice = apply_purpose(
        SessionOptions(options.profile, Overrides(), options.scopes, options.duration, options.purpose)
    )
    scopes, term = choice.scopes, choice.duration
    if scopes or term:
        change = temporary.make_loading(session, scopes, term, messages.note)
    else:
        change = session.make_loading(file=open_store(profiles.read_store_name()).get_path(session.profile))
    if form is None:
        print_change(change, shell)
    else:
        warn_if_others_can_read(change)
        write_last(formats.render(change, form).encode())
        if form == "github":
            formats.append_to_workflow(change)
    return 0
