"""Change the code at one place at a time, in a sample with a fixed seed, and run the tests that should notice.

Run it in a clean worktree of its own: it changes files, and restores each. It is no part of `make test`, because a change that
no test notices costs all tests of its module."""

from __future__ import annotations

import ast
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.reliability.known_changes import KNOWN

ROOT = Path(__file__).parents[2]
SEED = 20261124
# After this many seconds, tests that do not end have noticed the change.
TIMEOUT = 90
FUZZ = "tests/unit/reliability/test_fuzz.py"
LISTENER = "tests/unit/signin"
ANOTHER_USER = "tests/e2e/signin/test_wait.py::test_another_users_process_is_refused_and_the_wait_goes_on"
SESSION_FILES = "tests/e2e/test_session_files.py"
STORES = "tests/e2e/test_store_contract.py"
HOT_PATH = ("tests/e2e/test_purposes.py", "tests/e2e/test_resolve_deployment.py", "tests/e2e/test_hot_path.py")
NAMES = "tests/e2e/test_client_names.py"
LONG = f"--deselect={NAMES}::test_each_machine_and_profile_keeps_its_client_for_thirty_days"

# Each module with the number of changes, and the tests for it. Those that notice soonest come first.
MODULES: dict[str, tuple[int, tuple[str, ...]]] = {
    "tcenv/portholder/callback_request.py": (14, (FUZZ, LISTENER)),
    "tcenv/signin/listener.py": (22, (FUZZ, LISTENER, ANOTHER_USER)),
    "tcenv/sessions/session_file.py": (14, (FUZZ, SESSION_FILES, STORES)),
    "tcenv/sessions/directory_store.py": (8, (FUZZ, SESSION_FILES, STORES)),
    "tcenv/config/index.py": (14, (FUZZ, *HOT_PATH)),
    "tcenv/config/live_session.py": (14, (FUZZ, *HOT_PATH)),
    "tcenv/hotpath.py": (8, (FUZZ, *HOT_PATH)),
    "tcenv/sessions/stores.py": (6, (SESSION_FILES, STORES, HOT_PATH[1], "tests/e2e/test_store_choice.py")),
    "tcenv/signin/client_names.py": (10, ("tests/unit/signin/test_client_names.py", NAMES, LONG)),
    "tcenv/signin/flow.py": (
        8,
        ("tests/unit/signin/test_flow.py", "tests/e2e/test_login.py", "tests/e2e/signin/test_wait.py"),
    ),
    "tcenv/signin/reset.py": (8, ("tests/unit/signin/test_flow.py", "tests/e2e/signin/test_reset.py")),
    "tcenv/signin/approval.py": (8, ("tests/e2e/signin/test_wait.py", NAMES, LONG, "tests/e2e/test_login.py")),
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


def change(node: ast.AST) -> str | None:
    """Return the source of `node` with one change, or None if no change applies."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            return f"({ast.unparse(ast.Compare(node.left, [COMPARISONS[type(op)]()], node.comparators))})"
        case ast.BoolOp():
            return f"({ast.unparse(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))})"
        case ast.UnaryOp(op=ast.Not()):
            return f"({ast.unparse(node.operand)})"
        case ast.IfExp():
            return f"({ast.unparse(ast.IfExp(node.test, node.orelse, node.body))})"
        case ast.Constant(value=bool()):
            return repr(not node.value)
        case ast.Constant(value=int()):
            return repr(node.value + 1)  # type: ignore[operator]
        case ast.Return(value=ast.expr()) if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            return "return None"
        case ast.Raise() | ast.Expr(value=ast.Call()):
            return "pass"
    return None


def find_changes(source: str) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """Yield each place that can be changed, and its new source. Skip annotations, and code that only type checkers see."""
    tree = ast.parse(source)
    left_out: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                parts = list(node.body)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                parts = [
                    node.returns,
                    *node.decorator_list,
                    *(argument.annotation for argument in ast.walk(node.args) if isinstance(argument, ast.arg)),
                ]
            case ast.AnnAssign():
                parts = [node.annotation]
            # Before Python 3.12, positions in these are unreliable.
            case ast.JoinedStr():
                parts = list(node.values)
        left_out.update(id(inner) for part in parts if part for inner in ast.walk(part))
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr) and id(node) not in left_out and (to := change(node)):
            yield node, to


def replace(source: str, node: ast.stmt | ast.expr, to: str) -> str:
    """Return the source with `to` in the place of `node`."""
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno and node.end_col_offset is not None
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (before + to.encode() + after).decode()


def run_tests(tests: tuple[str, ...]) -> str | None:
    """Return the first test that fails, or None if all pass."""
    options = ["-q", "-x", "--tb=no", "-p", "no:xonsh", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        try:
            out, _ = run.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            run.kill()
            return "tests that did not end"
    found = re.search(r"^(?:FAILED|ERROR) (\S+?)(?:\[|\s|$)", out, re.MULTILINE)
    return found[1] if found else None if run.returncode == 0 else f"pytest, status {run.returncode}"


class Trial(NamedTuple):
    """A change: the source of the module before and after it, its place, and the number of all places."""

    module: str
    source: str
    changed: str
    line: int
    was: str | None
    to: str
    places: int


def make_sample() -> list[Trial]:
    """Return the changes of the sample, one of each module in turn."""
    found = []
    for module, (count, _) in MODULES.items():
        source = (ROOT / module).read_text(encoding="utf-8")
        every = list(find_changes(source))
        for number, (node, to) in enumerate(random.Random(SEED).sample(every, min(count, len(every)))):
            was = ast.get_source_segment(source, node)
            trial = Trial(module, source, replace(source, node, to), node.lineno, was, to, len(every))
            found.append((number, trial))
    return [trial for _, trial in sorted(found, key=lambda one: one[0])]


def list_known() -> list[Trial]:
    """Return the changes of `known_changes`. Raises ValueError if the current code lacks one of them."""
    found = []
    for module, was, to in KNOWN:
        source = (ROOT / module).read_text(encoding="utf-8")
        if source.count(was) != 1:
            raise ValueError(f"{module} has {source.count(was)} of {was}")
        line = source[: source.index(was)].count("\n") + 1
        found.append(Trial(module, source, source.replace(was, to), line, was, to, len(KNOWN)))
    return found


def main(results: Path, seconds: float, known: bool) -> None:
    """Make the changes for `seconds`, and write to `results` which test noticed each."""
    end = time.monotonic() + seconds
    for trial in list_known() if known else make_sample():
        if time.monotonic() > end:
            return
        path = ROOT / trial.module
        path.write_text(trial.changed, encoding="utf-8")
        began = time.monotonic()
        try:
            by = run_tests(MODULES[trial.module][1])
        finally:
            path.write_text(trial.source, encoding="utf-8")
        note = {
            "module": trial.module, "line": trial.line, "places": trial.places, "by": by,
            "was": trial.was, "is": trial.to, "seconds": round(time.monotonic() - began),
        }  # fmt: skip
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:] == ["known"])
