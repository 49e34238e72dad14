"""Resolve the profile of a run into one value. The order is: option, variable, named profile, the file's defaults,
built-in defaults. This module knows no command line and no session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tcenv.config import config_file, default_client_name, purposes
from tcenv.config.purposes import Purpose
from tcenv.config.resolve import NoDeployment, UnknownProfile, resolve_target
from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.limits import check_name
from tcenv.errors import TcenvError, UsageError

__all__ = [
    "NO_OVERRIDES",
    "NoDeployment",
    "Overrides",
    "Profile",
    "UnknownProfile",
    "read_flag",
    "read_store_name",
    "resolve",
]

if TYPE_CHECKING:
    from typing import Protocol

    class SignInOptions(Protocol):
        """The options of a command line that override every key of a profile."""

        @property
        def root_url(self) -> str | None: ...
        @property
        def name(self) -> str | None: ...
        @property
        def scopes(self) -> tuple[str, ...]: ...
        @property
        def expires(self) -> str | None: ...
        @property
        def description(self) -> str | None: ...
        @property
        def flow(self) -> str | None: ...
        @property
        def port(self) -> int | None: ...
        @property
        def timeout(self) -> str | None: ...
        @property
        def browser(self) -> str | None: ...
        @property
        def no_browser(self) -> bool: ...
        @property
        def no_self_delete(self) -> bool: ...


# The longest time of the system's timers (seconds).
_MAX_WAIT = 20 * 86400

DEFAULTS: Mapping[str, Any] = {
    "name": None,
    "scopes": ("*",),
    "expires": "1d",
    "description": "Made by tcenv for the command line on {hostname}",
    "flow": "auto",
    "port": 0,
    "timeout": "5m",
    "browser": None,
    "no_browser": False,
    "no_self_delete": False,
}
# The variable of each key; TCENV_EXPIRES is taken (it tells prompts when the loaded session ends).
VARIABLES: Mapping[str, str] = {
    **{key: f"TCENV_{key.upper()}" for key in config_file.KEYS},
    "scopes": "TCENV_SCOPE",
    "expires": "TCENV_LOGIN_EXPIRES",
}
TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off", "")


@dataclass(frozen=True)
class Profile:
    """A deployment and how to sign in to it. `expires` is fromNow text, `lifetime` the same and `timeout` in seconds.

    `argument` names this profile on a command line. `insisted` holds the keys that an option or a variable gave: tcenv
    never changes those by itself. `has_scopes` says that the configuration names scopes."""

    name: str
    root_url: str
    argument: str
    client_name: str
    scopes: tuple[str, ...]
    expires: str
    description: str
    flow: str
    port: int
    timeout: int
    browser: str | None
    no_browser: bool
    no_self_delete: bool = False
    is_configured: bool = False
    has_scopes: bool = False
    insisted: frozenset[str] = frozenset()

    @property
    def lifetime(self) -> int:
        return parse_expires(self.expires)


class Overrides(NamedTuple):
    """The options of the command line that override the configuration. None, no scope and False mean "not given"."""

    root_url: str | None = None
    name: str | None = None
    scopes: tuple[str, ...] = ()
    expires: str | None = None
    description: str | None = None
    flow: str | None = None
    port: int | None = None
    timeout: str | None = None
    browser: str | None = None
    no_browser: bool = False
    no_self_delete: bool = False

    @classmethod
    def from_options(cls, options: SignInOptions) -> Overrides:
        """Take the overrides from the options of a command."""
        return cls(
            options.root_url,
            options.name,
            options.scopes,
            options.expires,
            options.description,
            options.flow,
            options.port,
            options.timeout,
            options.browser,
            options.no_browser,
            options.no_self_delete,
        )

    def get_given(self) -> dict[str, Any]:
        """Return the given options, by configuration key."""
        values = self._asdict()
        given = {key: value for key, value in values.items() if value is not None and value is not False}
        if self.scopes:
            return {**given, "scopes": list(self.scopes)}
        del given["scopes"]
        return given


NO_OVERRIDES = Overrides()


def read_flag(variable: str) -> bool | None:
    """Return the value of a variable that is true or false, or None if it is not set. Raises UsageError."""
    value = os.environ.get(variable)
    if value is None:
        return None
    if value.lower() not in TRUE + FALSE:
        raise UsageError(f"{variable} must be 1 or 0.")
    return value.lower() in TRUE


def _read_variables() -> dict[str, Any]:
    """Return the values that variables give, by configuration key. Raises UsageError."""
    result = {}
    for key, variable in VARIABLES.items():
        value: Any = os.environ.get(variable)
        if not value:
            continue
        if key == "scopes":
            value = value.split()
        elif key in ("no_browser", "no_self_delete"):
            value = read_flag(variable)
        elif key == "port":
            if not value.isdecimal():
                raise UsageError(f"{variable} must be a number.")
            value = int(value)
        try:
            result[key] = config_file.KEYS[key](value)
        except UsageError as error:
            raise UsageError(f"{variable}: {error.message}", error.hint) from None
    return result


def read_store_name(config: config_file.Configuration | None = None) -> str:
    """Return the name of the store to open: `TCENV_STORE`, the file's `store`, else auto. Raises UsageError."""
    named = os.environ.get("TCENV_STORE")
    if named:
        if named not in config_file.STORES:
            raise UsageError(f"TCENV_STORE must be one of {', '.join(config_file.STORES)}.")
        return named
    return (config or config_file.load()).store or "auto"


def find_purpose(name: str, profile: Profile) -> Purpose:
    """Find the purpose `name` for a profile: its own, else everybody's. Raises UsageError."""
    configured = profile.name.partition("@")[0] if profile.is_configured else None
    return purposes.find(config_file.load().purposes, configured, name)


def resolve_timeout(argument: str | None, option: str | None) -> float:
    """Return how long (seconds) to wait for the deployment that `argument` names, even if that is not configured. `option`
    is the value of --timeout. Raises UsageError if that is no time."""
    overrides = Overrides(timeout=option)
    try:
        return resolve(argument, overrides).timeout
    except TcenvError:
        return resolve("http://localhost", overrides).timeout


def resolve(argument: str | None = None, overrides: Overrides = NO_OVERRIDES) -> Profile:
    """Resolve the profile of this run. `argument` is a profile name or a root URL. Raises UsageError, and NoDeployment if
    nothing names a deployment."""
    config = config_file.load()
    options = {key: config_file.check_option(key, value) for key, value in overrides.get_given().items()}
    variables = _read_variables()
    target = resolve_target(argument, options.get("root_url"), variables.get("root_url"), config)
    configured = {**config.defaults, **target.keys}
    insisted = {**variables, **options}
    values = {**DEFAULTS, **configured, **insisted}
    profile = target.profile or target.name
    default_name = default_client_name.DEFAULT if target.profile is None else default_client_name.DEFAULT_OF_A_PROFILE
    return Profile(
        name=target.name,
        root_url=target.root_url,
        argument=target.argument,
        client_name=check_name(default_client_name.fill(values["name"] or default_name, profile)),
        scopes=tuple(values["scopes"]),
        expires=values["expires"],
        description=default_client_name.fill(values["description"], profile),
        flow=values["flow"],
        port=values["port"],
        timeout=min(parse_expires(values["timeout"]), _MAX_WAIT),
        browser=values["browser"],
        no_browser=values["no_browser"],
        no_self_delete=values["no_self_delete"],
        is_configured=target.profile is not None,
        has_scopes="scopes" in configured,
        insisted=frozenset(insisted),
    )
