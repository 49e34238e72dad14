"""`tcenv profile`."""

from __future__ import annotations

import json
import sys
from typing import Any

from tcenv.cli import messages
from tcenv.errors import UsageError
from tcenv.sessions.stores import everywhere, open_store
from tcenv.settings import configuration
from tcenv.settings import profile as profiles


def run_list(argument: str | None, options: dict[str, Any]) -> int:
    """One line a profile: name, root URL, and `default` for that one."""
    config = configuration.load()
    if options.get("as_json"):
        print(
            json.dumps(
                [
                    {"profile": name, "root_url": keys["root_url"], "default": name == config.default}
                    for name, keys in config.profiles.items()
                ],
                indent=2,
            )
        )
        return 0
    width = max(map(len, config.profiles), default=0)
    for name, keys in config.profiles.items():
        print(f"{name:{width}}  {keys['root_url']}{'  default' if name == config.default else ''}")
    if not config.profiles:
        messages.hint("There is no profile yet: tcenv profile set NAME --root-url URL --default")
    return 0


def run_show(argument: str | None, options: dict[str, Any]) -> int:
    """What a profile comes to in this environment."""
    profile = profiles.resolve(argument, {})
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
        "store": profiles.store_name(),
    }
    if options.get("as_json"):
        print(json.dumps(values, indent=2))
    else:
        for key, value in values.items():
            shown = ", ".join(value) if isinstance(value, list) else "" if value is None else value
            print(f"{key:12} {shown}")
    return 0


def run_set(argument: str | None, options: dict[str, Any]) -> int:
    """Make or change a profile. A new one needs a root URL."""
    name = argument or ""
    given = {key: value for key, value in options.items() if key not in ("default", "unset")}
    default, unset = options.get("default", False), options.get("unset", [])
    for key in unset:
        if key not in configuration.KEYS or key == "root_url":
            raise UsageError(f"{key!r} is no key that could be removed.", f"Known: {', '.join(configuration.KEYS)}.")
    config = configuration.load()
    if name not in config.profiles and "root_url" not in given:
        raise UsageError(f"The profile {name} is new and needs a root URL.", f"tcenv profile set {name} --root-url URL")
    if not given and not unset and not default:
        raise UsageError("Nothing to set.", "See: tcenv profile set --help")
    change = {key: configuration.check_option(key, value) for key, value in given.items()}
    configuration.edit({**change, **dict.fromkeys(unset)}, name, default=default)
    configuration.load()
    messages.done(f"The profile {name} is set{' and the default' if default else ''}.")
    return 0


def run_remove(argument: str | None, options: dict[str, Any]) -> int:
    """Remove a profile and its session."""
    name = argument or ""
    config = configuration.load()
    if name not in config.profiles:
        raise UsageError(f"There is no profile {name!r}.", "tcenv profile list shows those that there are.")
    places = everywhere(open_store(profiles.store_name(), messages.warn))
    if any(name in store.profiles() for store in places):
        from tcenv.cli.logout import sign_out

        sign_out(
            [name],
            places,
            kept=not _agreed(f"End its session too, and delete the client on {config.profiles[name]['root_url']}?"),
        )
    configuration.edit({}, name, remove=True)
    configuration.load()
    messages.done(f"The profile {name} is removed.")
    return 0


def _agreed(question: str) -> bool:
    """Whether somebody at the terminal says yes; nobody there has not."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [Y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")
