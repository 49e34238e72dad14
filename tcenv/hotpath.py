"""Carry out `env`, `login` and `exec` for a stored session with time left. Imports almost nothing.

This module prints exactly the bytes that the full command line would print. It leaves anything unusual to the full
command line: an unknown option or variable, a stale index, a damaged or missing session, or an error of any kind."""

from __future__ import annotations

import os

from tcenv import output
from tcenv.config import index, live_session
from tcenv.config.index import HandOver
from tcenv.sessions import session_file
from tcenv.shells import environment, load_shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tcenv.errors import Announce
    from tcenv.sessions.session_file import Parts

# The options of each command on the hot path.
_LOGIN = ("--shell",)
_EXEC = ("--scope", "--for", "--as")
_ENV = (*_LOGIN, *_EXEC)
# Options of a run with a proxy that need no check before the command starts.
_PROXY_FLAGS = ("--proxy", "--read-only", "--unsigned", "--allow-credentials")


class _Options:
    """The profile and the options that a command line gives."""

    __slots__ = ("profile", "purpose", "scopes", "shell", "term")

    def __init__(self) -> None:
        self.profile: str | None = None
        self.shell: str | None = None
        self.scopes: list[str] = []
        self.term: str | None = None
        self.purpose: str | None = None


def run(arguments: list[str], report_reuse: Callable[[Mapping[str, str]], None], announce: Announce) -> int | None:
    """Carry out `arguments` if the hot path supports them, and return the exit status. Returns None if the full command
    line must decide; nothing was printed or changed then. On a terminal, `report_reuse` gets the fields of the session
    that a login reuses, and tells the user."""
    try:
        command = arguments[0]
        if command == "exec":
            return _run_exec(arguments[1:], announce)
        options = _parse(arguments[1:], _LOGIN if command == "login" else _ENV)
        if command == "login" and os.isatty(1):
            return None
        found, file = live_session.find(options.profile, for_signing_in=command == "login")
        fields, change = _narrow(found, file, options)
        output.write_last(render_statements(change, options.shell))
    except Exception:  # the full command line explains any failure
        return None
    if command == "login" and os.isatty(2):
        report_reuse(fields)
    return 0


def _parse(arguments: list[str], takes: Collection[str]) -> _Options:
    options = _Options()
    rest = iter(arguments)
    for argument in rest:
        if argument.startswith("-"):
            name, equals, value = argument.partition("=")
            if not equals:
                value = next(rest, "")
            if name not in takes or not value or (not equals and value.startswith("-")):
                raise HandOver
            if name == "--shell":
                options.shell = value
            elif name == "--scope":
                options.scopes.append(value)
            elif name == "--for":
                options.term = value
            else:
                options.purpose = value
        elif options.profile is not None:
            raise HandOver
        else:
            options.profile = argument
    return options


def _narrow(found: Parts, file: str, options: _Options) -> tuple[Mapping[str, str], dict[str, str | None]]:
    """Return the fields to load, and the change that loads them. They are those of the session in `file`, or of
    temporary credentials that are made from it."""
    if not (options.scopes or options.term or options.purpose):
        return found[0], environment.make_loading(found[0], os.environ, file=file)
    scopes, term = options.scopes, options.term
    if options.purpose:
        known = index.read()
        purpose = known and known.find_purpose(found[0]["TCENV_PROFILE"], options.purpose)
        if not purpose or scopes:
            raise HandOver
        scopes, term = purpose[0], term or purpose[1]
    from tcenv.sessions.temporary import mint_from_parts

    fields = mint_from_parts(*found, scopes, term, _hand_over)
    return fields, environment.make_loading(fields, os.environ)


def _hand_over(text: str) -> None:
    """Raise HandOver, so that the full command line prints the message."""
    raise HandOver


def render_statements(change: Mapping[str, str | None], shell: str | None) -> bytes:
    """Return the statements that make `change` in `shell` (None: the one that runs tcenv). Raises HandOver if stdout is
    a terminal or if others can read it, and UsageError."""
    if os.isatty(1) or output.is_readable_by_others():
        raise HandOver  # never show a token on a terminal or in a file that others can read
    name = shell or os.environ.get("TCENV_SHELL")
    if not name:
        from tcenv.shells.detect import detect_shell

        name = detect_shell()
    return load_shell(name).export(change).encode()


def _run_exec(arguments: list[str], announce: Announce) -> int | None:
    if "--" not in arguments:
        return None
    cut = arguments.index("--")
    before, command = arguments[:cut], arguments[cut + 1 :]
    flags = {word for word in before if word in _PROXY_FLAGS}
    if not command or (flags and "--proxy" not in flags):
        return None
    options = _parse([word for word in before if word not in _PROXY_FLAGS], () if flags else _EXEC)
    found, file = live_session.find(options.profile, for_signing_in=True)
    if flags and session_file.ITEM in found[0]:
        raise HandOver
    if flags:
        from tcenv.proxy.start import run_command

        run_command(
            found[0],
            command,
            announce,
            unsigned="--unsigned" in flags,
            read_only="--read-only" in flags,
            allow_credentials="--allow-credentials" in flags,
        )
    _, change = _narrow(found, file, options)
    from tcenv.shells.process import replace_process

    environ: Mapping[str, str] = os.environ
    if change[environment.CERTIFICATE] is not None:
        from tcenv.shells.secrets_in_environment import drop_whole_token

        environ = drop_whole_token(change, environ, found[0][environment.ACCESS_TOKEN])
    replace_process(command, environment.apply(change, environ))
