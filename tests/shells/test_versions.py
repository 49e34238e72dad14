"""The oldest and newest version of each shell reads the start-up text, runs its prompt hook and its function."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tcenv.shells import SHELLS, load_shell
from tests.shells.interactive import start_shell
from tests.shells.real import BY_NAME, read_environment
from tests.shells.sessions import NEW_TOKEN, OLD_TOKEN, PROFILE, make_loaded_variables, write_session_file
from tests.shells.versions import EVERY_VERSION, SUPPORTED, VERSIONS, Version, find_range
from tests.terminal import Terminal
from tests.world import TCENV, VARIABLES, make_env, make_init_text, tcenv

# Lines after the text, which show that the shell has read on.
EXPORT = {
    "fish": "set -gx AFTER yes",
    "tcsh": "setenv AFTER yes",
    "elvish": "set-env AFTER yes",
    "nu": "$env.AFTER = 'yes'",
    "xonsh": "$AFTER = 'yes'",
}


def select_versions(versions: tuple[Version, ...]) -> list[Version]:
    return [each for each in versions if EVERY_VERSION or each.is_locked]


def name_version(version: Version) -> str:
    return f"{version.shell}-{version.version}"


def make_first_line(version: Version) -> str:
    """Return what a shell needs outside of its usual folder, or a prompt that a test can wait for."""
    if version.shell == "zsh" and "bullseye" in version.program:
        usr = version.path.parents[1] / "usr"
        functions = f"{usr}/share/zsh/functions"
        return f"module_path=({usr}/lib/x86_64-linux-gnu/zsh/5.8); fpath=({functions} {functions}/*(/))"
    return "$PROMPT = 'me@# '" if version.shell == "xonsh" else ""


@pytest.fixture(autouse=True)
def skip_missing(request: pytest.FixtureRequest) -> None:
    version = getattr(request.node, "callspec", None) and request.node.callspec.params.get("version")
    if version is not None and not version.path.exists():
        pytest.skip(f"{version.program} is not here; make installs it")


def start_version(version: Version, env: dict[str, str], folder: Path) -> Terminal:
    after = EXPORT.get(version.shell, "export AFTER=yes")
    return start_shell(version.shell, folder, env, make_first_line(version), after, ("--prompt",), str(version.path))


@pytest.mark.parametrize("version", select_versions(SUPPORTED), ids=name_version)
def test_the_hook_and_the_function_work(version: Version, tmp_path: Path, home: Path) -> None:
    """The shell inherits a session, loads its new token at the first prompt, and a logout unloads it."""
    env = make_env(**make_loaded_variables(home / "run/tcenv"))
    write_session_file(home / "run/tcenv", NEW_TOKEN)
    if version.shell in ("sh", "busybox", "yash"):
        left = run_without_hook(version, env, tmp_path)
    else:
        caret = BY_NAME[version.shell].caret
        with start_version(version, env, tmp_path) as terminal:
            # Some shells lose what is typed before their first prompt.
            terminal.wait_for(f"(tcenv:{PROFILE})")
            found = terminal.read_environment(caret)
            assert (found["TASKCLUSTER_ACCESS_TOKEN"], found["AFTER"]) == (NEW_TOKEN, "yes"), terminal.read_screen()
            terminal.type("tcenv logout --keep-client")
            terminal.wait_for("Signed out")
            left = terminal.read_environment(caret)
            assert not re.search("rror|not supported|raceback", terminal.read_screen())
    assert not [name for name in VARIABLES if left.get(name)]


@pytest.mark.parametrize(
    "version", [each for each in select_versions(SUPPORTED) if BY_NAME[each.shell].hook], ids=name_version
)
def test_the_hook_survives_a_session_file_that_is_no_text(version: Version, tmp_path: Path, home: Path) -> None:
    shell = BY_NAME[version.shell]
    env = make_env(**make_loaded_variables(home / "run/tcenv"))
    write_session_file(home / "run/tcenv", OLD_TOKEN).write_bytes(b"\xff\xfe\0" * 2000)
    source = shell.make_source(shell.write_init_text(env, tmp_path))
    script = "\n".join([make_first_line(version), source, shell.hook, shell.make_dump(tmp_path / "out")])
    subprocess.run([version.path, *shell.flags, "-c", script], env=env, capture_output=True, timeout=60)
    assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == OLD_TOKEN


def run_without_hook(version: Version, env: dict[str, str], folder: Path) -> dict[str, str]:
    """Sign out in a script, and return the environment after that."""
    shell = BY_NAME[version.shell]
    text = shell.write_init_text(env, folder)
    script = f". {text}; tcenv logout --keep-client && {shell.make_dump(folder / 'out')}"
    done = subprocess.run(
        [version.path, *shell.flags, "-c", script], env=env, capture_output=True, text=True, timeout=60
    )
    assert "Signed out" in done.stderr
    return read_environment(folder / "out")


@pytest.mark.parametrize(
    "version", [each for each in select_versions(VERSIONS) if each.shell == "xonsh"], ids=name_version
)
def test_the_start_up_line_of_xonsh_loses_no_output(version: Version, tmp_path: Path) -> None:
    """Before 0.23, `$(…)` in a start-up file of an interactive xonsh loses output once in five times."""
    line = load_shell("xonsh").make_startup_line(TCENV, "init xonsh", "/home/user")
    rc = tmp_path / "rc.xsh"
    rc.write_text(f"{line}\nprint('there', aliases.pop('tcenv', None) is not None)\n" * 10)
    command = [str(version.path), "--rc", str(rc), "-i", "-c", "echo end"]
    done = subprocess.run(
        command, env=make_env(), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.stdout.count("there True") == 10, done.stderr


# A line after which each shell takes itself for an older one.
PRETENDING = {
    "zsh": "ZSH_VERSION=5.7.1",
    "fish": "function contains; return 1; end",
    "elvish": "fn resolve {|name| put '(external '$name')' }",
    "xonsh": "$XONSH_VERSION = '0.9.27'",
    "tcsh": "set tcsh = 6.20.00",
}


OLDER = [
    *((name, None) for name in PRETENDING),
    *((each.shell, each) for each in select_versions(VERSIONS) if each not in SUPPORTED),
]


@pytest.mark.parametrize(("name", "version"), OLDER, ids=[f"{n}-{v.version if v else 'pretended'}" for n, v in OLDER])
def test_an_older_shell_prints_one_line_and_reads_on(name: str, version: Version | None, tmp_path: Path) -> None:
    shell = BY_NAME[name]
    path = tmp_path / "text"
    path.write_text(make_init_text(shell.init, "--no-completion", env=make_env()))
    if version is None:
        lines = [PRETENDING[name], shell.make_source(path)]
    else:
        lines = [load_shell(name).make_startup_line(TCENV, f"init {name} --no-completion", "/home/user")]
    script = "\n".join([*lines, "echo after"])
    # Old versions know fewer flags.
    command = shell.command if version is None else [str(version.path)]
    done = subprocess.run([*command, "-c", script], env=make_env(), capture_output=True, text=True, timeout=60)
    assert "after\n" in done.stdout, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"tcenv: {name} older than {load_shell(name).minimum_version} is not supported")


@pytest.mark.parametrize("told", [{"NU_VERSION": "0.90.1"}, {"NU_VERSION": ""}], ids=["by-itself", "on-the-path"])
def test_an_older_nushell_gets_a_text_that_it_can_read(told: dict[str, str], tmp_path: Path) -> None:
    """nushell parses a whole configuration before it runs any of it, so the text depends on the version."""
    older = tmp_path / "nu"
    older.write_text("#!/bin/sh\necho 0.90.1\n")
    older.chmod(0o755)
    env = make_env(**told)
    text = tcenv("init", "nu", env={**env, "PATH": f"{tmp_path}:{env['PATH']}"}).stdout
    assert text == 'print -e "tcenv: nu older than 0.98 is not supported; this is 0.90.1."\n'
    (tmp_path / "text").write_text(text)
    done = BY_NAME["nu"].run(f"source {tmp_path / 'text'}; print after", make_env())
    assert (done.stdout, done.stderr.count("\n")) == ("after\n", 1)


# dash does not print its version.
@pytest.mark.parametrize(
    "version", [each for each in select_versions(VERSIONS) if each.shell != "sh"], ids=name_version
)
def test_each_program_has_the_version_of_the_table(version: Version) -> None:
    done = subprocess.run([version.path, *version.question], capture_output=True, text=True, timeout=60)
    assert version.version in done.stdout + done.stderr


@pytest.mark.parametrize("shell", [name for name in SHELLS if load_shell(name).minimum_version])
def test_a_text_supports_the_oldest_version_of_the_table(shell: str) -> None:
    oldest, _ = find_range(shell)
    # test_old_bash.py reads the text for bash 3.2, and PowerShell 5.1 needs Windows.
    assert oldest.startswith(load_shell(shell).minimum_version) or shell in ("bash", "powershell")
