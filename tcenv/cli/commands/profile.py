"""Carry out `tcenv profile`: list, show, set and remove profiles."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from tcenv import paths
from tcenv.cli.terminal import messages
from tcenv.config import index
from tcenv.deployment.rooturl import is_loopback
from tcenv.errors import DamagedSession, Hint, StoreError, UsageError
from tcenv.sessions import session_file
from tcenv.sessions.profile_names import get_profile_name
from tcenv.text import format_duration, replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcenv.cli.parsing import options as o


_DAY = 86400


class ListOptions(NamedTuple):
    """List the profiles, and where you are signed in. `*` marks the default.

    Examples:
        tcenv profile list
    """

    as_json: o.Json = False


def run_list(options: ListOptions) -> int:
    """Print one line for each deployment: the configured profiles, then deployments with a session, then those that were used
    before. Each line says who is signed in, and for how long."""
    configured, default, store = _list_configured()
    sessions = _list_sessions(store)
    now = time.time()
    rows = []
    for name, root_url in configured.items():
        found = sessions.pop(name, None)
        live = found is not None and found.root_url == root_url and found.expires > now
        rows.append(_make_row(name, root_url, found if live else None, is_default=name == default))
    rows += [_make_row(name, found.root_url, found) for name, found in sorted(sessions.items()) if found.expires > now]
    rows += [
        _make_row(name, root_url, None)
        for name, root_url in _list_used_before({str(row["root_url"]) for row in rows}).items()
    ]
    if options.as_json:
        from tcenv.cli.terminal.json_output import describe_end, print_json

        print_json({"profiles": [{**row, **describe_end(row["expires"])} if row["signed_in"] else row for row in rows]})
        return 0
    out = messages.get_stdout()
    lines = list(_render_table(rows, padded=out.is_terminal))
    if out.is_terminal and max(map(len, lines), default=0) > out.width:
        # No room for columns: each profile is a paragraph.
        lines = [out.wrap("  ".join(line.split("\t")).strip(), "", "  ") for line in _render_table(rows, padded=False)]
    for number, line in enumerate(lines):
        out.write(line if number else out.style(line, "bold"))
    if not rows:
        messages.hint("There is no profile yet:", ("tcenv", "profile", "set", "NAME", "--root-url", "URL", "--default"))
    return 0


def _list_configured() -> tuple[dict[str, str], str | None, str]:
    """Return the configured profiles with their root URLs, the default, and the store. Uses the index if that is
    current."""
    try:
        known = index.read()
    except (index.HandOver, OSError, ValueError):
        from tcenv.config import config_file

        config = config_file.load()
        urls = {name: str(keys["root_url"]) for name, keys in config.profiles.items()}
        default, store = config.default, config.store
    else:
        urls = {name: known.find_root_url(name) or "" for name in known.list_names()} if known else {}
        default, store = (known.default or None, known.store) if known else (None, None)
    return urls, default, os.environ.get("TCENV_STORE") or store or "auto"


class _StoredSession(NamedTuple):
    """A stored session as `profile list` shows it. `expires` is in seconds since the epoch."""

    root_url: str
    client_id: str
    expires: int


def _list_sessions(store: str) -> dict[str, _StoredSession]:
    """Return the stored sessions by name, without those that cannot be read. Imports a store only if its directory is not
    enough."""
    try:
        found = paths.find_store(store)
    except paths.Unsafe:
        found = None
    if found is None:
        return _load_from_store()
    return {
        fields["TCENV_PROFILE"]: _StoredSession(
            fields["TASKCLUSTER_ROOT_URL"], fields["TASKCLUSTER_CLIENT_ID"], int(fields["TCENV_EXPIRES"])
        )
        for fields in session_file.read_all(found[1])
    }


def _load_from_store() -> dict[str, _StoredSession]:
    from tcenv.config import profile as profiles
    from tcenv.sessions.stores import open_store

    found = {}
    try:
        store = open_store(profiles.read_store_name(), messages.warn)
        for name in store.list_profiles():
            with suppress(DamagedSession):
                session = store.load(name)
                if session is not None:
                    found[name] = _StoredSession(session.root_url, session.credentials.client_id, session.expires)
    except StoreError as error:
        messages.warn(error.message)
    return found


def _list_used_before(shown: set[str]) -> dict[str, str]:
    """Return the root URLs of other deployments that were used before, by name. Leaves out a sandbox on loopback a day after its
    last use."""
    names = {get_profile_name(root_url) for root_url in shown}
    found = {}
    with suppress(OSError):
        for entry in sorted(os.scandir(f"{paths.state_directory()}/clients"), key=lambda entry: entry.name):
            if entry.name in names or entry.name[0] == ".":
                continue
            from tcenv.sessions.known_clients import find_root_url

            root_url = find_root_url(entry.name)
            if root_url and not (is_loopback(root_url) and entry.stat().st_mtime < time.time() - _DAY):
                found[entry.name] = root_url
    return found


def _make_row(name: str, root_url: str, found: _StoredSession | None, *, is_default: bool = False) -> dict[str, Any]:
    row: dict[str, Any] = {"profile": name, "root_url": root_url, "default": is_default, "signed_in": found is not None}
    if found is not None:
        row.update(client_id=found.client_id, expires=found.expires)
    return row


def _render_table(rows: list[dict[str, Any]], *, padded: bool) -> Iterator[str]:
    """Yield the lines of a table of profiles, the first with its heads. `*` marks the default. Columns are `padded` for a
    terminal; elsewhere a tab separates them."""
    cells = [("", "PROFILE", "ROOT URL", "LEFT", "CLIENT")] if rows else []
    for row in rows:
        live = row["signed_in"]
        left = format_duration(row["expires"] - time.time()) if live else "not signed in"
        mark = "*" if row["default"] else ""
        cells.append((mark, row["profile"], row["root_url"], left, row["client_id"] if live else ""))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        if padded:
            yield replace_unprintable(
                "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
            ).rstrip()
        else:
            yield "\t".join(replace_unprintable(cell) for cell in line).rstrip("\t")


class ShowOptions(NamedTuple):
    """Show the values of a profile, defaults included.

    Examples:
        tcenv profile show community
    """

    profile: o.ProfileArgument = None
    as_json: o.Json = False


def run_show(options: ShowOptions) -> int:
    """Print the values of a profile after options, variables and defaults."""
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
        "store": profiles.read_store_name(),
    }
    if options.as_json:
        from tcenv.cli.terminal.json_output import print_json

        # A session asks for a time from its start.
        values["expires_in"] = profile.lifetime
        del values["expires"]
        print_json(values)
        return 0
    for key, value in values.items():
        messages.get_stdout().write(f"{key:14} {replace_unprintable(_format_value(key, value))}")
    return 0


def _format_value(key: str, value: Any) -> str:
    """Return the value of a key for people."""
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "port":
        return str(value or "a free one")
    if key == "timeout":
        return format_duration(value)
    return "the system's" if value is None else str(value)


class SetOptions(NamedTuple):
    """Create a profile, or change its keys.

    Examples:
        tcenv profile set community --root-url https://community-tc.services.mozilla.com --default
        tcenv profile set community --scope 'queue:*' --expires 8h
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
    no_browser: o.NoBrowser = False
    no_self_delete: o.NoSelfDelete = False
    default: o.Default = False
    unset: o.Unset = ()


