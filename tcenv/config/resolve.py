"""Resolve the deployment that a command means. The first of these names it: the argument, `--root-url`, `TCENV_ROOT_URL`,
`TCENV_PROFILE` (unless the user has changed `TASKCLUSTER_ROOT_URL` since tcenv loaded it), `TASKCLUSTER_ROOT_URL` and the
configuration's default. The hot path resolves the same one by the configuration's index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcenv import paths, verbosity
from tcenv.config import config_file
from tcenv.config.enclosing_proxy import EnclosingProxy, read_enclosing_proxy
from tcenv.deployment.rooturl import is_loopback, parse_root_url
from tcenv.errors import Hint, NotSignedIn, UsageError
from tcenv.sessions import known_clients, session_file
from tcenv.sessions.profile_names import get_argument, get_profile_name, is_profile_name
from tcenv.shells import environment

if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True)
class Target:
    """The deployment that a command means: the `name` of its session, its root URL, the name of its configured `profile`
    (None: a bare root URL), and the `keys` of that profile."""

    name: str
    root_url: str
    profile: str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def argument(self) -> str:
        """The command-line words that name this deployment in any environment."""
        return get_argument(self.name, self.root_url)


class NoDeployment(NotSignedIn):
    """Nothing names a deployment. Commands that sign in report it as a usage error, the others as "not signed in"."""


class UnknownProfile(UsageError):
    """The named profile is neither configured nor known from a former sign-in."""


def resolve_target(
    argument: str | None, option: str | None, variable: str | None, config: config_file.Configuration
) -> Target:
    """Resolve the deployment of a command. `option` and `variable` are root URLs as `parse_root_url` returns them. Raises
    UsageError, NoDeployment."""
    target = _resolve_target(argument, option, variable, config)
    verbosity.log(f"Profile {target.name}, deployment {target.root_url}.")
    return target


def _resolve_target(
    argument: str | None, option: str | None, variable: str | None, config: config_file.Configuration
) -> Target:
    proxy = read_enclosing_proxy()
    if proxy is not None:
        here = None if environment.get_loaded_profile(os.environ) else os.environ.get(environment.ROOT_URL)
        if proxy.has_address(argument or option or variable or here):
            return _find_behind_proxy(proxy, config)
    if argument and "://" in argument:
        root_url = parse_root_url(argument)
        if option not in (None, root_url):
            raise UsageError(f"{root_url} and --root-url {option} are two deployments.", "Name one of them.")
        return _find_by_root_url(root_url, config)
    if argument:
        try:
            return _find_named(argument, option, config)
        except UnknownProfile:
            host = _parse_host(argument)
            if host is None or option not in (None, host):
                raise
            return _find_by_root_url(host, config)
    if option or variable:
        return _find_by_root_url(option or variable or "", config)
    selected = environment.get_selected_profile(os.environ)
    if selected:
        try:
            return _find_named(selected, None, config)
        except UnknownProfile as unknown:
            raise UnknownProfile(f"{environment.PROFILE}: {unknown.message}", unknown.hint) from None
    named = os.environ.get(environment.ROOT_URL)
    if named:
        try:
            root_url = parse_root_url(named)
        except UsageError as error:
            raise UsageError(f"TASKCLUSTER_ROOT_URL: {error.message}", error.hint) from None
        return _find_by_root_url(root_url, config)
    if config.default:
        return _get_configured(config.default, config)
    raise NoDeployment(
        "No deployment is named.",
        Hint(
            "Set TASKCLUSTER_ROOT_URL, or create a profile:",
            ("tcenv", "profile", "set", "NAME", "--root-url", "URL", "--default"),
        ),
    )


def _parse_host(argument: str) -> str | None:
    """Return the root URL of a host without a scheme that has a dot or a port, or None for anything else."""
    host, colon, port = argument.partition("/")[0].partition(":")
    if not ("." in host or (colon and port)) or "@" in argument:
        return None
    scheme = "http" if is_loopback(f"http://{argument}") else "https"
    try:
        return parse_root_url(f"{scheme}://{argument}")
    except UsageError:
        return None


def _find_behind_proxy(proxy: EnclosingProxy, config: config_file.Configuration) -> Target:
    """Return the deployment behind a proxy, under its name outside of the run."""
    base = proxy.profile.partition("@")[0]
    if base in config.profiles:
        return _find_named(base, proxy.root_url, config)
    return Target(proxy.profile, proxy.root_url)


def _find_by_root_url(root_url: str, config: config_file.Configuration) -> Target:
    """Return the configured profile with this root URL (the default one of several), else the bare root URL."""
    names = [name for name, keys in config.profiles.items() if keys["root_url"] == root_url]
    if len(names) == 1:
        return _get_configured(names[0], config)
    if config.default in names:
        return _get_configured(config.default or "", config)
    return Target(get_profile_name(root_url), root_url)


def _get_configured(name: str, config: config_file.Configuration) -> Target:
    keys = config.profiles[name]
    return Target(name, keys["root_url"], name, keys)


def _parse_or_none(text: str | None) -> str | None:
    try:
        return parse_root_url(text) if text else None
    except UsageError:
        return None


def _find_named(argument: str, root_url: str | None, config: config_file.Configuration) -> Target:
    base, _, host = argument.partition("@")
    if not is_profile_name(argument):
        raise UnknownProfile(f"{argument!r} is not a valid profile name.", _make_hint(config))
    keys = config.profiles.get(base)
    if keys is not None and not host:
        if root_url is None or root_url == keys["root_url"]:
            return _get_configured(base, config)
        return _override_root_url(base, root_url, config)
    if root_url is None:
        # It may name a loaded or stored session, or a root URL that was used before.
        root_url = _find_root_url_of_session(argument)
        if root_url is not None and keys is None:
            return Target(argument, root_url)
        root_url = root_url or known_clients.find_root_url(host or base)
        here = _parse_or_none(os.environ.get(environment.ROOT_URL))
        if root_url is None and here and get_profile_name(here) == (host or base):
            root_url = here
    if root_url is None or (keys is None and (host or get_profile_name(root_url) != base)):
        raise UnknownProfile(f"There is no profile {argument!r}.", _make_hint(config))
    return _override_root_url(base, root_url, config) if host else Target(base, root_url)


def _find_root_url_of_session(profile: str) -> str | None:
    """Return the root URL of the session of `profile` that this shell has loaded or that any store keeps."""
    loaded = environment.read_loaded(os.environ)
    if loaded is not None and loaded.profile == profile:
        return _parse_or_none(loaded.root_url)
    for directory in paths.session_directories():
        with suppress(session_file.Damaged, paths.Unsafe, OSError):
            parts = session_file.read(directory, profile)
            if parts is not None:
                return _parse_or_none(parts[0][environment.ROOT_URL])
    return None


def _override_root_url(base: str, root_url: str, config: config_file.Configuration) -> Target:
    """Return a configured profile with another root URL than its own."""
    return Target(f"{base}@{get_profile_name(root_url)}"[:128], root_url, base, config.profiles[base])


def _make_hint(config: config_file.Configuration) -> Hint:
    """Return a hint that lists the known profiles: configured, with a session, or loaded in this shell."""
    names = dict.fromkeys(config.profiles)
    for directory in paths.session_directories():
        with suppress(OSError):
            names |= dict.fromkeys(session_file.find_profiles(os.listdir(directory)))
    loaded = environment.read_loaded(os.environ)
    if loaded is not None:
        names[loaded.profile] = None
    known = ", ".join(name for name in names if is_profile_name(name))
    listed = f"Known: {known}. " if known else ""
    return Hint(f"{listed}To add one:", ("tcenv", "profile", "set", "NAME", "--root-url", "URL"))
