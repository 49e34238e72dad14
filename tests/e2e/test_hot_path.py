"""Check the hot path: it imports little and prints the same as the full command line. The tests count, and never time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.shells import ALIASES, SHELLS
from tests.command_lines import run_command, run_full, run_many
from tests.imported_modules import HEAVY, HOT_MODULES, list_modules
from tests.programs import require
from tests.world import TCENV, find_session_file, login, make_env, sign_in, tcenv

# Commands of the hot path. Importing `dataclasses` takes as long as starting an interpreter.
HOT = (
    "env",
    "login",
    "exec -- true",
    "env --scope queue:get-task:x",
    "exec --scope queue:get-task:x -- true",
    "--profiles",
    "direnv",
)


def test_env_imports_a_fixed_set_of_modules(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    assert list_modules("env", "--shell", "bash", env=env) == {*HOT_MODULES, "tcenv.shells.bash", "tcenv.shells.posix"}
    assert list_modules("env", "--shell", "fish", env=env) == {*HOT_MODULES, "tcenv.shells.fish"}
    assert list_modules("login", "--shell", "nu", env=env) == {*HOT_MODULES, "tcenv.shells.nu"}
    detected = list_modules("env", env=make_env(deployment, SHELL="/bin/bash"))
    assert detected - HOT_MODULES <= {
        "tcenv.shells.bash",
        "tcenv.shells.posix",
        "tcenv.shells.detect",
        "tcenv.errors",
    } | {f"tcenv.shells.{name}" for name in SHELLS}


def test_other_commands_import_no_heavy_modules(deployment: Sandbox) -> None:
    env = sign_in(deployment)

    def heavy(*words: str) -> set[str]:
        return {name.partition(".")[0] for name in list_modules(*words, env=env)} & {
            name.partition(".")[0] for name in HEAVY
        }

    assert heavy("exec", "--", "true") == set()
    assert heavy("status", "--offline", "--json") == set()
    assert heavy("init", "bash") == set()
    assert heavy("--profiles") == set()
    assert heavy("status", "--offline") == set()
    assert heavy("status") == {"http"}
    assert heavy("doctor") == {"http"}


@pytest.mark.parametrize("line", HOT)
def test_the_hot_path_has_no_dataclasses(line: str, deployment: Sandbox) -> None:
    env = {**sign_in(deployment), "TCENV_SHELL": "bash"}
    assert list_modules(*line.split(), env=env) & {"dataclasses", "inspect", "json", "tomllib"} == set()


def test_login_imports_nothing_heavy_before_the_browser_starts(deployment: Sandbox, tmp_path: Path) -> None:
    """The browser copies its parent's import log when it starts."""
    log, seen = tmp_path / "log", tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\ncp {log} {seen}.part && mv {seen}.part {seen}\n")
    browser.chmod(0o755)
    with log.open("w") as stream:
        subprocess.run(
            [sys.executable, "-X", "importtime", TCENV, "login", "--shell", "sh", "--timeout", "1s"],
            env=make_env(deployment, BROWSER=f"{browser} %s"),
            stdout=subprocess.PIPE,
            stderr=stream,
            timeout=60,
        )
    names = {line.rpartition("|")[2].strip() for line in seen.read_text().splitlines() if "|" in line}
    assert "tcenv.signin.listener" in names
    assert names & {*HEAVY, "http.server", "email.parser", "logging"} == set()


