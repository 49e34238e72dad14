"""Test .ci/locks.py, which checks the locked dependencies: it passes here, and fails if something is not locked."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
Check = Callable[[Path], tuple[int, str]]
LOCKED = (
    "requirements.txt",
    "requirements-build.txt",
    "requirements-dev.txt",
    "requirements-release.txt",
    "requirements-wine.txt",
)
# Each is in two parts, because the check reads this file too.
INDEX = "--" + "index-url https://packages.example/simple"
EXTRA = "--" + "extra-index-url=https://packages.example/simple"
AT_NPM = "registry" + "=https://packages.example/"
FOUND_AT = '"resolved"' + ': "https://packages.example/a.tgz"'


_spec = importlib.util.spec_from_file_location("locks", CHECKOUT / ".ci/locks.py")
assert _spec and _spec.loader
locks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(locks)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the files that the check reads."""
    for name in (".ci", ".github"):
        if (CHECKOUT / name).exists():
            shutil.copytree(CHECKOUT / name, tmp_path / name)
    for name in (*LOCKED, "pyproject.toml", "Makefile"):
        shutil.copy(CHECKOUT / name, tmp_path)
    return tmp_path


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that runs the check on a checkout, and returns its status and output."""

    def run(checkout: Path) -> tuple[int, str]:
        status = locks.main(["check"], checkout)
        return int(status), capsys.readouterr().out

    return run


def test_this_checkout_passes(check: Check) -> None:
    assert check(CHECKOUT) == (0, "")


def test_make_check_runs_it() -> None:
    recipe = (CHECKOUT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    assert ".ci/locks.py check" in recipe


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("requirements-dev.txt", INDEX),
        ("requirements.txt", EXTRA),
        ("Makefile", f"\tpip install {INDEX} tcenv"),
        (".npmrc", AT_NPM),
        (".ci/npm/tools/.npmrc", f"@scope:{AT_NPM}"),
        (".ci/npm/tools/package-lock.json", FOUND_AT),
        (".ci/install", f"npm install --{AT_NPM}"),
        (".ci/run", "export PIP_" + "INDEX_URL=https://packages.example/simple"),
        (".github/workflows/ci.yml", f"      - run: pip install {EXTRA} tcenv"),
        (".npmrc", "registry" + " = ${HERE}"),
        ("bench/fetch.py", f'run("npm", "{AT_NPM}")'),
        ("deep/folder/fetch.sh", f"pip install {INDEX} tcenv"),
    ],
)
def test_a_named_index_fails_it(checkout: Path, check: Check, name: str, line: str) -> None:
    assert check(checkout) == (0, "")
    path = checkout / name
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text().splitlines() if path.exists() else []
    if name.endswith(".json"):
        before[2:2] = [f"{line},"]
        path.write_text("\n".join(before))
        number = 3
    else:
        path.write_text("\n".join([*before, line]))
        number = len(before) + 1
    status, found = check(checkout)
    assert status == 1
    assert f"{name}:{number}: " in found


@pytest.mark.parametrize(
    ("name", "line"),
    [("requirements.txt", "certainly==1.0"), ("requirements-dev.txt", "certainly>=1.0 \\\n    --hash=sha256:00")],
    ids=["without a hash", "a range"],
)
def test_an_inexact_version_fails_it(checkout: Path, check: Check, name: str, line: str) -> None:
    with (checkout / name).open("a") as lock:
        lock.write(line + "\n")
    found = f"{name}: without an exact version and a hash: {line.partition(' ')[0]}\n"
    assert check(checkout) == (1, found)


def test_a_requirement_that_the_locks_do_not_meet_fails_it(checkout: Path, check: Check) -> None:
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text().replace('"typer>=', '"typer>=1000,>='))
    status, found = check(checkout)
    assert status == 1
    assert "requirements.txt: " in found
    assert found.count("run make update") == 3


def test_a_renewal_prints_its_changes(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = checkout / "requirements-build.txt"
    lock.write_text(
        "stays==1 \\\n    --hash=sha256:00\nolder==1 \\\n    --hash=sha256:00\ngone==1 \\\n    --hash=sha256:00\n"
    )
    renewed = (
        "stays==1 \\\n    --hash=sha256:00\nolder==2 \\\n    --hash=sha256:01\nnew-one==3 \\\n    --hash=sha256:01\n"
    )
    write = f"open({str(lock)!r}, 'w').write({renewed!r})"
    locks.renew(lock, [sys.executable, "-c", write], root=checkout)
    assert capsys.readouterr().out.splitlines() == [
        "requirements-build.txt: gone 1 -> (gone)",
        "requirements-build.txt: new-one (new) -> 3",
        "requirements-build.txt: older 1 -> 2",
    ]


def test_npm_and_go_are_locked_too() -> None:
    for name in locks.NPM_LOCKS, *locks.GO_LOCKS:
        found = list(CHECKOUT.glob(name))
        assert found
        assert all(locks.read_versions(lock) for lock in found)
    for name in locks.GO_LOCKS:
        assert (CHECKOUT / name).with_name("go.sum").is_file()
