"""The everyday forms of the commands that end in a browser or in another program, carried out without the weight of the full
command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcenv.cli import arguments


def run(words: Sequence[str]) -> int | None:
    """Carry out `login`, `exec` or `shell`; None for a form that the full command line has to judge."""
    command = _command(words[0], words[1:])
    if command is None:
        return None
    from tcenv.cli.outcome import carry_out

    return carry_out(words, command)


def _command(name: str, words: Sequence[str]) -> Callable[[], int] | None:
    table = {"login": arguments.LOGIN, "exec": arguments.EXEC, "shell": arguments.SHELL}.get(name)
    read = arguments.read(words, table) if table is not None else None
    if read is None:
        return None
    profile, options, behind = read
    if name == "exec":
        if not behind:
            return None

        def execute() -> int:
            from tcenv.cli import execute as command

            return command.run(profile, options, behind)

        return execute
    if behind is not None:
        return None

    def login_or_shell() -> int:
        if name == "login":
            from tcenv.cli import login

            return login.run(profile, options)
        from tcenv.cli import shell

        return shell.run(profile, options)

    return login_or_shell
