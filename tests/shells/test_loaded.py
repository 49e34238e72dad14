"""What TCENV_LOADED is for: unloading puts the root URL back to what it was before tcenv loaded anything, for every unloader, and
touches nothing that belongs to somebody else."""

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
from tests.shells.child import environment_after
from tests.shells.hooks import HOOKED, Prompted, loaded, start_up_text, stored
from tests.shells.real import POSIX, SHELLS, RealShell
from tests.terminal import Terminal
from tests.world import TCENV, evaluate, make_env, tcenv

ROOT = "https://tc.example.com"
PROFILE = "tc.example.com"
OWN = "o" * 44
TOKEN = {environment.ACCESS_TOKEN: "t" * 44, environment.GENERATION: "0123456789abcdef"}
VALUES = {environment.ROOT_URL: ROOT, environment.PROFILE: "p", environment.EXPIRES: "1900000000", **TOKEN}
# What people have there before: something else, the same, an address with brackets, nothing.
BEFORE = ["https://other.example.com/", ROOT, "http://[::1]:8080", None]
LEFT = (*environment.VARIABLES,)


def loading(env: dict[str, str], root_url: str = ROOT, file: str = "/run/a b/p.session") -> dict[str, str]:
    change = environment.make_loading({**VALUES, environment.ROOT_URL: root_url}, env, file=file)
    return environment.apply(change, env)


def unloading(env: dict[str, str]) -> dict[str, str]:
    return environment.apply(environment.make_unloading(env), env)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("profile", ["chosen", None])
@pytest.mark.parametrize("file", ["/run/user/1/tcenv/p.session", "/a  b/p.session", ""])
def test_there_and_back(before: str | None, profile: str | None, file: str) -> None:
    start = {} if before is None else {environment.ROOT_URL: before}
    start |= {} if profile is None else {environment.PROFILE: profile}
    once = loading(start, file=file)
    found = environment.read_loaded(once)
    assert found is not None
    assert (found.profile, found.root_url, found.generation, found.file) == ("p", ROOT, "0123456789abcdef", file)
    # A load over a load keeps the first.
    twice = loading(once, "https://second.example.com", file)
    assert twice[environment.ROOT_URL] == "https://second.example.com"
    assert unloading(once) == unloading(twice) == start
    assert environment.get_loaded_profile(twice) == environment.get_selected_profile(twice) == "p"


def test_another_choice_since_then_stays() -> None:
    chosen = {**loading({environment.ROOT_URL: "https://a.example.com"}), environment.ROOT_URL: "https://b.example.com"}
    assert environment.get_loaded_profile(chosen) is environment.get_selected_profile(chosen) is None
    assert unloading(chosen) == {environment.ROOT_URL: "https://b.example.com"}
    # A load over that goes back to the choice.
    assert unloading(loading(chosen)) == {environment.ROOT_URL: "https://b.example.com"}
    gone = {name: value for name, value in chosen.items() if name != environment.ROOT_URL}
    assert environment.get_selected_profile(gone) is None
    assert unloading(loading(gone)) == {}
    # A profile that was chosen since is meant, and stays.
    other = {**loading({}), environment.PROFILE: "other"}
    assert (environment.get_loaded_profile(other), environment.get_selected_profile(other)) == (None, "other")
    assert unloading(other) == unloading(loading(other)) == {environment.PROFILE: "other"}


def test_a_profile_is_loaded_only_where_that_is_noted() -> None:
    """TCENV_PROFILE alone is a choice of the user's, and tcenv unloads nothing for it."""
    named = {environment.ROOT_URL: ROOT, environment.PROFILE: "p", environment.EXPIRES: "1900000000"}
    assert (environment.get_loaded_profile(named), environment.get_selected_profile(named)) == (None, "p")
    assert unloading(named) == named


@pytest.mark.parametrize("odd", ["$(id)", "`x`\n", "-", "é", "x'y"])
def test_what_is_no_root_url_is_not_kept(odd: str) -> None:
    loaded = loading({environment.ROOT_URL: odd})
    assert loaded[environment.LOADED].endswith(" -")
    assert environment.ROOT_URL not in unloading({**loaded, environment.LOADED: f"p {ROOT} a - {odd}"})


def test_a_path_that_is_no_word_in_some_shell_is_not_noted() -> None:
    for odd in ("/a\nb/p.session", "/a\udcffb/p.session", "/a\x1bb/p.session"):
        assert loading({}, file=odd)[environment.LOADED] == f"p {ROOT} 0123456789abcdef - -"


