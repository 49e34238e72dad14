"""Changes the code one place at a time, in a sample of places with a fixed seed, and runs the tests that should notice.

It changes files of the tree that it is run in, so it wants a clean worktree of its own and puts each file back. Never part of
`make test`: a change that nobody notices costs all tests of its module."""

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
# Seconds until tests that do not end count as having noticed.
PATIENCE = 90
FUZZ = "tests/unit/reliability/test_fuzz.py"
UNNOTICED = "tests/e2e/test_unnoticed.py"
LISTENER = "tests/unit/signin"
STRANGER = "tests/e2e/signin/test_wait.py::test_another_users_process_is_refused_and_the_genuine_answer_still_comes"
THIRTY = "test_thirty_days_on_two_machines_with_two_profiles_each"

# Each module with how many of its places are changed, and the tests that are run for it: those first that notice soonest.
MODULES: dict[str, tuple[int, tuple[str, ...]]] = {
    "tcenv/portholder/callback_request.py": (14, (FUZZ, UNNOTICED, LISTENER)),
    "tcenv/signin/listener.py": (22, (FUZZ, UNNOTICED, LISTENER, STRANGER)),
    "tcenv/sessions/session_file.py": (
        14,
        (FUZZ, UNNOTICED, "tests/e2e/test_store_contract.py", "tests/e2e/test_sessions.py"),
    ),
    "tcenv/sessions/directory_store.py": (
        8,
        (FUZZ, UNNOTICED, "tests/e2e/test_store_contract.py", "tests/e2e/test_sessions.py"),
    ),
    "tcenv/config/index.py": (14, (FUZZ, UNNOTICED, "tests/e2e/test_which.py", "tests/e2e/test_hot_path.py")),
    "tcenv/config/live_session.py": (14, (FUZZ, UNNOTICED, "tests/e2e/test_which.py", "tests/e2e/test_hot_path.py")),
    "tcenv/hotpath.py": (8, (FUZZ, UNNOTICED, "tests/e2e/test_which.py", "tests/e2e/test_hot_path.py")),
    "tcenv/sessions/stores.py": (
        6,
        (UNNOTICED, "tests/e2e/test_store_contract.py", "tests/e2e/test_which.py", "tests/e2e/test_places.py"),
    ),
    "tcenv/signin/client_names.py": (
        10,
        (UNNOTICED, "tests/e2e/test_names.py", "--deselect=tests/e2e/test_names.py::" + THIRTY),
    ),
    "tcenv/signin/flow.py": (8, (UNNOTICED, "tests/e2e/test_login.py", "tests/e2e/signin/test_wait.py")),
    "tcenv/signin/reset.py": (
        8,
        (
            UNNOTICED,
            "tests/e2e/signin/test_reset.py",
        ),
    ),
    "tcenv/signin/approval.py": (8, (UNNOTICED, "tests/e2e/signin/test_wait.py", "tests/e2e/test_login.py")),
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


def changed(node: ast.AST) -> str | None:
    """The source of `node` with one change in it, None where there is none to make."""
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


def places(source: str) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """What can be changed in `source`, in its order, and to what. Annotations, and what type checkers alone see, are left out."""
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
            # Positions in these are not to be relied on before Python 3.12.
            case ast.JoinedStr():
                parts = list(node.values)
        left_out.update(id(inner) for part in parts if part for inner in ast.walk(part))
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr) and id(node) not in left_out and (to := changed(node)):
            yield node, to


def replaced(source: str, node: ast.stmt | ast.expr, to: str) -> str:
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno and node.end_col_offset is not None
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (before + to.encode() + after).decode()


def noticed(tests: tuple[str, ...]) -> str | None:
    """The test that fails now; None where all pass."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--tb=no",
        "-p",
        "no:xonsh",
        "-p",
        "no:cacheprovider",
        *tests,
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        try:
            out, _ = run.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            run.kill()
            return "tests that did not end"
    found = re.search(r"^(?:FAILED|ERROR) (\S+?)(?:\[|\s|$)", out, re.MULTILINE)
    return found[1] if found else None if run.returncode == 0 else f"pytest, status {run.returncode}"


class Trial(NamedTuple):
    """A change: the module's source before and after it, where it is, and of how many places."""

    module: str
    source: str
    changed: str
    line: int
    was: str | None
    to: str
    places: int


def sample() -> list[Trial]:
    """Return the changes of the sample, a place of each module in turn."""
    found = []
    for module, (count, _) in MODULES.items():
        source = (ROOT / module).read_text(encoding="utf-8")
        every = list(places(source))
        for number, (node, to) in enumerate(random.Random(SEED).sample(every, min(count, len(every)))):
            was = ast.get_source_segment(source, node)
            trial = Trial(module, source, replaced(source, node, to), node.lineno, was, to, len(every))
            found.append((number, trial))
    return [trial for _, trial in sorted(found, key=lambda one: one[0])]


def list_known() -> list[Trial]:
    """Return the changes of `known_changes`. Raises ValueError where today's code does not have one of them."""
    found = []
    for module, was, to in KNOWN:
        source = (ROOT / module).read_text(encoding="utf-8")
        if source.count(was) != 1:
            raise ValueError(f"{module} has {source.count(was)} of {was}")
        line = source[: source.index(was)].count("\n") + 1
        found.append(Trial(module, source, source.replace(was, to), line, was, to, len(KNOWN)))
    return found


def main(results: Path, seconds: float, known: bool) -> None:
    """Make one change after the other for as long as `seconds` last, and note which test noticed."""
    end = time.monotonic() + seconds
    for trial in list_known() if known else sample():
        if time.monotonic() > end:
            return
        path = ROOT / trial.module
        path.write_text(trial.changed, encoding="utf-8")
        began = time.monotonic()
        try:
            by = noticed(MODULES[trial.module][1])
        finally:
            path.write_text(trial.source, encoding="utf-8")
        note = {
            "module": trial.module, "line": trial.line, "places": trial.places, "by": by,
            "was": trial.was, "is": trial.to, "seconds": round(time.monotonic() - began),
        }  # fmt: skip
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")


if __name__ == "__main__":
    # Where to note what was found, how long to go on, and whether to make the known changes instead of a sample.
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:] == ["known"])
