"""Unloading restores the root URL and the profile that were selected before tcenv loaded anything (TCENV_LOADED keeps
them), in each shell and by each command, and changes nothing else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.shells import environment
from tests.programs import require
from tests.shells.interactive import is_unloaded
from tests.shells.real import BY_NAME, HOOKED, POSIX, SHELLS, RealShell, read_environment
from tests.shells.sessions import PROFILE, ROOT_URL, make_loaded_variables, write_session_file
from tests.terminal import Terminal
from tests.world import TCENV, evaluate, make_env, tcenv

VALUES = {
    environment.ROOT_URL: ROOT_URL,
    environment.PROFILE: "p",
    environment.EXPIRES: "1900000000",
    environment.ACCESS_TOKEN: "t" * 44,
    environment.GENERATION: "0123456789abcdef",
}
# Another root URL, the same, an address with brackets, none.
BEFORE = ["https://other.example.com/", ROOT_URL, "http://[::1]:8080", None]


def load(environ: dict[str, str], root_url: str = ROOT_URL, file: str = "/run/a b/p.session") -> dict[str, str]:
    """Return the environment after a load."""
    change = environment.make_loading({**VALUES, environment.ROOT_URL: root_url}, environ, file=file)
    return environment.apply(change, environ)


def unload(environ: dict[str, str]) -> dict[str, str]:
    """Return the environment after an unload."""
    return environment.apply(environment.make_unloading(environ), environ)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("profile", ["chosen", None])
@pytest.mark.parametrize("file", ["/run/user/1/tcenv/p.session", "/a  b/p.session", ""])
def test_an_unload_reverses_a_load(before: str | None, profile: str | None, file: str) -> None:
    start = {} if before is None else {environment.ROOT_URL: before}
    start |= {} if profile is None else {environment.PROFILE: profile}
    once = load(start, file=file)
    found = environment.read_loaded(once)
    assert found is not None
    assert (found.profile, found.root_url, found.generation, found.file) == ("p", ROOT_URL, "0123456789abcdef", file)
    # A second load keeps what was before the first.
    twice = load(once, "https://second.example.com", file)
    assert twice[environment.ROOT_URL] == "https://second.example.com"
    assert unload(once) == unload(twice) == start
    assert environment.get_loaded_profile(twice) == environment.get_selected_profile(twice) == "p"


def test_a_later_choice_of_the_user_stays() -> None:
    chosen = {**load({environment.ROOT_URL: "https://a.example.com"}), environment.ROOT_URL: "https://b.example.com"}
    assert environment.get_loaded_profile(chosen) is environment.get_selected_profile(chosen) is None
    assert unload(chosen) == {environment.ROOT_URL: "https://b.example.com"}
    # An unload goes back to the choice.
    assert unload(load(chosen)) == {environment.ROOT_URL: "https://b.example.com"}
    gone = {name: value for name, value in chosen.items() if name != environment.ROOT_URL}
    assert environment.get_selected_profile(gone) is None
    assert unload(load(gone)) == {}
    # A profile that the user has chosen since stays selected.
    other = {**load({}), environment.PROFILE: "other"}
    assert (environment.get_loaded_profile(other), environment.get_selected_profile(other)) == (None, "other")
    assert unload(other) == unload(load(other)) == {environment.PROFILE: "other"}


def test_without_TCENV_LOADED_nothing_is_loaded() -> None:
    """The user can choose a profile with TCENV_PROFILE alone."""
    named = {environment.ROOT_URL: ROOT_URL, environment.PROFILE: "p", environment.EXPIRES: "1900000000"}
    assert (environment.get_loaded_profile(named), environment.get_selected_profile(named)) == (None, "p")
    assert unload(named) == named


@pytest.mark.parametrize("odd", ["$(id)", "`x`\n", "-", "é", "x'y"])
def test_a_text_that_is_no_root_url_is_not_kept(odd: str) -> None:
    loaded = load({environment.ROOT_URL: odd})
    assert loaded[environment.LOADED].endswith(" -")
    assert environment.ROOT_URL not in unload({**loaded, environment.LOADED: f"p {ROOT_URL} a - {odd}"})


def test_a_path_that_is_no_word_in_some_shell_is_not_kept() -> None:
    for odd in ("/a\nb/p.session", "/a\udcffb/p.session", "/a\x1bb/p.session"):
        assert load({}, file=odd)[environment.LOADED] == f"p {ROOT_URL} 0123456789abcdef - -"


@pytest.mark.parametrize("shell", SHELLS, ids=[shell.name for shell in SHELLS])
@pytest.mark.parametrize("before", ["http://[::1]:8080", None])
def test_a_logout_in_each_shell(shell: RealShell, before: str | None, deployment: Sandbox, tmp_path: Path) -> None:
    """Shells of the Bourne family also evaluate the statements unquoted."""
    env = make_env()
    env |= {"TASKCLUSTER_ROOT_URL": before} if before else {}
    # An unquoted line might take the brackets of an address for a pattern.
    lines = [shell.line, *(("eval $({})", "eval `{}`") if shell in POSIX and before else ())]
    for number, line in enumerate(lines):
        assert tcenv("login", deployment.root_url, "--shell", "sh", env=env).returncode == 0
        between, after = tmp_path / f"between{number}", tmp_path / f"after{number}"
        done = shell.run_lines(
            line.format(f"{shell.caret}{TCENV} login {deployment.root_url} --shell {shell.init}"),
            shell.make_dump(between),
            line.format(f"{shell.caret}{TCENV} logout --shell {shell.init}"),
            shell.make_dump(after),
            env=env,
        )
        inside = read_environment(between)
        assert inside["TASKCLUSTER_ROOT_URL"] == deployment.root_url, done.stderr
        found = environment.read_loaded(inside)
        assert found is not None
        assert found.before == (before or "-")
        left = {key: value for key, value in read_environment(after).items() if key in environment.VARIABLES}
        assert left == ({"TASKCLUSTER_ROOT_URL": before} if before else {}), done.stderr


@pytest.mark.parametrize("shell", SHELLS, ids=[shell.name for shell in SHELLS])
def test_a_logout_of_another_profile_unloads_nothing(shell: RealShell, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env()
    for name in ("one", "two"):
        assert tcenv("profile", "set", name, "--root-url", deployment.root_url, env=env).returncode == 0
        assert tcenv("login", name, "--shell", "sh", env=env).returncode == 0
    logout = shell.make_evaluation(f"{shell.caret}{TCENV} logout two --shell {shell.init}")
    done = shell.run_lines(
        shell.make_evaluation(f"{shell.caret}{TCENV} login one --shell {shell.init}"),
        shell.chain.format(logout, shell.make_dump(tmp_path / "out")),
        env=env,
    )
    after = read_environment(tmp_path / "out")
    assert after["TCENV_PROFILE"] == "one", done.stderr
    assert len(after["TASKCLUSTER_ACCESS_TOKEN"]) > 20


def run_prompt(shell: RealShell, text: Path, folder: Path, env: dict[str, str]) -> tuple[dict[str, str], str]:
    """Return tcenv's variables after a prompt, and what tcenv printed at that and the next one."""
    dump = shell.make_dump(folder / "out")
    done = shell.run_lines(shell.make_source(text), shell.hook, dump, shell.hook, env=env)
    found = read_environment(folder / "out")
    printed = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("tcenv")]
    return {name: found[name] for name in environment.VARIABLES if name in found}, "\n".join(printed)


