"""What the shells of the Bourne family share. Newlines only stand where a blank would do, so that an unquoted
`eval $(tcenv login)`, which turns them into blanks, reads the same."""

from __future__ import annotations

from tcenv.shells import checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def quote(text: str) -> str:
    """`text` in single quotes, inside of which only their own end is special."""
    return "'" + checked(text).replace("'", "'\\''") + "'"


def statements(change: Mapping[str, str | None]) -> str:
    """Each waits for the one before: a read-only variable stops them all and fails the evaluation, instead of leaving the
    old root URL beside a new token. Backslashes keep the user's aliases away from the builtins; `-v` keeps functions of
    these names alive."""
    steps = []
    for name, value in change.items():
        # What the variable was, an array or upper case (`typeset -u`), would change the value or keep it from programs.
        steps.append(f"\\unset -v {name}")
        if value is not None:
            # The value is not export's own argument: `set -k` would take that away, and export without arguments prints
            # the environment.
            steps += [f"\\export {name}", *_assignments(name, value)]
    return " &&\n".join(steps) + ";\n" if steps else ""


def _assignments(name: str, value: str) -> list[str]:
    """An IPv6 address has brackets, and a word with both is a pattern of file names to an unquoted eval, quotes or not;
    `nullglob` would take it away. So they do not stand in the same word."""
    if "[" not in value:
        return [f"{name}={quote(value)}"]
    first, *rest = value.split("]")
    return [f"{name}={quote(first)}", *(f'{name}="${name}"{quote("]" + part)}' for part in rest)]


def failure() -> str:
    return "\\false;\n"
