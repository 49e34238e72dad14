"""What one run is about: option > variable > named profile > the file's defaults > built-in defaults, resolved once into
one value. Knows no command line and no session."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.limits import check_name
from tcenv.deployment.rooturl import parse_root_url
from tcenv.errors import NotSignedIn, UsageError
from tcenv.sessions import clients
from tcenv.sessions.key import is_profile_name, profile_of
from tcenv.settings import configuration

DEFAULT_NAME = "tcenv"
BUILT_IN: Mapping[str, Any] = {
    "name": DEFAULT_NAME,
    "scopes": ("*",),
    "expires": "1d",
    "description": "Made by tcenv for the command line on {hostname}",
    "flow": "auto",
    "port": 0,
    "timeout": "5m",
    "browser": None,
    "no_browser": False,
}
# The variable of each key; TCENV_EXPIRES is taken (it tells prompts when the loaded session ends).
VARIABLES: Mapping[str, str] = {
    "root_url": "TCENV_ROOT_URL",
    "name": "TCENV_NAME",
    "scopes": "TCENV_SCOPE",
    "expires": "TCENV_LOGIN_EXPIRES",
    "description": "TCENV_DESCRIPTION",
    "flow": "TCENV_FLOW",
    "port": "TCENV_PORT",
    "timeout": "TCENV_TIMEOUT",
    "browser": "TCENV_BROWSER",
    "no_browser": "TCENV_NO_BROWSER",
}
TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off", "")


@dataclass(frozen=True)
class Profile:
    """A deployment and how to sign in to it. `expires` is fromNow text, `lifetime` the same and `timeout` in seconds.

    `insisted` holds the keys that an option or a variable gave: tcenv never alters those by itself."""

    name: str
    root_url: str
    client_name: str
    scopes: tuple[str, ...]
    expires: str
    description: str
    flow: str
    port: int
    timeout: int
    browser: str | None
    no_browser: bool
    insisted: frozenset[str] = frozenset()

    @property
    def lifetime(self) -> int:
        return parse_expires(self.expires)


def flag(variable: str) -> bool | None:
    """The truth that an environment variable states, None where it is not set. Raises UsageError."""
    value = os.environ.get(variable)
    if value is None:
        return None
    if value.lower() not in TRUE + FALSE:
        raise UsageError(f"{variable} must be 1 or 0.")
    return value.lower() in TRUE


def _from_variables() -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, variable in VARIABLES.items():
        text = os.environ.get(variable)
        if not text:
            continue
        if key == "scopes":
            result[key] = text.split()
        elif key == "no_browser":
            result[key] = flag(variable)
        elif key == "port":
            if not text.isdecimal():
                raise UsageError(f"{variable} must be a number.")
            result[key] = int(text)
        else:
            result[key] = text
    return result


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    result = {}
    for key, value in values.items():
        try:
            result[key] = configuration.KEYS[key](value)
        except UsageError as error:
            raise UsageError(f"{VARIABLES[key]}: {error.message}", error.hint) from None
    return result


def _filled(template: str) -> str:
    if "{hostname}" in template:
        template = template.replace("{hostname}", socket.gethostname().partition(".")[0])
    if "{user}" in template:
        template = template.replace("{user}", getpass.getuser())
    return template


def store_name(config: configuration.Configuration | None = None) -> str:
    """Which store the user wants: `TCENV_STORE`, the file's `store`, else auto."""
    named = os.environ.get("TCENV_STORE")
    if named:
        if named not in configuration.STORES:
            raise UsageError(f"TCENV_STORE must be one of {', '.join(configuration.STORES)}.")
        return named
    return (config or configuration.load()).store or "auto"


def resolve(argument: str | None = None, options: Mapping[str, Any] | None = None) -> Profile:
    """The profile that this run is about. `options` holds the given options by configuration key, None for those that
    were not given. Raises UsageError (nothing names a deployment: NotSignedIn, a kind of its own for scripts)."""
    config = configuration.load()
    given = {key: configuration.check_option(key, value) for key, value in (options or {}).items() if value is not None}
    strong = {**_checked(_from_variables()), **given}
    name, root_url, own = _deployment(argument, strong.get("root_url"), config)
    values = {**BUILT_IN, **config.defaults, **own, **strong}
    client_name = _filled(values["name"])
    check_name(client_name)
    description = _filled(values["description"])
    return Profile(
        name=name,
        root_url=root_url,
        client_name=client_name,
        scopes=tuple(values["scopes"]),
        expires=values["expires"],
        description=description,
        flow=values["flow"],
        port=values["port"],
        timeout=parse_expires(values["timeout"]),
        browser=values["browser"],
        no_browser=values["no_browser"],
        insisted=frozenset(strong),
    )


def _deployment(
    argument: str | None, root_url: str | None, config: configuration.Configuration
) -> tuple[str, str, Mapping[str, Any]]:
    """The session's profile name, the root URL, and what the configuration says of that profile."""
    if argument and "://" in argument and root_url is None:
        root_url = parse_root_url(argument)
        argument = None
    if argument:
        return _named(argument, root_url, config)
    if root_url:
        return profile_of(root_url), root_url, {}
    loaded = os.environ.get("TCENV_PROFILE", "")
    if loaded:
        try:
            return _named(loaded, None, config)
        except UsageError:
            pass  # What another configuration loaded, or hand-made: the next source decides.
    if config.default:
        return _named(config.default, None, config)
    named = os.environ.get("TASKCLUSTER_ROOT_URL")
    if named:
        try:
            root_url = parse_root_url(named)
        except UsageError as error:
            raise UsageError(f"TASKCLUSTER_ROOT_URL: {error.message}", error.hint) from None
        return profile_of(root_url), root_url, {}
    raise NoDeployment(
        "No deployment is named.",
        "Set TASKCLUSTER_ROOT_URL, or name one for good: tcenv profile set NAME --root-url URL --default",
    )


class NoDeployment(NotSignedIn):
    """Nothing says which deployment is meant: a usage error where one must be opened, not signed in where one is read."""


def _named(
    argument: str, root_url: str | None, config: configuration.Configuration
) -> tuple[str, str, Mapping[str, Any]]:
    base, _, host = argument.partition("@")
    if not is_profile_name(argument):
        raise UsageError(f"{argument!r} cannot be a profile's name.", _known(config))
    own = config.profiles.get(base)
    if own is not None and not host:
        if root_url is None or root_url == own["root_url"]:
            return base, own["root_url"], own
    elif root_url is None:
        # The name under which a bare root URL, or an overridden one, was used before.
        root_url = clients.remembered_root_url(host or base)
        named = os.environ.get("TASKCLUSTER_ROOT_URL")
        if root_url is None and named and profile_of(parse_root_url(named)) == (host or base):
            root_url = parse_root_url(named)
        if root_url is None or (host and own is None):
            raise UsageError(f"There is no profile {argument!r}.", _known(config))
        return argument, root_url, own or {}
    if root_url is None:
        raise UsageError(f"There is no profile {argument!r}.", _known(config))
    if profile_of(root_url) == base:
        return base, root_url, {}
    return f"{base}@{profile_of(root_url)}", root_url, own or {}


def _known(config: configuration.Configuration) -> str:
    names = ", ".join(config.profiles)
    listed = f"There is: {names}. " if names else ""
    return f"{listed}To add one: tcenv profile set NAME --root-url URL"