@pytest.mark.parametrize("shell", HOOKED, ids=[shell.name for shell in HOOKED])
def test_a_first_prompt_unloads_a_session_that_is_gone(shell: RealShell, tmp_path: Path, home: Path) -> None:
    """A nested shell and `exec zsh` inherit variables whose session may have ended since."""
    runtime = home / "run/tcenv"
    text = shell.write_init_text(make_env(), tmp_path)
    write_session_file(runtime, "a" * 44, "another")
    other = "https://before.example.com"
    for before, expected in (
        (other, {"TASKCLUSTER_ROOT_URL": other}),
        ("-", {}),
        (f"chosen={other}", {"TASKCLUSTER_ROOT_URL": other, "TCENV_PROFILE": "chosen"}),
        ("chosen=-", {"TCENV_PROFILE": "chosen"}),
    ):
        env = make_env(**make_loaded_variables(runtime, before))
        left, printed = run_prompt(shell, text, tmp_path, env)
        assert left == expected, printed
        assert printed.count("signed out elsewhere") == 1
    everything = make_loaded_variables(runtime)
    for untouched in (
        # The store `none` has no file.
        make_loaded_variables(None, other),
        # The user has chosen another deployment or set other credentials since.
        {**everything, "TASKCLUSTER_ROOT_URL": "https://chosen.example.com"},
        {**everything, "TASKCLUSTER_ACCESS_TOKEN": "x" * 44},
        {**everything, "TASKCLUSTER_CERTIFICATE": "{}"},
        # The directory is missing, as on another machine or in a container.
        {**everything, "TCENV_LOADED": everything["TCENV_LOADED"].replace(str(home), "/nowhere")},
    ):
        left, printed = run_prompt(shell, text, tmp_path, make_env(**untouched))
        assert left == {name: untouched[name] for name in environment.VARIABLES if name in untouched}, printed
        assert printed == ""


