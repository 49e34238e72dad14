"""Check the imports: a package imports only those below it, and no two modules import each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tcenv.shells import SHELLS

PACKAGE = Path(__file__).parents[2] / "tcenv"
# From the top, in the order of docs/design.md. Each package and each common module is a layer of its own.
PACKAGES = (
    *("__main__", "hotpath", "cli", "prompt_hook", "api", "remote", "containers", "proxy", "signin", "config"),
    *("sessions", "portholder", "deployment", "shells"),
)
COMMON = (
    *("macos", "output", "loopback", "verbosity", "files", "paths", "locks", "core_dumps", "peer", "resources"),
    *("signals", "errors", "text"),
)
LAYERS = (*PACKAGES, *COMMON, "__init__")
HEIGHT = {package: -number for number, package in enumerate(LAYERS)}
LONGEST = 400
SHORTEST = 30
SHELL_MODULES = {f"tcenv.shells.{shell}" for shell in SHELLS}

MODULES = {
    ".".join(("tcenv", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def find_imports(module: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the module of each import of a tcenv module, also inside functions and for type checkers."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "tcenv")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: write imports in full"
            name = node.module or ""
            if name.split(".")[0] == "tcenv":
                for alias in node.names:
                    yield node.lineno, f"{name}.{alias.name}" if f"{name}.{alias.name}" in MODULES else name


def get_package(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def is_upward(package: str, other: str) -> bool:
    if "sandbox" in (package, other):
        return package != other and (package, other) != ("cli", "sandbox")
    if (package, other) == ("hotpath", "cli"):
        return True
    # `tcenv` itself offers the Python API and its errors, and imports them lazily.
    return HEIGHT[other] > HEIGHT[package] and (package, other) not in (
        ("__init__", "api"),
        ("__init__", "errors"),
    )


def find_import_cycle(graph: dict[str, set[str]]) -> list[str]:
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
        f"{module}:{line}: {get_package(module)} imports {get_package(other)}"
        for module in MODULES
        for line, other in find_imports(module)
        if is_upward(get_package(module), get_package(other))
    ]
    assert culprits == []


def test_every_package_has_a_layer() -> None:
    assert {get_package(module) for module in MODULES} - {"sandbox"} == set(HEIGHT)
    assert len(HEIGHT) == len(LAYERS)


def test_packages_beside_each_other_do_not_import_each_other() -> None:
    assert is_upward("containers", "remote")
    assert is_upward("hotpath", "cli") and is_upward("cli", "hotpath")


def test_the_documentation_lists_the_layers() -> None:
    text = (PACKAGE.parent / "docs/design.md").read_text().partition("## Packages")[2].partition("##")[0]
    assert tuple(re.findall(r"^\| `(\w+)(?:/|\.py)` \|", text, re.MULTILINE)) == (*PACKAGES, "sandbox")
    common = next(line for line in text.splitlines() if line.startswith("| common modules"))
    assert tuple(re.findall(r"`(\w+)`", common)) == COMMON


def test_no_import_cycle() -> None:
    graph = {module: {other for _, other in find_imports(module)} - {module, "tcenv"} for module in MODULES}
    assert find_import_cycle(graph) == []


def test_an_import_cycle_is_found() -> None:
    assert find_import_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_import_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_module_has_more_than_400_lines() -> None:
    long = {
        module: lines for module, path in MODULES.items() if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}


# Why a module has few lines. Python prescribes `__init__.py` and `__main__.py`, and each command and each shell has a module.
SMALL = {
    "tcenv.cli.terminal.job_control": "two commands use it, and no other module knows process groups",
    "tcenv.deployment.patterns": "the port holder uses it too, and imports little",
    "tcenv.portholder.hold_ports": "is a script of its own, which `python -I -S` runs",
    "tcenv.proxy.probe": "`tcenv ssh` uses it without aiohttp",
    "tcenv.resources": "the packages above use it, and it belongs to none of them",
}


def test_a_small_module_has_a_reason() -> None:
    small = {
        module
        for module, path in MODULES.items()
        if path.name not in ("__init__.py", "__main__.py")
        and not module.startswith("tcenv.cli.commands.")
        and module not in SHELL_MODULES
        and len(path.read_text().splitlines()) < SHORTEST
    }
    assert small == set(SMALL)


# A docstring that begins with one of these says what a function is, not what it does (see PEP 257).
NO_VERBS = {
    "a", "all", "an", "any", "both", "each", "every", "everything", "how", "its", "no",
    "nothing", "one", "some", "something", "text", "that", "the", "these", "this", "those", "two",
    "what", "when", "where", "whether", "which", "who", "whose", "why",
}  # fmt: skip


def test_the_docstring_of_a_function_begins_with_a_verb() -> None:
    culprits = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_property(node):
                text = ast.get_docstring(node) or "Do"
                first = text.split()[0].strip(".,:;").lower()
                if first in NO_VERBS or not first.isalpha():
                    culprits.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}: {text.splitlines()[0]}")
    assert culprits == []


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


# The modules of commands that run at prompts: each import counts there (see tests/e2e/test_hot_path.py).
LIGHT = {
    "tcenv", "tcenv.__main__", "tcenv.hotpath", "tcenv.prompt_hook", "tcenv.cli.parsing.plain_reader",
    "tcenv.cli.terminal.exit_status", "tcenv.config.completion_names", "tcenv.errors", "tcenv.files", "tcenv.output",
    "tcenv.paths", "tcenv.peer", "tcenv.portholder.callback_request", "tcenv.portholder.client", "tcenv.proxy.start",
    "tcenv.sessions.expansions", "tcenv.sessions.session_file", "tcenv.sessions.temporary", "tcenv.shells",
    "tcenv.shells.posix", "tcenv.shells.secrets_in_environment", "tcenv.text",
}  # fmt: skip
# Libraries whose import a command can feel, and those that only some systems have.
SLOW = {
    "asyncio", "certifi", "ctypes", "dataclasses", "getpass", "hashlib", "hmac", "html", "http", "jeepney", "json",
    "keyring", "rich", "secrets", "secretstorage", "shellingham", "shutil", "socket", "ssl", "subprocess",
    "taskcluster", "threading", "tomlkit", "tomllib", "traceback", "typer", "urllib.request", "webbrowser",
}  # fmt: skip
OF_SOME_SYSTEMS = {"_hashlib", "fcntl", "msvcrt", "pwd", "resource", "termios"}


def find_late_imports(module: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each import inside a function of `module`."""
    for function in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from list_imports(ast.walk(function))


