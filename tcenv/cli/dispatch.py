"""The everyday forms of the commands, carried out without the weight of the full command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tcenv.cli import light

# What a command does with its positional argument and its options by key.
_Action = Callable[[str | None, dict[str, Any]], int]


def _login(profile: str | None, options: dict[str, Any]) -> int:
    from tcenv.cli import login

    return login.run(profile, options)


def _shell(profile: str | None, options: dict[str, Any]) -> int:
    from tcenv.cli import shell

    return shell.run(profile, options)


def _env(profile: str | None, options: dict[str, Any]) -> int:
    from tcenv.cli import env

    return env.run(profile, options.get("shell"), options.get("form"), options.get("scopes", []), options.get("term"))


def _logout(profile: str | None, options: dict[str, Any]) -> int:
    from tcenv.cli import logout

    return logout.run(
        profile,
        delete_client=options.get("delete_client", False),
        everything=options.get("everything", False),
        shell=options.get("shell"),
    )


def _status(profile: str | None, options: dict[str, Any]) -> int:
    from tcenv.cli import status

    return status.run(profile, offline=options.get("offline", False), as_json=options.get("as_json", False))


def _init(shell: str | None, options: dict[str, Any]) -> int:
    from tcenv.cli import init

    return init.run(
        shell or "", hook=not options.get("no_hook", False), completion=not options.get("no_completion", False)
    )


_COMMANDS: dict[str, tuple[light.Table, _Action]] = {
    "login": (light.LOGIN, _login),
    "shell": (light.SHELL, _shell),
    "env": (light.ENV, _env),
    "logout": (light.LOGOUT, _logout),
    "status": (light.STATUS, _status),
    "init": (light.INIT, _init),
}


def run(words: Sequence[str]) -> int | None:
    """Carry out the command line; None for one that the full command line has to judge."""
    command = _exec(words[1:]) if words[0] == "exec" else _other(words)
    if command is None:
        return None
    from tcenv.cli.ending import carry_out

    return carry_out(words, command)


def _other(words: Sequence[str]) -> Callable[[], int] | None:
    if words[0] not in _COMMANDS:
        return None
    table, action = _COMMANDS[words[0]]
    read = light.read(words[1:], table)
    if read is None or read[2] is not None or (words[0] == "init" and read[0] is None):
        return None
    argument, options, _ = read
    return lambda: action(argument, options)


def _exec(words: Sequence[str]) -> Callable[[], int] | None:
    read = light.read(words, light.EXEC)
    if read is None or not read[2]:
        return None
    profile, options, command = read[0], read[1], read[2]

    def execute() -> int:
        from tcenv.cli import execute

        return execute.run(profile, options, command)

    return execute