@pytest.mark.parametrize(
    ("shell", "line"), [("bash", "exec zsh -d"), ("bash", "zsh -d"), ("zsh", "bash --norc --rcfile {}")]
)
def test_a_nested_shell_in_a_terminal_sees_the_logout(
    shell: str, line: str, deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    env = make_env(deployment)
    rcs = {}
    for name, rc in (("bash", home / ".bashrc"), ("zsh", home / ".zshrc")):
        rc.write_text(tcenv("init", name, env=env).stdout + "PS1='> '\n")
        rcs[name] = rc
    program = [require("bash"), "--noprofile"] if shell == "bash" else [require("zsh"), "-d"]
    with Terminal(program, env, tmp_path) as terminal:
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
        terminal.type(line.replace("--norc ", "").format(rcs["bash"]))
        terminal.wait_for("signed out elsewhere")
        assert is_unloaded(terminal.read_environment(), env)


@pytest.mark.parametrize("store", ["none", "file", "runtime"])
def test_TCENV_LOADED_names_the_file_of_the_session(store: str, deployment: Sandbox) -> None:
    """The store `none` has no file, and a hook must not take that for a logout."""
    found = environment.read_loaded(evaluate("login", deployment.root_url, env=make_env(TCENV_STORE=store)))
    assert found is not None
    assert bool(found.file) == Path(found.file or "/nowhere").exists() == (store != "none")


@pytest.mark.parametrize("shell", HOOKED, ids=[shell.name for shell in HOOKED])
@pytest.mark.parametrize("place", ["no runtime directory", "another user's runtime directory", "files"])
def test_hooks_look_into_the_store_of_the_session(
    shell: RealShell, place: str, deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    """After `su -`, over ssh and in containers, a hook finds the file by TCENV_LOADED."""
    env = make_env(deployment)
    if place == "files":
        env["TCENV_STORE"] = "file"
    else:
        del env["XDG_RUNTIME_DIR"]
    if place.startswith("another"):
        (home / "others").mkdir()
        os.chown(home / "others", 1234, 1234)
        env["XDG_RUNTIME_DIR"] = str(home / "others")
    text = shell.write_init_text(env, tmp_path)
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    try:
        now = evaluate("env", env=env)
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        renewed, printed = run_prompt(shell, text, tmp_path, now)
        stored = json.loads(tcenv("env", "--format", "json", env=env).stdout)
        assert stored["TASKCLUSTER_ACCESS_TOKEN"] != now["TASKCLUSTER_ACCESS_TOKEN"]
        assert renewed["TASKCLUSTER_ACCESS_TOKEN"] == stored["TASKCLUSTER_ACCESS_TOKEN"], printed
        assert printed == ""
    finally:
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    left, printed = run_prompt(shell, text, tmp_path, now)
    assert left == {"TASKCLUSTER_ROOT_URL": deployment.root_url}
    assert "signed out elsewhere" in printed


def test_tcsh_prints_its_message_where_dev_stderr_cannot_be_opened(tmp_path: Path, home: Path) -> None:
    """That is so if stderr is a socket, and after `su`."""
    shell = BY_NAME["tcsh"]
    env = make_env(**make_loaded_variables(home / "run/tcenv"))
    write_session_file(home / "run/tcenv", "a" * 44, "another")
    text = shell.write_init_text(env, tmp_path)
    script = "\n".join([shell.make_source(text), shell.hook, shell.make_dump(tmp_path / "out")])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run([*shell.command, "-c", script], env=env, stderr=theirs, stdin=subprocess.DEVNULL, timeout=60)  # type: ignore[call-overload]
        theirs.shutdown(socket.SHUT_WR)
        printed = ours.recv(10_000).decode()
    assert printed == f"tcenv: {PROFILE}: signed out elsewhere. Sign in again: tcenv login {ROOT_URL}\n"
    assert "TASKCLUSTER_ACCESS_TOKEN" not in read_environment(tmp_path / "out")
