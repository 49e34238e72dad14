"""Plant modules in the current directory: no command of tcenv imports them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.world import TCENV, make_env, sign_in, tcenv

CHECKOUT = Path(__file__).parents[2]
# The interpreter imports these by the search path before the first line of any program (docs/threats.md).
IMPORTED_BEFORE_TCENV = {"encodings", "sitecustomize", "usercustomize"}
MODULE = 'import os\nwith open(os.environ["PLANTED"], "a") as file:\n    file.write(__name__ + "\\n")\n'
COMMANDS = [
    ["login", "--shell", "sh"],
    ["login", "--reset", "--shell", "sh"],
    ["env", "--shell", "sh"],
    ["env", "--format", "json"],
    ["exec", "--", "true"],
    ["exec", "--proxy", "--", "true"],
    ["status"],
    ["scopes"],
    ["doctor"],
    ["init", "bash"],
    ["direnv"],
    ["profile", "list"],
    ["profile", "show"],
    ["profile", "set", "x", "--root-url", "https://x.example.com"],
    ["purpose", "list"],
    ["signin", "--check"],
    ["whoami"],
    ["version"],
    ["help"],
    ["login", "--nonsense"],
    ["--profiles"],
    ["logout", "--shell", "sh"],
]


def list_startup_imports() -> set[str]:
    """Return the modules that lines of `.pth` files import when the interpreter starts."""
    code = "import sys; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    return set(run_program(sys.executable, "-c", code).stdout.split())


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Make a folder that has a module for every name that could be imported."""
    folder = tmp_path / "repository"
    folder.mkdir()
    site = Path(next(path for path in sys.path if path.endswith("site-packages")))
    installed = {path.name.partition(".")[0] for path in site.iterdir() if path.name[0] not in ".0123456789"}
    # Libraries try to import these.
    optional = {
        "brotli",
        "brotlicffi",
        "simplejson",
        "chardet",
        "socks",
        "dbus",
        "gi",
        "tomli",
        "zstandard",
        "colorama",
    }
    names = {*sys.stdlib_module_names, *installed, *optional, "tcenv"} - IMPORTED_BEFORE_TCENV - list_startup_imports()
    for name in {*names, "tcenv", "rich", "typer"}:
        if name.isidentifier():
            (folder / f"{name}.py").write_text(MODULE)
    return folder


@pytest.fixture
def env(deployment: Sandbox) -> dict[str, str]:
    return sign_in(deployment)


