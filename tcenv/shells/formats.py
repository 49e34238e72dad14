"""Write a change to the environment for programs that are not shells: JSON, environment files, GitHub's workflow files, systemd
units."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from tcenv.errors import TcenvError, UsageError
from tcenv.shells import environment

FORMATS = ("json", "dotenv", "docker", "github", "systemd", "taskcluster")

# Matches all but the characters that every reader of environment files takes literally, and those of JSON's own syntax. A
# character that matches stands in a string, where JSON has another spelling for it.
_NOT_PLAIN = re.compile(r"""\\.|[^A-Za-z0-9 _./:,+=@%*()<>~^?\[\]{}"-]""", re.S)


def render(change: Mapping[str, str | None], form: str) -> str:
    """Return the text of `change` in the format `form`. Leaves out variables without a value. For `github` inside a
    workflow the text only masks the secrets in the log: print it before you call `append_to_workflow`.

    Raises UsageError for an unknown form, and for a value that the form cannot carry."""
    values = _list_values(change)
    if form == "json":
        return json.dumps(values, indent=2) + "\n"
    if form == "taskcluster":
        return json.dumps(_rename_for_clients(values), indent=2) + "\n"
    if form == "github":
        return _render_for_github(values)
    values = {name: _respell(value) for name, value in values.items()}
    if form == "docker":
        return _render_lines(values)
    if form == "dotenv":
        return _render_quoted_lines(values)
    if form == "systemd":
        return "".join(f'{name}="{_quote_for_systemd(value)}"\n' for name, value in values.items())
    raise UsageError(f"{form!r} is not a format.", f"Accepted: {', '.join(FORMATS)}.")


def append_to_workflow(change: Mapping[str, str | None]) -> None:
    """Append `change` to the file that `GITHUB_ENV` names, if it names one. The runner may show each value from then
    on, so print the masks first."""
    path = os.environ.get("GITHUB_ENV")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(_render_lines(_list_values(change)))
    except OSError as error:
        raise TcenvError(f"The file that GITHUB_ENV names cannot be written: {error.strerror}.") from None


def _list_values(change: Mapping[str, str | None]) -> dict[str, str]:
    # LOADED tells which choice to restore, and only a shell does that.
    return {name: value for name, value in change.items() if value is not None and name != environment.LOADED}


def _rename_for_clients(values: Mapping[str, str]) -> dict[str, object]:
    """Return the options of Taskcluster's clients."""
    credentials = {
        "clientId": values[environment.CLIENT_ID],
        "accessToken": values[environment.ACCESS_TOKEN],
        "certificate": values.get(environment.CERTIFICATE),
    }
    return {"rootUrl": values[environment.ROOT_URL], "credentials": {k: v for k, v in credentials.items() if v}}


def _respell(value: str) -> str:
    r"""Return a certificate's JSON with `\u00XX` in place of each character that some reader of environment files does not
    take literally (`$`, `#`, quotes, backslashes). Returns other text unchanged."""
    if not value.startswith("{"):
        return value
    try:
        text = json.dumps(json.loads(value), separators=(",", ":"))
    except ValueError:
        return value
    return _NOT_PLAIN.sub(lambda found: _escape(found[0]), text)


def _escape(found: str) -> str:
    """Escape one character of a JSON string, which may be written as an escape already."""
    if found.startswith("\\u"):
        return found
    character = json.loads(f'"{found}"') if found.startswith("\\") else found
    return f"\\u{ord(character):04x}"


def _render_lines(values: Mapping[str, str]) -> str:
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            raise UsageError(f"{name} holds a line break, which this format cannot carry.")
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _render_quoted_lines(values: Mapping[str, str]) -> str:
    """Put each value in single quotes, where every reader takes each character literally."""
    for name, value in values.items():
        if "'" in value:
            raise UsageError(f"{name} holds a quotation mark, which this format cannot carry.")
    return _render_lines({name: f"'{value}'" for name, value in values.items()})


def _quote_for_systemd(value: str) -> str:
    return "".join("\\" + character if character in '"\\`$' else character for character in value)


def _render_for_github(values: Mapping[str, str]) -> str:
    secrets = [values[name] for name in environment.SECRETS if values.get(name)]
    masks = "".join(f"::add-mask::{_escape_for_github(secret)}\n" for secret in secrets)
    lines = _render_lines(values)
    return masks if os.environ.get("GITHUB_ENV") else masks + lines


def _escape_for_github(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