def list_imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the line and the module of each import among `nodes`. It is tcenv's module rather than its package."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else str(node.module)


def find_libraries(name: str, known: dict[str, set[str]]) -> set[str]:
    """Return the libraries that an import of `name` brings, through tcenv's own modules too."""
    if name not in MODULES:
        return {name, name.partition(".")[0]}
    if name not in known:
        known[name] = set()
        known[name].update(
            *(find_libraries(other, known) for _, other in list_imports(ast.parse(MODULES[name].read_text()).body))
        )
    return known[name]


def test_an_import_inside_a_function_delays_a_slow_library() -> None:
    known: dict[str, set[str]] = {}
    culprits = [
        f"{module}:{line}: move the import of {name} to the top"
        for module in MODULES
        if module not in LIGHT and get_package(module) != "sandbox"
        for line, name in find_late_imports(module)
        if not (find_libraries(name, known) - find_libraries(module, known)) & (SLOW | OF_SOME_SYSTEMS)
    ]
    assert culprits == []


def test_an_import_inside_a_function_is_not_repeated_at_the_top() -> None:
    known: dict[str, set[str]] = {}
    culprits = [
        f"{module}:{line}: {name} is imported at the top already"
        for module in MODULES
        if get_package(module) != "sandbox"
        for line, name in find_late_imports(module)
        if name in find_modules(module, known) - {module}
    ]
    assert culprits == []


def find_modules(name: str, known: dict[str, set[str]]) -> set[str]:
    """Return the modules that an import of `name` brings, itself included, through tcenv's own modules too."""
    if name not in known:
        known[name] = {name}
        if name in MODULES:
            of_package = [name.rpartition(".")[0]] if "." in name else []
            names = [other for _, other in list_imports(ast.parse(MODULES[name].read_text()).body)]
            known[name].update(*(find_modules(other, known) for other in (*of_package, *names)))
    return known[name]


# Further modules of `env`, `login` and `exec`, and those of the port holder, that avoid the slow import of `typing`. On
# Windows, `exec` imports `tcenv.shells.windows`.
WITHOUT_TYPING = {
    "tcenv.config.index", "tcenv.config.live_session", "tcenv.deployment.scopes", "tcenv.deployment.temporary",
    "tcenv.portholder.answers", "tcenv.portholder.claims", "tcenv.portholder.holder", "tcenv.portholder.late_answer",
    "tcenv.portholder.loop", "tcenv.portholder.messages", "tcenv.proxy.background", "tcenv.proxy.child_environment",
    "tcenv.proxy.held_port", "tcenv.proxy.sockets", "tcenv.sessions.name_series", "tcenv.shells.child",
    "tcenv.shells.environment", "tcenv.shells.process", "tcenv.shells.windows", "tcenv.signals",
}  # fmt: skip


def test_only_the_hot_path_avoids_typing() -> None:
    without = {module for module, path in MODULES.items() if "TYPE_CHECKING = False" in path.read_text()}
    allowed = LIGHT | WITHOUT_TYPING | SHELL_MODULES
    assert without - allowed == set()
    assert WITHOUT_TYPING - without == set()