def run_planted(folder: Path, env: Mapping[str, str], *command: str) -> tuple[set[str], str]:
    """Run a command. Return the planted modules that it imported, and its output."""
    note = folder.parent / "planted"
    note.unlink(missing_ok=True)
    done = run_program(
        *command, cwd=folder, env={**env, "PLANTED": str(note), "BROWSER": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    )
    return set(note.read_text().split()) if note.exists() else set(), done.stdout + done.stderr


@pytest.mark.parametrize("path", [":", ".", "", ":/no/such/folder", "../repository", "/no/such/folder:."])
def test_no_command_imports_from_the_current_directory(path: str, planted: Path, env: dict[str, str]) -> None:
    env = {**env, "PYTHONPATH": path}
    assert "rich" in run_planted(planted, env, sys.executable, "-c", "import rich")[0]
    for words in COMMANDS if path == ":" else COMMANDS[:7:2]:
        found, output = run_planted(planted, env, TCENV, *words)
        assert found == set(), (words, output)
        assert "Traceback" not in output


def test_python_m_tcenv_imports_only_tcenv(planted: Path, env: dict[str, str]) -> None:
    """`python -m tcenv` makes the interpreter look for tcenv itself. With -P it finds the installed one."""
    found, output = run_planted(planted, {**env, "PYTHONPATH": ""}, sys.executable, "-P", "-m", "tcenv", "status")
    assert (found, env["TASKCLUSTER_ROOT_URL"] in output) == (set(), True), output
    (planted / "tcenv.py").unlink()
    for path in ("", ":"):
        found, output = run_planted(planted, {**env, "PYTHONPATH": path}, sys.executable, "-m", "tcenv", "status")
        assert found.isdisjoint({"rich", "typer", "taskcluster", "json", "ssl", "http"}), found


def test_a_browser_that_only_webbrowser_knows_imports_nothing_planted(planted: Path, env: dict[str, str]) -> None:
    (planted.parent / "bin").mkdir()
    browser = planted.parent / "bin/google-chrome"
    browser.write_text(f'#!/bin/sh\n{sys.executable} -I -m tcenv.sandbox.approve "$2" || exit\n')
    browser.chmod(0o755)
    env = {**env, "PYTHONPATH": ":", "PATH": f"{browser.parent}:{env['PATH']}"}
    note = planted.parent / "planted"
    done = tcenv(
        "login", "--reset", "--browser", "chrome", "--shell", "sh", "--timeout", "5s",
        env={**env, "PLANTED": str(note)}, cwd=planted,
    )  # fmt: skip
    assert not note.exists(), done.stderr


def test_commands_get_pythonpath_unchanged(env: dict[str, str], tmp_path: Path) -> None:
    for path in (":", "lib", "/abs:", "/abs"):
        done = tcenv("exec", "--", "printenv", "PYTHONPATH", env={**env, "PYTHONPATH": path}, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"{path}\n")
        done = tcenv("exec", "--", "env", env={**env, "PYTHONPATH": path}, cwd=tmp_path)
        assert "__TCENV" not in done.stdout


def test_an_absolute_entry_and_an_editable_install_work(tmp_path: Path) -> None:
    """In the checkout, an empty entry names the folder from which tcenv is installed."""
    for path in (":", ".", f"{tmp_path}:"):
        done = tcenv("version", env=make_env(PYTHONPATH=path), cwd=CHECKOUT)
        assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow/tcenv.py").write_text("raise SystemExit('mine, by my own word')")
    done = tcenv("version", env=make_env(PYTHONPATH=str(tmp_path / "shadow")), cwd=tmp_path)
    assert "by my own word" in done.stderr


def test_a_restarted_run_leaves_signals_unchanged(env: dict[str, str], tmp_path: Path) -> None:
    code = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    shown = [
        tcenv("exec", "--", sys.executable, "-c", code, env={**env, "PYTHONPATH": path}, cwd=tmp_path)
        for path in (":", "/abs")
    ]
    assert shown[0].stdout == shown[1].stdout == "set()\n"


# The interpreter starts with each of these. With the last, it does not find tcenv.
ELSEWHERE = {"PYTHONHOME": sys.base_prefix, "PYTHONPLATLIBDIR": "lib", "PYTHONEXECUTABLE": "/nonexistent/python"}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_variable_that_names_another_library_changes_nothing(name: str, env: dict[str, str], tmp_path: Path) -> None:
    env = {**env, name: ELSEWHERE[name]}
    line = "import os, signal, sys; sys.stdout.write(f'{os.environ[sys.argv[1]]} {signal.pthread_sigmask(0, [])}')"
    done = tcenv("exec", "--", sys.executable, "-E", "-c", line, name, env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{ELSEWHERE[name]} set()"), done.stderr
    assert "__TCENV" not in tcenv("exec", "--", "env", env=env, cwd=tmp_path).stdout


def test_an_interpreter_that_does_not_start_fails_the_function_of_the_startup_text(env: dict[str, str]) -> None:
    """No code of tcenv runs then. The bare `eval "$(tcenv env)"` evaluates nothing, which succeeds."""
    start = 'eval "$(tcenv init bash)"; export PYTHONHOME=/nonexistent'
    line = f"{start}; tcenv env && echo deployed; true; __tcenv_hook && echo hooked"
    done = run_program("bash", "-c", line, env=env)
    assert done.stdout == "hooked\n"
    assert done.stderr.count("Fatal Python error") == 1


def test_the_script_works_with_the_option_e(env: dict[str, str], tmp_path: Path) -> None:
    """Installers leave -E out of the script's first line (docs/threats.md)."""
    script = tmp_path / "tcenv"
    first, _, rest = Path(TCENV).read_text().partition("\n")
    script.write_text(f"{first} -E\n{rest}")
    script.chmod(0o755)
    for name in ("PYTHONHOME", "PYTHONPLATLIBDIR"):
        done = run_program(script, "version", env={**env, name: "/nonexistent"})
        assert (done.returncode, done.stderr) == (0, ""), name