@pytest.mark.parametrize("shell", SHELLS, ids=[shell.name for shell in SHELLS])
@pytest.mark.parametrize("before", ["http://[::1]:8080", None])
def test_in_each_shell(shell: RealShell, before: str | None, deployment: Sandbox, tmp_path: Path) -> None:
    """login and logout, evaluated as the shell does; in the Bourne family unquoted as well."""
    env = make_env()
    env |= {"TASKCLUSTER_ROOT_URL": before} if before else {}
    # The brackets of an address are what an unquoted line might take for a pattern.
    lines = [shell.line, *(("eval $({})", "eval `{}`") if shell in POSIX and before else ())]
    name = {"sh": "sh", "busybox": "sh", "csh": "tcsh"}.get(shell.name, shell.name)
    caret = "^" if shell.name == "nu" else ""
    for number, line in enumerate(lines):
        assert tcenv("login", deployment.root_url, "--shell", "sh", env=env).returncode == 0
        between, after = tmp_path / f"between{number}", tmp_path / f"after{number}"
        steps = [
            line.format(f"{caret}{TCENV} login {deployment.root_url} --shell {name}"),
            shell.dump(between),
            line.format(f"{caret}{TCENV} logout --shell {name}"),
            shell.dump(after),
        ]
        done = shell.run("\n".join(steps), env, may_fork=True)
        inside = environment_after(between)
        assert inside["TASKCLUSTER_ROOT_URL"] == deployment.root_url, done.stderr
        found = environment.read_loaded(inside)
        assert found is not None
        assert found.before == (before or "-")
        left = {key: value for key, value in environment_after(after).items() if key in LEFT}
        assert left == ({"TASKCLUSTER_ROOT_URL": before} if before else {}), done.stderr


@pytest.mark.parametrize("shell", SHELLS, ids=[shell.name for shell in SHELLS])
def test_nothing_to_unload_is_evaluated_too(shell: RealShell, deployment: Sandbox, tmp_path: Path) -> None:
    """The logout of another profile than the one that is loaded prints nothing that would unload it."""
    env = make_env()
    for name in ("one", "two"):
        assert tcenv("profile", "set", name, "--root-url", deployment.root_url, env=env).returncode == 0
        assert tcenv("login", name, "--shell", "sh", env=env).returncode == 0
    name = {"busybox": "sh", "csh": "tcsh"}.get(shell.name, shell.name)
    caret = "^" if shell.name == "nu" else ""
    steps = [
        shell.evaluate(f"{caret}{TCENV} login one --shell {name}"),
        shell.chain.format(shell.evaluate(f"{caret}{TCENV} logout two --shell {name}"), shell.dump(tmp_path / "out")),
    ]
    done = shell.run("\n".join(steps), env, may_fork=True)
    after = environment_after(tmp_path / "out")
    assert after["TCENV_PROFILE"] == "one", done.stderr
    assert len(after["TASKCLUSTER_ACCESS_TOKEN"]) > 20


def prompted(shell: Prompted, text: Path, folder: Path, env: dict[str, str]) -> tuple[dict[str, str], str]:
    hook = "eval precmd" if shell.name == "tcsh" else shell.hook
    done = shell.run("\n".join([shell.script(text), hook, shell.dump(folder / "out", folder), hook]), env)
    found = environment_after(folder / "out")
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("tcenv")]
    return {name: found[name] for name in LEFT if name in found}, "\n".join(said)


@pytest.mark.parametrize("shell", HOOKED, ids=[shell.name for shell in HOOKED])
def test_a_shell_that_saw_no_prompt_between_load_and_logout(shell: Prompted, tmp_path: Path, home: Path) -> None:
    """At its first prompt a shell may find variables whose session is gone: a nested shell, `exec zsh`."""
    runtime = home / "run/tcenv"
    text = start_up_text(shell, make_env(), tmp_path)
    stored(runtime, "another", ROOT, "a" * 44)
    # Loaded from a file that is gone: signed out elsewhere, said once, and the choice is what it was.
    other = "https://before.example.com"
    for before, expected in (
        (other, {"TASKCLUSTER_ROOT_URL": other}),
        ("-", {}),
        (f"chosen={other}", {"TASKCLUSTER_ROOT_URL": other, "TCENV_PROFILE": "chosen"}),
        ("chosen=-", {"TCENV_PROFILE": "chosen"}),
    ):
        env = make_env(**loaded(runtime, PROFILE, ROOT, OWN, before))
        left, said = prompted(shell, text, tmp_path, env)
        assert left == expected, said
        assert said.count("signed out elsewhere") == 1
    everything = loaded(runtime, PROFILE, ROOT, OWN)
    for untouched in (
        # Kept nowhere: there is no file to miss.
        loaded(None, PROFILE, ROOT, OWN, other),
        # Another deployment was chosen since, or other credentials were set: nothing of them is touched.
        {**everything, "TASKCLUSTER_ROOT_URL": "https://chosen.example.com"},
        {**everything, "TASKCLUSTER_ACCESS_TOKEN": "x" * 44},
        {**everything, "TASKCLUSTER_CERTIFICATE": "{}"},
        # Its place is not there: this is another machine, or a container.
        {**everything, "TCENV_LOADED": everything["TCENV_LOADED"].replace(str(home), "/nowhere")},
    ):
        left, said = prompted(shell, text, tmp_path, make_env(**untouched))
        assert left == {name: untouched[name] for name in LEFT if name in untouched}, said
        assert said == ""


