"""The hot path: `env`, `login` and `exec` for a stored session with time left, importing next to nothing.

It must print to the byte what the full command line would, and hands over to that on anything unusual: an option or a
variable that it does not know, a stale index, a damaged or missing session, an error of any kind."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import time

from tcenv import paths
from tcenv.config import index
from tcenv.config.index import HandOver
from tcenv.sessions import session_file as sessionfile
from tcenv.sessions.profile_names import is_profile_name, profile_of
from tcenv.shells import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    # The parts of a session's file, see `session_file.decode`.
    _Found = tuple[dict[str, str], list[str] | None, list[str]]

# The options of each command that are of the hot path, by what they are called here.
_LOGIN = {"--shell": "shell"}
_EXEC = {"--scope": "scopes", "--for": "term", "--as": "purpose"}
_ENV = {**_LOGIN, **_EXEC}
# Of the options behind a proxy, those that need nothing looked at before the command starts.
_BEHIND_A_PROXY = {
    "--proxy": "proxy",
    "--read-only": "read_only",
    "--unsigned": "unsigned",
    "--allow-credentials": "allow_credentials",
}
# Variables with which the stored session may not be the one that is meant: the full command line decides.
_DECIDING = ("TCENV_ROOT_URL", "TCENV_PROXY")
_DECIDING_TO_SIGN_IN = (*_DECIDING, "TCENV_NAME", "TCENV_SCOPE", "TCENV_RESET")


def run(arguments: list[str]) -> int | None:
    """Carry out `arguments` if they are of the hot path; None hands them over to the full command line, with nothing
    printed and nothing changed."""
    try:
        command = arguments[0]
        if command == "exec":
            return _exec(arguments[1:])
        profile, options = _parse(arguments[1:], _LOGIN if command == "login" else _ENV)
        if command == "login" and os.isatty(1):
            return None
        fields = _narrowed(_live_session(profile, for_signing_in=command == "login"), options)
        _print_statements(fields, options.get("shell"))
    except Exception:  # whatever it is, the full command line says it better
        return None
    if command == "login" and os.isatty(2):
        from tcenv.cli.terminal import messages

        root_url, client_id = fields["TASKCLUSTER_ROOT_URL"], fields["TASKCLUSTER_CLIENT_ID"]
        messages.signed_in(fields["TCENV_PROFILE"], root_url, client_id, int(fields["TCENV_EXPIRES"]))
    return 0


def stored(argument: str | None) -> tuple[dict[str, str], list[str] | None, str] | None:
    """The fields and the scopes (see `session_file.decode`) of the live session that is meant, and the name of the store that
    has it; None where the full command line has to find out."""
    try:
        fields, scopes, _ = _live_session(argument, for_signing_in=False)
        known = index.read()
    except Exception:
        return None
    named = os.environ.get("TCENV_STORE") or (known and known.store)
    return fields, scopes, "file" if named == "file" else "runtime"


def _parse(arguments: list[str], takes: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    profile = None
    options: dict[str, Any] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument.startswith("-"):
            name, equals, value = argument.partition("=")
            if not equals:
                value = next(rest, "")
            if name not in takes or not value or (not equals and value.startswith("-")):
                raise HandOver
            key = takes[name]
            if key == "scopes":
                options.setdefault(key, []).append(value)
            else:
                options[key] = value
        elif profile is not None:
            raise HandOver
        else:
            profile = argument
    return profile, options


def _narrowed(found: _Found, options: Mapping[str, Any]) -> Mapping[str, str]:
    """What is to be loaded of a session: it itself, or temporary credentials cut from it."""
    if not options.keys() & {"scopes", "term", "purpose"}:
        return found[0]
    scopes, term = options.get("scopes", ()), options.get("term")
    if "purpose" in options:
        known = index.read()
        purpose = known and known.purpose(found[0]["TCENV_PROFILE"], options["purpose"])
        if not purpose or scopes:
            raise HandOver
        scopes, term = purpose[0], term or purpose[1]
    from tcenv.sessions.temporary import cut

    return cut(*found, scopes, term)


def _live_session(argument: str | None, *, for_signing_in: bool) -> _Found:
    environ = os.environ
    if any(variable in environ for variable in (_DECIDING_TO_SIGN_IN if for_signing_in else _DECIDING)):
        raise HandOver
    known = index.read()
    store = environ.get("TCENV_STORE") or (known and known.store) or "auto"
    directory = _directory(store)
    if directory is None:
        raise HandOver
    here = environ.get("TASKCLUSTER_ROOT_URL")
    profile = root_url = None
    if argument and "://" in argument:
        here = argument
    else:
        profile = argument or environment.loaded_profile(environ)
    if profile is None:
        if here:
            root_url = here
            profile = (known and known.profile_of(here)) or profile_of(here)
        else:
            profile = (known and known.default) or ""
    elif argument is None and "TCENV_LOADED" not in environ:
        raise HandOver  # a version that did not note what it loaded
    if not is_profile_name(profile) or "@" in profile:
        raise HandOver
    found = sessionfile.read(directory, profile)
    if found is None:
        raise HandOver
    fields = found[0]
    held = fields["TASKCLUSTER_ROOT_URL"]
    configured = known and known.root_url(profile)
    if (profile_of(held) != profile) if configured is None else (configured != held):
        raise HandOver
    # Root URLs are compared as they are; another spelling of the same one is for the full command line.
    if root_url not in (None, held) or "STATE" in fields:
        raise HandOver
    if time.time() >= int(fields["RENEW" if for_signing_in else "TCENV_EXPIRES"]):
        raise HandOver
    return found


def _directory(store: str) -> str | None:
    if store == "file":
        return paths.file_store_directory()
    return paths.runtime_directory() if store in ("auto", "runtime") else None


def _print_statements(fields: Mapping[str, str], shell: str | None) -> None:
    from tcenv.shells import dialect

    if os.isatty(1):
        raise HandOver  # a token is not for eyes
    name = shell or os.environ.get("TCENV_SHELL")
    if not name:
        from tcenv.shells.detect import detect_shell

        name = detect_shell()
    text = dialect(name).statements(environment.loading(fields, os.environ))
    write_last(text.encode())


def write_last(data: bytes) -> None:
    """The same as `write_out`, as the last thing that the process does: no signal comes between what is printed and its
    end, since the shell would have been given statements that load a session, and then one that fails."""
    if hasattr(_signal, "pthread_sigmask"):
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        write_out(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        from tcenv.output import unwritable

        raise unwritable(error) from None


def write_out(data: bytes) -> None:
    """All of `data` to standard output, past Python's buffers."""
    while data:
        data = data[os.write(1, data) :]


def _exec(arguments: list[str]) -> int | None:
    if "--" not in arguments:
        return None
    cut = arguments.index("--")
    before, command = arguments[:cut], arguments[cut + 1 :]
    flags = {_BEHIND_A_PROXY[word] for word in before if word in _BEHIND_A_PROXY}
    if not command or (flags and "proxy" not in flags):
        return None
    profile, options = _parse([word for word in before if word not in _BEHIND_A_PROXY], {} if flags else _EXEC)
    found = _live_session(profile, for_signing_in=True)
    if flags:
        from tcenv.proxy.start import run_behind

        run_behind(found[0], flags, command)
    fields = _narrowed(found, options)
    from tcenv.shells.process import replace_process

    replace_process(command, environment.applied(environment.loading(fields, os.environ), os.environ))
