"""The house has floors, and imports only go down: a room knows those below it and never those above."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tcenv"
# From the top. Rooms of one line stand side by side, and those of the last know nobody but each other.
FLOORS = (
    ("__main__",),
    ("cli", "prompt_hook"),
    ("hotpath",),
    ("api",),
    ("proxy",),
    ("signin",),
    ("config",),
    ("sessions",),
    ("portholder",),
    ("deployment",),
    ("shells",),
    ("resources", "output", "loopback", "peer", "files", "locks", "paths", "errors", "text", "signals"),
    ("__init__",),
)
HEIGHT = {room: len(FLOORS) - number for number, rooms in enumerate(FLOORS) for room in rooms}
LONGEST = 400


def imports(path: Path) -> list[tuple[int, str]]:
    """The line and the room of each import of tcenv's own in a module."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: imports are written in full"
            names = [f"tcenv.{alias.name}" for alias in node.names] if node.module == "tcenv" else [node.module or ""]
        found += [
            (node.lineno, name.split(".")[1] if "." in name else "__init__")
            for name in names
            if name.split(".")[0] == "tcenv"
        ]
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def climbs(room: str, other: str) -> bool:
    if room == "sandbox" or other == "sandbox":
        return room != other and (room, other) not in (("cli", "sandbox"),)
    # What `tcenv` itself offers (its version) is nobody's to climb to; the Python API and its errors come from there, late.
    return HEIGHT.get(other, 0) > HEIGHT[room] and (room, other) not in (("__init__", "api"), ("__init__", "errors"))


def test_imports_only_go_down() -> None:
    culprits = [
        f"{path.relative_to(PACKAGE)}:{line}: {room_of(path)} imports {other}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, other in imports(path)
        if climbs(room_of(path), other)
    ]
    assert culprits == []


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")}
    assert rooms - set(HEIGHT) == {"sandbox"}


def test_no_module_is_too_long_to_be_read_in_one_sitting() -> None:
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}
