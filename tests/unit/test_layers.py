"""Imports go one way: a package knows those below it and never those above, and no two modules import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tcenv"
# From the top. Packages on one line stand side by side; those on the last know nothing but each other.
LAYERS = (
    ("__main__",),
    ("hotpath", "cli"),
    ("prompt_hook",),
    ("api",),
    ("proxy",),
    ("signin",),
    ("config",),
    ("sessions",),
    ("portholder",),
    ("deployment",),
    ("shells",),
    ("resources", "output", "core_dumps", "loopback", "peer", "files", "locks", "paths", "errors", "text", "signals"),
    ("__init__",),
)
HEIGHT = {package: len(LAYERS) - number for number, packages in enumerate(LAYERS) for package in packages}
LONGEST = 400

MODULES = {
    ".".join(("tcenv", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(module: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the module of each import of tcenv's own, also inside functions and for type checkers."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "tcenv")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: write imports in full"
            name = node.module or ""
            if name.split(".")[0] == "tcenv":
                for alias in node.names:
                    yield node.lineno, f"{name}.{alias.name}" if f"{name}.{alias.name}" in MODULES else name


def package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def climbs(package: str, other: str) -> bool:
    if "sandbox" in (package, other):
        return package != other and (package, other) != ("cli", "sandbox")
    # `tcenv` itself offers the Python API and its errors, and imports them when somebody asks for them.
    return HEIGHT.get(other, 0) > HEIGHT[package] and (package, other) not in (
        ("__init__", "api"),
        ("__init__", "errors"),
    )


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle of imports in `graph`, the first module again at the end; empty if there is none."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            for other in sorted(graph.get(module, ())):
                found = walk(other, [*path, module])
                if found:
                    return found
            done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := walk(module, []))), [])


def test_imports_only_go_down() -> None:
    culprits = [
        f"{module}:{line}: {package_of(module)} imports {package_of(other)}"
        for module in MODULES
        for line, other in imports(module)
        if climbs(package_of(module), package_of(other))
    ]
    assert culprits == []


def test_every_package_has_a_layer() -> None:
    assert {package_of(module) for module in MODULES} - set(HEIGHT) == {"sandbox"}


def test_no_circle_of_imports() -> None:
    graph = {module: {other for _, other in imports(module)} - {module, "tcenv"} for module in MODULES}
    assert circle(graph) == []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_module_is_too_long_to_be_read_in_one_sitting() -> None:
    long = {
        module: lines for module, path in MODULES.items() if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}
