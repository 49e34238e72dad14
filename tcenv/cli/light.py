"""Reading the everyday command lines without the full command line's weight: what is typed often, runs in start-up files or
ends in a browser is under way before Typer would have been imported.

What is not plain here (help, an unknown option, a missing value) is None, and the full command line has the word. A test
holds these tables against the declarations in `app`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Table = Mapping[str, tuple[str, str]]

# option -> (key, kind); the keys are those of the configuration file where there is one.
SIGN_IN: Table = {
    "--root-url": ("root_url", "text"),
    "--name": ("name", "text"),
    "--scope": ("scopes", "list"),
    "--expires": ("expires", "text"),
    "--description": ("description", "text"),
    "--reset": ("reset", "flag"),
    "--flow": ("flow", "text"),
    "--port": ("port", "number"),
    "--timeout": ("timeout", "text"),
    "--browser": ("browser", "text"),
    "--no-browser": ("no_browser", "flag"),
}
LOGIN = {**SIGN_IN, "--shell": ("shell", "text")}
EXEC = {**SIGN_IN, "--for": ("duration", "text"), "--no-login": ("no_login", "flag")}
SHELL = {**EXEC, "--shell": ("shell", "text")}
ENV = {
    "--shell": ("shell", "text"),
    "--format": ("form", "text"),
    "--scope": ("scopes", "list"),
    "--for": ("term", "text"),
}
LOGOUT = {
    "--delete-client": ("delete_client", "flag"),
    "--all": ("everything", "flag"),
    "--shell": ("shell", "text"),
}
STATUS = {"--offline": ("offline", "flag"), "--json": ("as_json", "flag")}
INIT = {"--no-hook": ("no_hook", "flag"), "--no-completion": ("no_completion", "flag")}


def read(arguments: Sequence[str], table: Table) -> tuple[str | None, dict[str, Any], list[str] | None] | None:
    """The profile, the options by key, and the command behind `--` (None without one); None for what is not plain."""
    profile = None
    values: dict[str, Any] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return profile, values, list(rest)
        if not argument.startswith("-"):
            if profile is not None:
                return None
            profile = argument
            continue
        option, equals, value = argument.partition("=")
        if option not in table:
            return None
        key, kind = table[option]
        if kind == "flag":
            if equals:
                return None
            values[key] = True
            continue
        text = value if equals else next(rest, None)
        if text is None or (not equals and text.startswith("-")):
            return None
        if kind == "list":
            values.setdefault(key, []).append(text)
        elif kind == "number":
            if not text.isdecimal():
                return None
            values[key] = int(text)
        else:
            values[key] = text
    return profile, values, None