@pytest.mark.parametrize(
    ("shell", "line"), [("bash", "exec zsh -d"), ("bash", "zsh -d"), ("zsh", "bash --norc --rcfile {}")]
)
def test_another_shell_in_the_place_of_this_one(
    shell: str, line: str, deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    """`exec zsh` and nested shells, in a terminal: signed out elsewhere is seen there as well."""
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
        inner = terminal.read_environment()
        assert {name: inner[name] for name in LEFT if name in inner} == {"TASKCLUSTER_ROOT_URL": deployment.root_url}


@pytest.mark.parametrize("store", ["none", "file", "runtime"])
def test_what_is_kept_elsewhere_is_said_so_in_the_load(store: str, deployment: Sandbox) -> None:
    """Where nothing is kept there is no file to compare: a hook must not take the missing one for a logout."""
    found = environment.read_loaded(evaluate("login", deployment.root_url, env=make_env(TCENV_STORE=store)))
    assert found is not None
    assert bool(found.file) == Path(found.file or "/nowhere").exists() == (store != "none")


@pytest.mark.parametrize("shell", HOOKED, ids=[shell.name for shell in HOOKED])
@pytest.mark.parametrize("place", ["no runtime directory", "a neighbour's runtime directory", "files"])
def test_hooks_look_where_the_stores_are(
    shell: Prompted, place: str, deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    """`su -`, ssh, containers: TCENV_LOADED names the file, so these shells see resets and logouts elsewhere too."""
    env = make_env(deployment)
    if place == "files":
        env["TCENV_STORE"] = "file"
    else:
        del env["XDG_RUNTIME_DIR"]
    if place.startswith("a neighbour's"):
        (home / "neighbours").mkdir()
        os.chown(home / "neighbours", 1234, 1234)
        env["XDG_RUNTIME_DIR"] = str(home / "neighbours")
    text = start_up_text(shell, env, tmp_path)
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    try:
        now = evaluate("env", env=env)
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        healed, said = prompted(shell, text, tmp_path, now)
        renewed = json.loads(tcenv("env", "--format", "json", env=env).stdout)
        assert renewed["TASKCLUSTER_ACCESS_TOKEN"] != now["TASKCLUSTER_ACCESS_TOKEN"]
        assert healed["TASKCLUSTER_ACCESS_TOKEN"] == renewed["TASKCLUSTER_ACCESS_TOKEN"], said
        assert said == ""
    finally:
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    left, said = prompted(shell, text, tmp_path, now)
    assert left == {"TASKCLUSTER_ROOT_URL": deployment.root_url}
    assert "signed out elsewhere" in said


def test_tcsh_where_stderr_cannot_be_opened_by_its_name(tmp_path: Path, home: Path) -> None:
    """On a socket, or after `su`, /dev/stderr cannot be opened: what the hook says arrives all the same."""
    shell = next(shell for shell in HOOKED if shell.name == "tcsh")
    env = make_env(**loaded(home / "run/tcenv", PROFILE, ROOT, OWN))
    stored(home / "run/tcenv", "another", ROOT, "a" * 44)
    text = start_up_text(shell, env, tmp_path)
    script = "\n".join([shell.script(text), "eval precmd", shell.dump(tmp_path / "out", tmp_path)])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run(
            [require("tcsh"), "-f", "-c", script], env=env, stderr=theirs, stdin=subprocess.DEVNULL, timeout=60
        )  # type: ignore[call-overload]
        theirs.shutdown(socket.SHUT_WR)
        said = ours.recv(10_000).decode()
    assert said == f"tcenv: {PROFILE}: signed out elsewhere. Sign in again: tcenv login {ROOT}\n"
    assert "TASKCLUSTER_ACCESS_TOKEN" not in environment_after(tmp_path / "out")
