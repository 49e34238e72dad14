"""The oldest and newest version of each shell: a start-up file with tcenv's text in it, a prompt, and the function."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tcenv.shells import SHELLS, load_shell
from tests.programs import require
from tests.shells.child import environment_after
from tests.shells.hooks import PROMPTED, loaded, start_up_text, stored
from tests.shells.test_in_a_terminal import start
from tests.shells.versions import EVERY_VERSION, SUPPORTED, VERSIONS, Version, span
from tests.terminal import Terminal
from tests.world import TCENV, VARIABLES, make_env, tcenv

ROOT, PROFILE = "https://tc.example.com", "tc.example.com"
OWN, NEW = "o" * 44, "n" * 44
EXPORT = {
    "fish": "set -gx BEHIND yes",
    "tcsh": "setenv BEHIND yes",
    "elvish": "set-env BEHIND yes",
    "nu": "$env.BEHIND = 'yes'",
    "xonsh": "$BEHIND = 'yes'",
}


def here(versions: tuple[Version, ...]) -> list[Version]:
    return [each for each in versions if EVERY_VERSION or each.is_locked]


def ids(version: Version) -> str:
    return f"{version.shell}-{version.version}"


def before(version: Version) -> str:
    """What a shell outside of its own place needs, and a prompt that a test can wait for."""
    if version.shell == "zsh" and "bullseye" in version.program:
        usr = version.path.parents[1] / "usr"
        functions = f"{usr}/share/zsh/functions"
        return f"module_path=({usr}/lib/x86_64-linux-gnu/zsh/5.8); fpath=({functions} {functions}/*(/))"
    return "$PROMPT = 'me@# '" if version.shell == "xonsh" else ""


@pytest.fixture(autouse=True)
def _there(request: pytest.FixtureRequest) -> None:
    version = getattr(request.node, "callspec", None) and request.node.callspec.params.get("version")
    if version is not None and not version.path.exists():
        pytest.skip(f"{version.program} is not here; make installs it")


def started(version: Version, env: dict[str, str], folder: Path) -> Terminal:
    after = EXPORT.get(version.shell, "export BEHIND=yes")
    return start(version.shell, folder, env, before(version), after, ("--prompt",), str(version.path))


@pytest.mark.parametrize("version", here(SUPPORTED), ids=ids)
def test_a_start_up_file_a_prompt_and_the_function(version: Version, tmp_path: Path, home: Path) -> None:
    """A shell that inherits a session follows a reset at its first prompt, and a logout in it unloads the session."""
    env = make_env(**loaded(home / "run/tcenv", PROFILE, ROOT, OWN))
    stored(home / "run/tcenv", PROFILE, ROOT, NEW)
    if version.shell in ("sh", "busybox", "yash"):
        left = without_a_hook(version, env, tmp_path)
    else:
        caret = "^" if version.shell == "nu" else ""
        with started(version, env, tmp_path) as terminal:
            # Some lose what is typed before their first prompt.
            terminal.wait_for(f"(tcenv:{PROFILE})")
            healed = terminal.read_environment(caret)
            assert (healed["TASKCLUSTER_ACCESS_TOKEN"], healed["BEHIND"]) == (NEW, "yes"), terminal.read_screen()
            terminal.type("tcenv logout --keep-client")
            terminal.wait_for("Signed out")
            left = terminal.read_environment(caret)
            assert not re.search("rror|not supported|raceback", terminal.read_screen())
    assert not [name for name in VARIABLES if left.get(name)]


def without_a_hook(version: Version, env: dict[str, str], folder: Path) -> dict[str, str]:
    shell = next(shell for shell in PROMPTED if shell.name == version.shell)
    text = start_up_text(shell, env, folder)
    script = f". {text}; tcenv logout --keep-client && {shell.dump(folder / 'out', folder)}"
    done = subprocess.run(
        [version.path, *shell.program[1:], script], env=env, capture_output=True, text=True, timeout=60
    )
    assert "Signed out" in done.stderr
    return environment_after(folder / "out")


@pytest.mark.parametrize("version", [each for each in here(VERSIONS) if each.shell == "xonsh"], ids=ids)
def test_xonshs_line_loses_nothing(version: Version, tmp_path: Path) -> None:
    """Before 0.23, `$(…)` in a start-up file of an interactive xonsh gives nothing, or the half, once in five times."""
    line = load_shell("xonsh").make_startup_line(TCENV, "init xonsh", "/home/user")
    rc = tmp_path / "rc.xsh"
    rc.write_text(f"{line}\nprint('there', aliases.pop('tcenv', None) is not None)\n" * 10)
    command = [str(version.path), "--rc", str(rc), "-i", "-c", "echo end"]
    done = subprocess.run(
        command, env=make_env(), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.stdout.count("there True") == 10, done.stderr


# What makes each shell take itself for an older one.
PRETENDING = {
    "zsh": "ZSH_VERSION=5.7.1",
    "fish": "function contains; return 1; end",
    "elvish": "fn resolve {|name| put '(external '$name')' }",
    "xonsh": "$XONSH_VERSION = '0.9.27'",
    "tcsh": "set tcsh = 6.20.00",
}


OLDER = [
    *((name, None) for name in PRETENDING),
    *((each.shell, each) for each in here(VERSIONS) if each not in SUPPORTED),
]


@pytest.mark.parametrize(("name", "version"), OLDER, ids=[f"{n}-{v.version if v else 'pretended'}" for n, v in OLDER])
def test_an_older_shell_says_so_in_one_line_and_reads_on(name: str, version: Version | None, tmp_path: Path) -> None:
    shell = next(shell for shell in PROMPTED if shell.name == name)
    path = tmp_path / "text"
    path.write_text(tcenv("init", shell.init, "--no-completion", env=make_env()).stdout)
    if version is None:
        lines = [PRETENDING[name], shell.script(path)]
    else:
        # As --install writes it.
        lines = [load_shell(name).make_startup_line(TCENV, f"init {name} --no-completion", "/home/user")]
    script = "\n".join([*lines, "echo behind"])
    # The old ones know fewer flags.
    command = [require(shell.program[0]), *shell.program[1:]] if version is None else [str(version.path), "-c"]
    done = subprocess.run([*command, script], env=make_env(), capture_output=True, text=True, timeout=60)
    assert "behind\n" in done.stdout, done.stderr
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(said) == 1, said
    assert said[0].startswith(f"tcenv: {name} older than {load_shell(name).lowest} is not supported")


@pytest.mark.parametrize("told", [{"NU_VERSION": "0.90.1"}, {"NU_VERSION": ""}], ids=["by-itself", "on-the-path"])
def test_an_older_nushell_gets_a_text_that_it_can_read(told: dict[str, str], tmp_path: Path) -> None:
    """Whatever is in a configuration is parsed as a whole, so the text is made for the version that asks."""
    older = tmp_path / "nu"
    older.write_text("#!/bin/sh\necho 0.90.1\n")
    older.chmod(0o755)
    env = make_env(**told)
    text = tcenv("init", "nu", env={**env, "PATH": f"{tmp_path}:{env['PATH']}"}).stdout
    assert text == 'print -e "tcenv: nu older than 0.98 is not supported; this is 0.90.1."\n'
    (tmp_path / "text").write_text(text)
    done = subprocess.run(
        [require("nu"), "--no-config-file", "-c", f"source {tmp_path / 'text'}; print behind"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr.count("\n")) == ("behind\n", 1)


# dash tells nobody its version.
@pytest.mark.parametrize("version", [each for each in here(VERSIONS) if each.shell != "sh"], ids=ids)
def test_the_version_is_what_the_table_says(version: Version) -> None:
    done = subprocess.run([version.path, *version.asking], capture_output=True, text=True, timeout=60)
    assert version.version in done.stdout + done.stderr


@pytest.mark.parametrize("shell", [name for name in SHELLS if load_shell(name).lowest])
def test_a_text_that_compares_versions_supports_the_oldest_that_is_run(shell: str) -> None:
    oldest, _ = span(shell)
    # bash 3.2 is held by its words (test_old_bash.py), PowerShell 5.1 needs Windows.
    assert oldest.startswith(load_shell(shell).lowest) or shell in ("bash", "powershell")
