"""`tcenv env`."""

from __future__ import annotations

from tcenv.cli.acquire import live_session, with_purpose
from tcenv.cli.terminal.shell_output import command_line, print_change, statements, stdout_is_terminal
from tcenv.config import profile as profiles
from tcenv.errors import UsageError
from tcenv.output import write_last
from tcenv.sessions import temporary
from tcenv.sessions.stores import in_files, open_store
from tcenv.shells import formats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Print what loads the stored session: in the words of a shell, or in another format."""
    shell, form = options.get("shell"), options.get("format")
    purpose = options.get("purpose")
    if form is not None and form not in formats.FORMATS:
        raise UsageError(f"{form!r} is not a format.", f"Accepted: {', '.join(formats.FORMATS)}.")
    if form is not None and shell is not None:
        raise UsageError("--format and --shell exclude each other.")
    if stdout_is_terminal():
        raise UsageError(
            "The output holds a token, and is not for a terminal.",
            f"Evaluate it: {command_line(_as_typed(argument, options), shell)}"
            if form is None
            else "Send it to a file or a program.",
        )
    if form is None:
        statements({}, shell)
    session = live_session(argument, stored=True)
    if purpose:
        options, _ = with_purpose(argument, options)
    scopes, term = options.get("scopes", []), options.get("duration")
    if scopes or term:
        change = temporary.loading(session, tuple(scopes), term)
    else:
        change = session.variables(kept=in_files(open_store(profiles.store_name())))
    if form is None:
        print_change(change, shell)
    else:
        write_last(formats.render(change, form).encode())
        if form == "github":
            formats.append_to_workflow(change)
    return 0


def _as_typed(argument: str | None, options: dict[str, Any]) -> list[str]:
    """This command in the words that it was given, besides the shell's."""
    words = ["tcenv", "env", *([argument] if argument else [])]
    for scope in options.get("scopes", ()):
        words += ["--scope", scope]
    for option, key in (("--as", "purpose"), ("--for", "duration")):
        words += [option, options[key]] if key in options else []
    return words
