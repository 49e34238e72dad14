"""`tcenv profile`."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, NamedTuple

from tcenv import output, paths
from tcenv.errors import Hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


class ListOptions(NamedTuple):
    """List the profiles, one a line, with their root URLs; the default is marked.

    Examples:
        tcenv profile list
    """

    as_json: o.Json = False


def run_list(options: ListOptions) -> int:
    """One line a deployment: the profiles of the configuration, then those signed in to without one; who is signed in there,
    and for how long."""
    from tcenv.cli.terminal import messages

    configured, default = _configured()
    rows = [_state(name, root_url, name == default) for name, root_url in configured.items()]
    rows += _without_a_profile({str(row["root_url"]) for row in rows if row["signed_in"]}, set(configured))
    if options.as_json:
        import json

        output.write(json.dumps(rows, indent=2) + "\n")
        return 0
    face = messages.report()
    for row in rows:
        face.write(face.line(_line(row, max(len(str(other["profile"])) for other in rows)), "", "  "))
    if not rows:
        messages.hint("There is no profile yet:", ("tcenv", "profile", "set", "NAME", "--root-url", "URL", "--default"))
    return 0


def _configured() -> tuple[dict[str, str], str | None]:
    """The configured profiles with their root URLs, and the default: by the index where that is current."""
    from tcenv.config import index

    try:
        known = index.read()
    except (index.HandOver, OSError, ValueError):
        from tcenv.config import config_file

        config = config_file.load()
        return {name: str(keys["root_url"]) for name, keys in config.profiles.items()}, config.default
    if known is None:
        return {}, None
    return {name: known.root_url(name) or "" for name in known.names()}, known.default or None


def _state(name: str, root_url: str | None, default: bool) -> dict[str, Any]:
    """Whether somebody is signed in under that name. `root_url` None: that of the session."""
    session = _session(name)
    signed_in = session is not None and (root_url is None or session[0] == root_url) and session[2] > time.time()
    row: dict[str, Any] = {
        "profile": name,
        "root_url": root_url or (session[0] if session else ""),
        "default": default,
        "signed_in": signed_in,
    }
    if session is not None and signed_in:
        row.update(client_id=session[1], expires=session[2])
    return row


def _session(name: str) -> tuple[str, str, int] | None:
    """Root URL, clientId and end (seconds since the epoch) of the session kept under a name; None for none, or none to be
    read."""
    from tcenv.sessions import session_file as sessionfile

    directory = _store_directory()
    if directory is None:
        from tcenv.config import profile as profiles
        from tcenv.errors import TcenvError
        from tcenv.sessions.stores import open_store

        try:
            session = open_store(profiles.store_name()).load(name)
        except TcenvError:
            return None
        return (session.root_url, session.credentials.client_id, session.expires) if session else None
    try:
        found = sessionfile.read(directory, name)
    except (sessionfile.Damaged, paths.Unsafe, OSError):
        return None
    if found is None:
        return None
    fields = found[0]
    return fields["TASKCLUSTER_ROOT_URL"], fields["TASKCLUSTER_CLIENT_ID"], int(fields["TCENV_EXPIRES"])


def _store_directory() -> str | None:
    """Where the sessions are files; None for a keyring or nowhere."""
    from tcenv.config import index

    try:
        known = index.read()
    except (index.HandOver, OSError, ValueError):
        return None
    store = os.environ.get("TCENV_STORE") or (known and known.store) or "auto"
    if store == "file":
        return paths.file_store_directory()
    try:
        return paths.runtime_directory() if store in ("auto", "runtime") else None
    except paths.Unsafe:
        return None


def _without_a_profile(shown: set[str], configured: set[str]) -> list[dict[str, Any]]:
    """The deployments signed in to by their root URL, as far as their sessions are files."""
    directory = _store_directory()
    try:
        names = sorted(name[:-8] for name in os.listdir(directory or "") if name.endswith(".session"))
    except OSError:
        return []
    rows = [_state(name, None, False) for name in names if name[:1] != "." and name not in configured]
    return [row for row in rows if row["signed_in"] and row["root_url"] not in shown]


def _line(row: dict[str, Any], width: int) -> str:
    from tcenv.text import duration, printable

    state = (
        f"signed in as {row['client_id']}, {duration(row['expires'] - time.time())} left"
        if row["signed_in"]
        else "not signed in"
    )
    default = "  default" if row["default"] else ""
    return printable(f"{row['profile']:{width}}  {row['root_url']}{default}  {state}")


class ShowOptions(NamedTuple):
    """Show what a profile comes to, with the file's defaults and tcenv's own filled in.

    Examples:
        tcenv profile show community
    """

    profile: o.ProfileArgument = None
    as_json: o.Json = False


def run_show(options: ShowOptions) -> int:
    """What a profile comes to in this environment."""
    from tcenv.cli.terminal import messages
    from tcenv.config import profile as profiles

    profile = profiles.resolve(options.profile)
    values: dict[str, Any] = {
        "profile": profile.name,
        "root_url": profile.root_url,
        "name": profile.client_name,
        "scopes": list(profile.scopes),
        "expires": profile.expires,
        "description": profile.description,
        "flow": profile.flow,
        "port": profile.port,
        "timeout": profile.timeout,
        "browser": profile.browser,
        "no_browser": profile.no_browser,
        "no_self_delete": profile.no_self_delete,
        "store": profiles.store_name(),
    }
    if options.as_json:
        import json

        output.write(json.dumps(values, indent=2) + "\n")
        return 0
    from tcenv.text import printable

    for key, value in values.items():
        messages.report().write(f"{key:14} {printable(_shown(key, value))}")
    return 0


def _shown(key: str, value: Any) -> str:
    """The value of a key as people say it."""
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "port":
        return str(value or "a free one")
    if key == "timeout":
        from tcenv.text import duration

        return duration(value)
    return "the system's" if value is None else str(value)


class SetOptions(NamedTuple):
    """Make a profile, or change the keys of one.

    Examples:
        tcenv profile set community --root-url https://community-tc.services.mozilla.com --default
    """

    profile: o.ProfileName = ""
    root_url: o.RootUrl = None
    name: o.Name = None
    scopes: o.Scopes = ()
    expires: o.Expires = None
    description: o.Description = None
    flow: o.Flow = None
    port: o.Port = None
    timeout: o.Timeout = None
    browser: o.Browser = None
    default: o.Default = False
    unset: o.Unset = ()


def run_set(options: SetOptions) -> int:
    """Make or change a profile. A new one needs a root URL."""
    from tcenv.cli.terminal import messages
    from tcenv.config import config_file
    from tcenv.config.profile import Overrides
    from tcenv.errors import UsageError

    name, default, unset = options.profile, options.default, options.unset
    given = Overrides.of(options).given()
    for key in unset:
        if key not in config_file.KEYS or key == "root_url":
            raise UsageError(f"{key!r} is no key that could be removed.", f"Known: {', '.join(config_file.KEYS)}.")
    config = config_file.load()
    if name not in config.profiles and "root_url" not in given:
        raise UsageError(
            f"The profile {name} is new and needs a root URL.",
            Hint(("tcenv", "profile", "set", name, "--root-url", "URL")),
        )
    if not given and not unset and not default:
        raise UsageError("Nothing to set.", Hint("See:", ("tcenv", "profile", "set", "--help")))
    change = {key: config_file.check_option(key, value) for key, value in given.items()}
    config_file.edit({**change, **dict.fromkeys(unset)}, name, default=default)
    config_file.load()
    messages.done(f"The profile {name} is set{' and the default' if default else ''}.")
    return 0


class RemoveOptions(NamedTuple):
    """Remove a profile from the configuration file, and forget its session.

    Examples:
        tcenv profile remove community
    """

    profile: o.ProfileName = ""


def run_remove(options: RemoveOptions) -> int:
    """Remove a profile and its session."""
    from tcenv.cli.terminal import messages
    from tcenv.config import config_file
    from tcenv.config import profile as profiles
    from tcenv.errors import UsageError
    from tcenv.sessions.stores import everywhere, open_store

    name = options.profile
    config = config_file.load()
    if name not in config.profiles:
        raise UsageError(
            f"There is no profile {name!r}.", Hint(("tcenv", "profile", "list"), "shows those that there are.")
        )
    places = everywhere(open_store(profiles.store_name(), messages.warn))
    if any(name in store.profiles() for store in places):
        from tcenv.cli.commands.logout import sessions, sign_out

        asked = f"End its session too, and delete the client on {config.profiles[name]['root_url']}?"
        is_live = any(session.is_live() for session in sessions(places, name))
        sign_out([name], places, kept=not (is_live and _agreed(asked)))
    config_file.edit({}, name, remove=True)
    config_file.load()
    messages.done(f"The profile {name} is removed.")
    return 0


def _agreed(question: str) -> bool:
    """Whether somebody at the terminal says yes; nobody there has not."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        # Ctrl-D is no Enter.
        print(file=sys.stderr)
    return answer.strip().lower() in ("", "y", "yes") if answer else False
