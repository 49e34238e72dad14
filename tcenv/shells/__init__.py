"""The dialects: each shell is one small file that turns a change to the environment into statements. They know variables,
never sessions. Must stay importable for next to nothing (hot path).

A dialect is a module with `statements(change)`, the text that sets and unsets (None) the variables of `change` in order, and
`failure()`, a statement that makes the evaluation fail and changes nothing; `quote(text)` is how it writes one value."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Dialect(Protocol):
        """What a dialect's module offers."""

        def quote(self, text: str) -> str:
            """One value as the shell reads it. Raises Unrepresentable."""

        def statements(self, change: Mapping[str, str | None]) -> str:
            """The statements that make `change`. Raises Unrepresentable."""

        def failure(self) -> str:
            """A statement that fails."""


# canonical name -> module, then the names that mean the same
_MODULES = {
    "bash": "bash",
    "zsh": "zsh",
    "sh": "sh",
    "ksh": "ksh",
    "mksh": "mksh",
    "yash": "yash",
    "fish": "fish",
    "tcsh": "tcsh",
    "elvish": "elvish",
    "nu": "nu",
    "xonsh": "xonsh",
    "powershell": "powershell",
    "cmd": "cmd",
}
SHELLS = tuple(_MODULES)
ALIASES = {
    "dash": "sh",
    "ash": "sh",
    "busybox": "sh",
    "posix": "sh",
    "ksh93": "ksh",
    "csh": "tcsh",
    "nushell": "nu",
    "pwsh": "powershell",
}


class Unrepresentable(ValueError):
    """A value that this shell cannot carry, such as a newline in cmd; the text says which kind, not the value."""


def canonical(name: str) -> str:
    """The name under which a shell is known here. Raises UsageError."""
    found = ALIASES.get(name, name)
    if found not in _MODULES:
        from tcenv.errors import UsageError

        raise UsageError(f"tcenv does not speak the shell {name!r}.", f"It speaks: {', '.join((*SHELLS, *ALIASES))}.")
    return found


def dialect(name: str) -> Dialect:
    """The dialect of the shell called `name`. Raises UsageError."""
    module = f"tcenv.shells.{_MODULES[canonical(name)]}"
    # `importlib` is a package of many modules; this is what its import_module comes down to.
    return __import__(module, fromlist=("statements",))


def checked(text: str) -> str:
    """`text`, if any environment could hold it. Raises Unrepresentable."""
    if "\0" in text:
        raise Unrepresentable("a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Unrepresentable("half of a surrogate pair")
    return text
