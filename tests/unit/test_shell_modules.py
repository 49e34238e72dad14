"""Check that only tcenv/shells/ knows shells by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tcenv.shells import ALIASES, PROGRAMS, SHELLS

PACKAGE = Path(__file__).parents[2] / "tcenv"
# Python uses `posix` for a kind of system.
NAMES = {*SHELLS, *ALIASES, *PROGRAMS} - {"sh", "posix"}


def find_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each place that compares something with a shell's name, or maps it to a value."""
    for node in ast.walk(tree):
        texts: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                texts += side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        elif isinstance(node, ast.Dict):
            texts += node.keys
        elif isinstance(node, ast.MatchValue):
            texts.append(node.value)
        for text in texts:
            if isinstance(text, ast.Constant) and text.value in NAMES:
                yield text.lineno, text.value


def test_no_other_module_compares_the_name_of_a_shell() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent.name != "shells" or path.stem not in SHELLS
        for line, name in find_uses(ast.parse(path.read_text()))
        if path != PACKAGE / "shells" / "__init__.py"
    ]
    assert found == []
