"""Read the configuration file strictly (an error names a wrong key and its line), edit it without losing comments, and
index it for code that cannot afford a TOML parser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcenv import paths, verbosity
from tcenv.config import default_client_name, index, purposes
from tcenv.config.purposes import Purpose
from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.limits import FLOWS, check_description, check_name, check_scopes
from tcenv.deployment.rooturl import parse_root_url
from tcenv.errors import ConfigError, Hint, TcenvError, UsageError
from tcenv.files import hold_lock, rewrite, write_privately
from tcenv.sessions.profile_names import is_configurable_name

if TYPE_CHECKING:
    from typing import Any

# How long to wait for the lock of the index (seconds).
_INDEX_TIMEOUT = 2.0
STORES = ("auto", "runtime", "keyring", "file", "none")


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError("must be a string in quotes")
    return value


def _check_flow(value: Any) -> str:
    if value not in FLOWS:
        raise UsageError(f"must be one of {', '.join(FLOWS)}")
    return str(value)


def _check_scopes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(scope, str) for scope in value):
        raise UsageError('must be a list of strings, like ["queue:*"]')
    return check_scopes(tuple(value))


def _check_duration(value: Any) -> str:
    parse_expires(_check_text(value))
    return str(value)


def _check_port(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise UsageError("must be a number from 0 (any free port) to 65535")
    return value


def _check_name(value: Any) -> str:
    text = example = _check_text(value)
    for part in default_client_name.PARTS:
        example = example.replace("{" + part + "}", "x")
    check_name(example)
    return text


def _check_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError("must be true or false")
    return value


# The keys of a profile. Except for the root URL, they may also stand at the top of the file as the defaults of all
# profiles.
KEYS: Mapping[str, Any] = {
    "root_url": lambda value: parse_root_url(_check_text(value)),
    "name": _check_name,
    "scopes": _check_scopes,
    "expires": _check_duration,
    "description": lambda value: check_description(_check_text(value)),
    "flow": _check_flow,
    "port": _check_port,
    "timeout": _check_duration,
    "browser": _check_text,
    "no_browser": _check_flag,
    "no_self_delete": _check_flag,
}
#: The keys that a profile can do without.
REMOVABLE = tuple(key for key in KEYS if key != "root_url")


@dataclass(frozen=True)
class Configuration:
    """The content of the configuration file. `profiles` maps names to their keys; `defaults` are the top-level keys that
    profiles share."""

    default: str | None = None
    store: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: By profile ("" for those of everybody) and name.
    purposes: Mapping[tuple[str, str], Purpose] = field(default_factory=dict)


def _find_line(text: str, *path: str) -> int | None:
    """Return the line of a key. Searches the text inside the last of the tables in `path` that has a header."""
    lines = text.splitlines()
    start = 0
    if len(path) > 1:
        header = r"\s*\[\s*" + r"\s*\.\s*".join(rf"[\"']?{re.escape(part)}[\"']?" for part in path[:-1]) + r"\s*\]"
        for number, line in enumerate(lines):
            if re.match(header, line):
                start = number + 1
                break
    for number, line in enumerate(lines[start:], start):
        if re.match(rf"\s*(?:[\w.\"'-]+\.)?[\"']?{re.escape(path[-1])}[\"']?\s*=", line):
            return number + 1
        if re.match(r"\s*\[", line) and len(path) > 1:
            break
    if len(path) == 2:
        header = rf"\s*\[\s*{re.escape(path[0])}\s*\.\s*[\"']?{re.escape(path[1])}[\"']?\s*\]"
        return next((number + 1 for number, line in enumerate(lines) if re.match(header, line)), start or None)
    return start or None


def _make_error(
    path: str, text: str, keys: tuple[str, ...], problem: str, hint: Hint | str | None = None
) -> ConfigError:
    line = _find_line(text, *keys)
    place = f"{path}, line {line}" if line else path
    return ConfigError(f"{place}: {'.'.join(keys)}: {problem}", hint)


def _check_keys(
    path: str,
    text: str,
    table: Mapping[str, Any],
    place: tuple[str, ...],
    checks: Mapping[str, Any],
    others: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the values of a table, as `checks` return them. `others` are keys that stand beside these."""
    result = {}
    for key, value in table.items():
        if key not in checks:
            known = ", ".join((*checks, *others))
            hint = None if place or key != "root_url" else "Give a profile a root_url, and name it as default."
            raise _make_error(path, text, (*place, key), f"unknown key (known here: {known})", hint)
        try:
            result[key] = checks[key](value)
        except TcenvError as error:
            raise _make_error(path, text, (*place, key), error.message, error.hint) from None
    return result


