"""Carry out `tcenv purpose`: list, show, set and remove purposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tcenv.cli.terminal import messages
from tcenv.cli.terminal.json_output import print_json
from tcenv.config import config_file, purposes
from tcenv.deployment.fromnow import parse_expires
from tcenv.errors import Hint, UsageError
from tcenv.sessions.profile_names import is_configurable_name

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o
    from tcenv.config.purposes import Purpose


class ListOptions(NamedTuple):
    """List the purposes, and the profile that each belongs to.

    Examples:
        tcenv purpose list
    """

    profile: o.ProfileArgument = None
    as_json: o.Json = False


def run_list(options: ListOptions) -> int:
    """Print one line for each purpose: name, profile, time and scopes. With a profile, only those that it can use."""
    config = config_file.load()
    _check_profile(config, options.profile)
    found = [
        purpose
        for (of, _), purpose in config.purposes.items()
        if options.profile is None or of in ("", options.profile)
    ]
    if options.as_json:
        print_json({"purposes": [_describe(purpose) for purpose in found]})
        return 0
    out = messages.get_stdout()
    width = max((len(purpose.name) for purpose in found), default=0)
    for purpose in found:
        of = f" ({purpose.profile})" if purpose.profile else ""
        term = f"for {purpose.term}" if purpose.term else "as long as the session"
        out.write(out.wrap(f"{purpose.name:{width}}{of}  {term}  {' '.join(purpose.scopes)}", "", "  "))
    if not found:
        messages.hint("There is no purpose yet:", ("tcenv", "purpose", "set", "NAME", "--scope", "S", "--for", "1h"))
    return 0


class ShowOptions(NamedTuple):
    """Show the scopes and the time of a purpose.

    Examples:
        tcenv purpose show relduty
    """

    purpose: o.PurposeName = ""
    profile: o.OfProfile = None
    as_json: o.Json = False


def run_show(options: ShowOptions) -> int:
    """Print the time and the scopes of a purpose, one scope on each line."""
    config = config_file.load()
    _check_profile(config, options.profile)
    purpose = purposes.find(config.purposes, options.profile, options.purpose)
    if options.as_json:
        print_json(_describe(purpose))
        return 0
    out = messages.get_stdout()
    out.write(f"for      {purpose.term or '(as long as the session)'}")
    for position, scope in enumerate(purpose.scopes):
        out.write(f"{'scopes' if position == 0 else '':8} {scope}")
    return 0


class SetOptions(NamedTuple):
    """Create a purpose, or replace its scopes.

    Examples:
        tcenv purpose set relduty --scope 'queue:rerun-task:*' --scope 'queue:cancel-task:*' --for 1h
    """

    purpose: o.PurposeName = ""
    scopes: o.PurposeScopes = ()
    duration: o.For = None
    profile: o.OfProfile = None


def run_set(options: SetOptions) -> int:
    """Create a purpose, or replace its scopes or its time."""
    name, profile = options.purpose, options.profile
    if not is_configurable_name(name):
        raise UsageError(f"{name!r} is not a valid purpose name.", "Accepted: letters, digits, '.', '_' and '-'.")
    config = config_file.load()
    _check_profile(config, profile)
    change: dict[str, Any] = {}
    if options.scopes:
        change["scopes"] = _check_option("--scope", purposes.check_scopes, list(options.scopes))
    if options.duration:
        change["for"] = _check_option("--for", purposes.check_term, options.duration)
    if (profile or "", name) not in config.purposes and "scopes" not in change:
        raise UsageError(
            f"The purpose {name} is new and needs scopes.",
            Hint(("tcenv", "purpose", "set", name, "--scope", "S"), ", repeated as needed"),
        )
    if not change:
        raise UsageError("Nothing to set.", Hint("See:", ("tcenv", "purpose", "set", "--help")))
    config_file.edit_purpose(change, name, profile)
    config_file.load()
    messages.confirm(
        f"The purpose {name}{f' of {profile}' if profile else ''} is set:", ("tcenv", "exec", "--as", name, "--", "CMD")
    )
    return 0


class RemoveOptions(NamedTuple):
    """Remove a purpose from the configuration file.

    Examples:
        tcenv purpose remove relduty
    """

    purpose: o.PurposeName = ""
    profile: o.OfProfile = None


def run_remove(options: RemoveOptions) -> int:
    """Remove a purpose."""
    name, profile = options.purpose, options.profile
    config = config_file.load()
    if (profile or "", name) not in config.purposes:
        of = sorted(of for of, own in config.purposes if own == name and of)
        there = Hint(("tcenv", "purpose", "list"), "lists them.")
        hint = Hint(("tcenv", "purpose", "remove", name, "--profile", of[0])) if of else there
        raise UsageError(f"There is no purpose {name!r}{f' of {profile}' if profile else ''}.", hint)
    config_file.edit_purpose(None, name, profile)
    config_file.load()
    messages.confirm(f"The purpose {name} is removed.")
    return 0


def _describe(purpose: Purpose) -> dict[str, Any]:
    return {
        "purpose": purpose.name,
        "profile": purpose.profile,
        "scopes": list(purpose.scopes),
        "for": None if purpose.term is None else parse_expires(purpose.term),
    }


def _check_profile(config: config_file.Configuration, profile: str | None) -> None:
    if profile is not None and profile not in config.profiles:
        raise UsageError(f"There is no profile {profile!r}.", Hint(("tcenv", "profile", "list"), "lists them."))


def _check_option(name: str, check: Any, value: Any) -> Any:
    try:
        return check(value)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", error.hint) from None