@pytest.mark.linux
def test_the_hot_path_prints_what_the_full_command_line_prints(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    none = {name: value for name, value in env.items() if name != "TASKCLUSTER_ROOT_URL"}
    cases = [
        ([*words, "--shell", shell], case)
        for shell in (*SHELLS, *ALIASES)
        for words, case in (
            (["env"], env),
            (["login"], env),
            (["env", "nobody"], env),
            (["env"], {**env, "TCENV_SHELL": "fish"}),
            (["env"], {**env, "TCENV_PROFILE": "gone"}),
            (["env"], none),
        )
    ]
    for (words, case), hot, full in zip(cases, run_many(cases, "installed"), run_full(cases), strict=True):
        assert hot == full, words
        # One shell of each family gets a real process. For the others, a fork of the same code suffices.
        if words[-1] in ("bash", "fish", "powershell"):
            assert run_command(words, case) == full, words


def test_env_starts_no_process_and_opens_few_files(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    trace = tmp_path / "trace"

    def calls(*command: str) -> list[str]:
        subprocess.run(
            [require("strace"), "-f", "-qq", "-o", str(trace), *command],
            env=env,
            stdout=subprocess.PIPE,
            timeout=60,
            check=True,
        )
        return [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines()]

    # Let Python compile files that were just edited.
    tcenv("env", "--shell", "bash", env=env)
    bare = calls(sys.executable, "-c", "pass")
    hot = calls(TCENV, "env", "--shell", "bash")
    assert not [call for call in hot if call.startswith(("clone", "fork", "vfork", "socket"))]
    assert len([call for call in hot if call.startswith("execve")]) == 1

    def opened(lines: list[str]) -> int:
        return len([call for call in lines if call.startswith("open") and "ENOENT" not in call])

    # These are our modules, their packages, folders that the import system lists, the launcher and the session.
    assert opened(hot) - opened(bare) <= 33
    # Each signal's handler takes two calls.
    assert len(hot) - len(bare) <= 400


def test_a_changed_configuration_leaves_the_hot_path(deployment: Sandbox, home: Path) -> None:
    env = make_env()
    tcenv("profile", "set", "work", "--root-url", deployment.root_url, "--default", env=env)
    assert login(env).returncode == 0
    assert "tomllib" not in list_modules("env", "--shell", "sh", env=env)
    config = home / ".config/tcenv/config.toml"
    config.write_text(config.read_text() + "# changed\n")
    assert "tomllib" in list_modules("env", "--shell", "sh", env=env)
    assert "tomllib" not in list_modules("env", "--shell", "sh", env=env)
    find_session_file(env, "work").write_text("damaged")
    assert tcenv("env", "--shell", "sh", env=env).returncode == 3


def test_an_unknown_shell_is_a_usage_error(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    for done in (tcenv("env", "--shell", "nosuch", env=env), tcenv("login", env={**env, "TCENV_SHELL": "nosuch"})):
        assert (done.returncode, done.stdout) == (2, "false\n")
        assert "Traceback" not in done.stderr
        assert "nosuch" in done.stderr


# The highest number of modules beyond the interpreter's, and of processes. docs/performance.md has the cost of a module.
BUDGETS = {
    "status --offline": (105, 0),
    "status": (190, 0),
    "logout": (180, 0),
    "login --reset": (205, 0),
    "profile list": (60, 0),
    "profile show": (95, 0),
    "purpose list": (90, 0),
    "init bash": (60, 0),
    "direnv": (60, 0),
    "doctor": (185, 0),
    "login --help": (22, 0),
    "env --scope queue:get-task:x": (32, 0),
    "exec -- true": (22, 0),
}


@pytest.mark.parametrize("line", BUDGETS)
def test_commands_stay_within_their_budgets(line: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = {**sign_in(deployment), "TCENV_SHELL": "bash"}
    most, processes = BUDGETS[line]
    taken = list_modules(*line.split(), env=env)
    assert len(taken) <= most, sorted(taken)
    if line == "logout":
        env = {**sign_in(deployment), "TCENV_SHELL": "bash"}
    trace = tmp_path / "trace"
    subprocess.run(
        [
            require("strace"),
            "-f",
            "-qq",
            "-e",
            "trace=execve,fork,vfork,clone,clone3",
            "-o",
            str(trace),
            TCENV,
            *line.split(),
        ],
        env=env,
        capture_output=True,
        timeout=60,
    )
    calls = [call.split(maxsplit=1)[1] for call in trace.read_text().splitlines()]
    started = [
        call
        for call in calls
        if call.startswith(("fork", "vfork", "clone")) and "CLONE_THREAD" not in call and "resumed" not in call
    ]
    assert len(started) == processes, started


@pytest.mark.parametrize("command", [("env", "--shell", "sh"), ("login", "--shell", "sh"), ("exec", "--", "true")])
def test_an_invalid_variable_is_an_error_on_the_hot_path(command: tuple[str, ...], deployment: Sandbox) -> None:
    env = sign_in(deployment)
    for name, value in {"TCENV_PORT": "abc", "TCENV_FLOW": "sideways", "TCENV_NO_BROWSER": "perhaps"}.items():
        done = tcenv(*command, env={**env, name: value})
        assert (done.returncode, name in done.stderr) == (2, True), (name, done.stderr)
    assert tcenv(*command, env={**env, "TCENV_PORT": "8080"}).returncode == 0