def _list_tables(
    path: str, text: str, tables: Any, place: tuple[str, ...], kind: str, example: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the content of each table of a `kind` at `place`."""
    header = ".".join(place)
    if not isinstance(tables, dict):
        raise _make_error(path, text, place, f"must be tables, like [{header}.{example}]")
    for name, table in tables.items():
        if not is_configurable_name(name):
            raise _make_error(path, text, (*place, name), f"a {kind}'s name is letters, digits, '.', '_' and '-'")
        if not isinstance(table, dict):
            raise _make_error(path, text, (*place, name), f"must be a table, like [{header}.{name}]")
        yield name, table


def parse(text: str, path: str) -> Configuration:
    """Parse the configuration in `text`. `path` is for messages. Raises ConfigError."""
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    except ValueError:
        raise ConfigError(f"{path}: a number in it is too long") from None
    except RecursionError:
        raise ConfigError(f"{path}: it is nested too deeply") from None
    default = document.pop("default", None)
    store = document.pop("store", None)
    tables = document.pop("profiles", {})
    found = _parse_purposes(path, text, document.pop("purposes", {}), ())
    if store is not None and store not in STORES:
        raise _make_error(path, text, ("store",), f"must be one of {', '.join(STORES)}")
    profiles = {}
    for name, table in _list_tables(path, text, tables, ("profiles",), "profile", "community"):
        place = ("profiles", name)
        found.update(_parse_purposes(path, text, table.pop("purposes", {}), place))
        profiles[name] = _check_keys(path, text, table, place, KEYS)
        if "root_url" not in profiles[name]:
            raise _make_error(path, text, place, "root_url is missing")
    if default is not None and (not isinstance(default, str) or default not in profiles):
        raise _make_error(path, text, ("default",), "is not a profile in this file")
    shared = {key: KEYS[key] for key in REMOVABLE}
    defaults = _check_keys(path, text, document, (), shared, ("default", "store"))
    return Configuration(default, store, defaults, profiles, found)


def _parse_purposes(path: str, text: str, tables: Any, prefix: tuple[str, ...]) -> dict[tuple[str, str], Purpose]:
    """Return the purposes of everybody, or those of the profile whose table is at `prefix`, by profile and name."""
    profile = prefix[1] if prefix else None
    place = (*prefix, "purposes")
    found = {}
    for name, table in _list_tables(path, text, tables, place, "purpose", "NAME"):
        values = _check_keys(path, text, {"scopes": None, **table}, (*place, name), purposes.KEYS)
        found[(profile or "", name)] = Purpose(name, values["scopes"], values.get("for"), profile)
    return found


def load() -> Configuration:
    """Load the user's configuration and bring its index up to date. Without a file, the configuration is empty. Raises
    ConfigError."""
    path = paths.config_file()
    try:
        data = _read(path)
    except FileNotFoundError:
        if os.environ.get("TCENV_CONFIG"):
            raise ConfigError(f"{path}: no such file", "TCENV_CONFIG names it.") from None
        return Configuration()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    verbosity.log(f"Configuration {path}.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 text") from None
    configuration = parse(text, path)
    # Without this cache, the next command reads the configuration itself.
    with suppress(OSError, TcenvError):
        _write_index(configuration, path, text)
    return configuration


def _read(path: str) -> bytes:
    """Read the configuration file. Raises TcenvError for a file of another user, OSError."""
    try:
        with open(path, "rb", opener=paths.open_trusted) as file:
            return file.read()
    except paths.Foreign as foreign:
        raise TcenvError(
            f"{foreign.strerror}, not to you: tcenv does not use another user's configuration.",
            "Run tcenv as that user, or use your own file: TCENV_CONFIG=FILE",
        ) from None


def _write_index(configuration: Configuration, path: str, text: str) -> None:
    cache = paths.index_file()
    root_urls = {name: str(keys["root_url"]) for name, keys in configuration.profiles.items()}
    listed = [(of, name, purpose.term or "", purpose.scopes) for (of, name), purpose in configuration.purposes.items()]
    data = index.encode(path, text, configuration.store or "auto", configuration.default or "", root_urls, listed)
    with suppress(OSError), open(cache, "rb", opener=paths.open_trusted_or_ignore) as file:
        if file.read() == data:
            return
    with hold_lock(cache, _INDEX_TIMEOUT):
        # Another process may have changed the configuration and written its index.
        if _read(path) == text.encode():
            write_privately(cache, data)


def check_option(key: str, value: Any) -> Any:
    """Return `value` as the file may hold it under `key`. Raises UsageError that names the option."""
    try:
        return KEYS[key](value)
    except UsageError as error:
        raise UsageError(
            f"{'--scope' if key == 'scopes' else '--' + key.replace('_', '-')}: {error.message}", error.hint
        ) from None


def edit(change: Mapping[str, Any], profile: str, *, default: bool = False, remove: bool = False) -> None:
    """Set the keys of `change` (None removes one) in `profile`, make it the `default`, or remove it whole. Raises
    ConfigError, UsageError."""
    import tomlkit

    if not is_configurable_name(profile):
        raise UsageError(f"{profile!r} is not a valid profile name.", "Accepted: letters, digits, '.', '_' and '-'.")
    with _open_document() as document:
        profiles: Any = document.setdefault("profiles", tomlkit.table(is_super_table=True))
        if remove:
            _remove(profiles, profile, "profile")
            if document.get("default") == profile:
                del document["default"]
            return
        _set(profiles.setdefault(profile, tomlkit.table()), change)
        if default:
            document["default"] = profile


def edit_purpose(change: Mapping[str, Any] | None, name: str, profile: str | None) -> None:
    """Set the keys of `change` (None as a value removes one) in the purpose `name`, of a profile or of everybody; None
    removes it whole. Raises ConfigError, UsageError."""
    import tomlkit

    with _open_document() as document:
        above: Any = document if profile is None else document.get("profiles", {}).get(profile)
        if above is None:
            raise UsageError(f"There is no profile {profile!r}.", Hint(("tcenv", "profile", "list"), "lists them."))
        tables: Any = above.setdefault("purposes", tomlkit.table(is_super_table=True))
        if change is not None:
            _set(tables.setdefault(name, tomlkit.table()), change)
            return
        _remove(tables, name, "purpose")
        if not tables:
            del above["purposes"]


def _set(table: Any, change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = list(value) if isinstance(value, tuple) else value


def _remove(tables: Any, name: str, kind: str) -> None:
    if name not in tables:
        raise UsageError(f"There is no {kind} {name!r}.", f"tcenv {kind} list lists them.")
    del tables[name]


@contextmanager
def _open_document() -> Iterator[Any]:
    """Yield the file's content for editing, under a lock, and write it back with its comments and its order.

    Parses it before and after, so that a wrong value never reaches the file. Raises ConfigError."""
    import tomlkit

    path = paths.config_file()
    try:
        with hold_lock(path):
            try:
                text = _read(path).decode()
            except FileNotFoundError:
                text = ""
            if text:
                parse(text, path)
            document = tomlkit.parse(text)
            yield document
            result = tomlkit.dumps(document)
            parse(result, path)
            rewrite(path, result.encode())
    except paths.Foreign as foreign:
        raise TcenvError(
            f"{path} cannot be written: {foreign.strerror}.",
            "Run tcenv as that user, or use your own file: TCENV_CONFIG=FILE",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise TcenvError(f"{path} cannot be written: {error.strerror}.") from None