def run_set(options: SetOptions) -> int:
    """Create or change a profile. A new one needs a root URL."""
    from tcenv.config import config_file
    from tcenv.config.profile import Overrides

    name, default, unset = options.profile, options.default, options.unset
    given = Overrides.from_options(options).get_given()
    for key in unset:
        if key not in config_file.REMOVABLE:
            raise UsageError(
                f"{key!r} is not a key that you can remove.", f"Known: {', '.join(config_file.REMOVABLE)}."
            )
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
    messages.confirm(f"The profile {name} is set{' and the default' if default else ''}.")
    return 0


class RemoveOptions(NamedTuple):
    """Remove a profile from the configuration file, and forget its session.

    Examples:
        tcenv profile remove community
    """

    profile: o.ProfileName = ""


def run_remove(options: RemoveOptions) -> int:
    """Remove a profile and its session."""
    from tcenv.config import config_file
    from tcenv.config import profile as profiles
    from tcenv.sessions.stores import list_stores, open_store

    name = options.profile
    config = config_file.load()
    if name not in config.profiles:
        raise UsageError(f"There is no profile {name!r}.", Hint(("tcenv", "profile", "list"), "lists them."))
    stores = list_stores(open_store(profiles.read_store_name(), messages.warn))
    if any(name in store.list_profiles() for store in stores):
        from tcenv.cli.commands.logout import list_sessions, sign_out

        question = f"End its session too, and delete the client on {config.profiles[name]['root_url']}?"
        is_live = any(session.is_live() for session in list_sessions(stores, name))
        sign_out([name], stores, keep=not (is_live and _confirm(question)))
    config_file.edit({}, name, remove=True)
    config_file.load()
    messages.confirm(f"The profile {name} is removed.")
    return 0


def _confirm(question: str) -> bool:
    """Ask at the terminal. Returns False if nobody can answer."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    answer = messages.ask(f"{question} [Y/n] ")
    if not answer:
        # Ctrl-D is no Enter.
        print(file=sys.stderr)
        return False
    return answer.strip().lower() in ("", "y", "yes")
