"""A change to the environment for what is not a shell: JSON, dotenv, GitHub's workflow files, systemd units."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tcenv.errors import TcenvError, UsageError
from tcenv.shells import environment

FORMATS = ("json", "dotenv", "github", "systemd", "taskcluster")


def render(change: Mapping[str, str | None], form: str) -> str:
    """The text of `change` in `form`; variables without a value are left out. For `github` inside of a workflow the
    variables go to the file that `GITHUB_ENV` names, and the text is what masks the secrets in the log.

    Raises UsageError for an unknown form."""
    # What is not a shell has nothing to go back to.
    values = {name: value for name, value in change.items() if value is not None and name != environment.LOADED}
    if form == "json":
        import json

        return json.dumps(values, indent=2) + "\n"
    if form == "taskcluster":
        import json

        return json.dumps(_for_clients(values), indent=2) + "\n"
    if form == "dotenv":
        # docker takes everything behind the = as it is, and dotenv readers take a plain word so too.
        return _lines(values)
    if form == "systemd":
        return "".join(f'{name}="{_systemd(value)}"\n' for name, value in values.items())
    if form == "github":
        return _github(values)
    raise UsageError(f"{form!r} is not a format.", f"Accepted: {', '.join(FORMATS)}.")


def _for_clients(values: Mapping[str, str]) -> dict[str, object]:
    """What Taskcluster's clients are made with."""
    credentials = {
        "clientId": values[environment.CLIENT_ID],
        "accessToken": values[environment.ACCESS_TOKEN],
        "certificate": values.get(environment.CERTIFICATE),
    }
    return {"rootUrl": values[environment.ROOT_URL], "credentials": {k: v for k, v in credentials.items() if v}}


def _lines(values: Mapping[str, str]) -> str:
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            raise UsageError(f"{name} holds a line break, which this format cannot carry.")
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _systemd(value: str) -> str:
    return "".join("\\" + character if character in '"\\`$' else character for character in value)


def _github(values: Mapping[str, str]) -> str:
    secrets = [values[name] for name in (environment.ACCESS_TOKEN, environment.CERTIFICATE) if name in values]
    masks = "".join(f"::add-mask::{_github_data(secret)}\n" for secret in secrets)
    path = os.environ.get("GITHUB_ENV")
    if not path:
        return masks + _lines(values)
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(_lines(values))
    except OSError as error:
        raise TcenvError(f"The file that GITHUB_ENV names cannot be written: {error.strerror}.") from None
    return masks


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
