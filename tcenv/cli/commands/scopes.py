"""Carry out `tcenv scopes`: list the scopes of the session."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

from tcenv.cli.acquire import explain_rejection, find_session_and_deadline, resolve_for_sign_in
from tcenv.cli.terminal import messages
from tcenv.config.profile import Overrides
from tcenv.deployment import references
from tcenv.deployment.auth import Deployment
from tcenv.deployment.scopes import covers
from tcenv.errors import CredentialsRejected, DeploymentError, UsageError

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o

# The exit status if the deployment does not tell.
UNKNOWN = 4


class Options(NamedTuple):
    """List the scopes of the session, one on each line.

    Examples:
        tcenv scopes
        tcenv scopes --satisfies 'queue:create-task:highest:*'
        tcenv scopes --method queue.createTask
    """

    profile: o.ProfileArgument = None
    satisfies: o.Satisfies = ()
    method: o.Method = None
    timeout: o.RequestTimeout = None


def run(options: Options) -> int:
    """Print the scopes of the session, one on each line. With --satisfies, tell by the status whether they satisfy others.
    With --method, print the scopes that a method of the API needs."""
    if options.method is not None:
        if options.satisfies:
            raise UsageError("Use either --method or --satisfies.")
        return _print_method(options.method, options)
    held = _read_held_scopes(options)
    if held is None:
        messages.warn("The deployment does not say which scopes this session has.")
        return UNKNOWN
    if options.satisfies:
        return 0 if all(covers(held, scope) for scope in options.satisfies) else 1
    out = messages.get_stdout()
    for scope in sorted(held):
        out.write(scope)
    return 0


def _read_held_scopes(options: Options) -> tuple[str, ...] | None:
    """Return the session's scopes as the deployment tells them, or as it told them at sign-in if it cannot be reached."""
    session, deadline = find_session_and_deadline(options.profile, options.timeout)
    try:
        confirmed = Deployment(session.root_url, deadline=deadline, argument=session.argument).confirm(
            session.credentials
        )
    except CredentialsRejected as rejection:
        raise explain_rejection(session, rejection) from None
    except DeploymentError as error:
        messages.warn(f"Not verified: {error.message}")
        return session.scopes
    return confirmed.scopes if confirmed.scopes is not None else session.scopes


def _print_method(name: str, options: Options) -> int:
    """Print the scopes that a method of the deployment's API needs. Returns the exit status."""
    service, dot, method = name.partition(".")
    if not dot or not method:
        raise UsageError(f"{name!r} is not a method.", "Name a service and a method, such as queue.createTask")
    profile = resolve_for_sign_in(options.profile, Overrides(timeout=options.timeout))
    # The clients' classes are called WorkerManager and PurgeCache.
    service = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", service).lower()
    entries = references.fetch(profile.root_url, service, deadline=time.monotonic() + profile.timeout)
    if entries is None:
        messages.warn(f"{profile.root_url} has no service called {service}.")
        return UNKNOWN
    needed = {entry.name: entry.scopes for entry in entries}
    if method not in needed:
        near = sorted(known for known in needed if method.lower() in known.lower())
        hint = f"Known: {', '.join(near or sorted(needed))}."
        raise UsageError(f"The service {service} has no method {method!r}.", hint)
    out = messages.get_stdout()
    for line in references.describe(needed[method]):
        out.write(line)
    return 0
