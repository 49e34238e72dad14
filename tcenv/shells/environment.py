"""A session as a change to the environment: {variable: value, or None to unset it}, in the order in which it is applied.
Must stay importable for next to nothing (hot path)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_URL = "TASKCLUSTER_ROOT_URL"
CLIENT_ID = "TASKCLUSTER_CLIENT_ID"
ACCESS_TOKEN = "TASKCLUSTER_ACCESS_TOKEN"  # noqa: S105 - the variable's name
CERTIFICATE = "TASKCLUSTER_CERTIFICATE"
PROFILE = "TCENV_PROFILE"
EXPIRES = "TCENV_EXPIRES"

VARIABLES = (ROOT_URL, CLIENT_ID, ACCESS_TOKEN, CERTIFICATE, PROFILE, EXPIRES)


def loading(values: Mapping[str, str]) -> dict[str, str | None]:
    """The change that loads the credentials in `values`, which is keyed by variable.

    A variable without a value is unset: a certificate left over beside permanent credentials makes every call fail."""
    return {variable: values.get(variable) for variable in VARIABLES}


def unloading() -> dict[str, str | None]:
    """The change that removes whatever was loaded."""
    return dict.fromkeys(VARIABLES)


def applied(change: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """A copy of `environ` with the change made, for a child process."""
    result = {name: value for name, value in environ.items() if name not in change}
    result.update((name, value) for name, value in change.items() if value is not None)
    return result
