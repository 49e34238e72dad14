"""Make the table of docs/shells.md from the tests' own tables.

`python -m tests.shells_table` writes it, and a test checks it."""

from __future__ import annotations

from pathlib import Path

from tcenv.shells import load_shell
from tests.docs import tables
from tests.e2e import test_keyring
from tests.shells import test_completion, test_hook_in_a_terminal, test_powershell
from tests.shells.interactive import WITH_CLOCK, WITH_HOOK
from tests.shells.real import HOOKED, SHELLS
from tests.shells.versions import find_range

PAGE = Path(__file__).parent.parent / "docs" / "shells.md"


def _make_cells(name: str) -> list[str]:
    function = {*WITH_HOOK, *test_hook_in_a_terminal.WITH_FUNCTION}
    completion = {
        attribute.removeprefix("test_").split("_")[0]
        for attribute in dir(test_completion)
        if attribute.startswith("test_")
    }
    if hasattr(test_powershell, "test_completion"):
        completion.add("powershell")
    completion = {"nu" if shell == "nushell" else shell for shell in completion}
    oldest, newest = find_range(name)
    if name == "powershell":
        oldest, newest = f"{load_shell(name).minimum_version} by its words, 7.6 run", "7.6"
    if name == "bash":
        oldest = f"{load_shell(name).minimum_version} by its words, {oldest} run"
    hook = "—"
    if name in WITH_HOOK:
        hook = "heals, unloads, tells the end" if name in WITH_CLOCK else "heals, unloads"
        if name in test_hook_in_a_terminal.FORKLESS:
            hook += "; no process, traced"
    follows = name in {test_keyring.IN_A_TERMINAL, *(shell.name for shell in HOOKED)}
    kept = ("reset, logout, end" if name in WITH_CLOCK else "reset, logout") if follows else "—"
    marks = ["yes" if name in shells else "—" for shells in (function, completion)]
    return [oldest or "—", newest or "—", "yes", "yes", "yes", marks[0], hook, kept, marks[1]]


def make_table() -> str:
    """Return the current table."""
    head = (
        *("shell", "oldest", "newest", "exports", "unset", "fail", "function", "hook", "from the keyring"),
        "completion",
    )
    names = {"sh": "dash", "busybox": "busybox sh", "ksh": "ksh93", "csh": "csh (BSD)", "nu": "nushell"}
    names["powershell"] = "PowerShell"
    rows = [[names.get(shell.name, shell.name), *_make_cells(shell.name)] for shell in SHELLS]
    return tables.render_table(head, [*rows, ["cmd", "—", "—", *["text only"] * 3, *["—"] * 4]])


def replace_table(page: str) -> str:
    """Return `page` with the current table."""
    return tables.replace_table(page, "tests.shells_table", make_table())


if __name__ == "__main__":
    PAGE.write_text(replace_table(PAGE.read_text()))
