"""`use taskcluster` with the real direnv, in the shells that people use it from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.terminal import Terminal
from tests.world import NAME, VARIABLES, make_env, make_loaded_value, read_session_fields, tcenv


@pytest.fixture
def project(deployment: Sandbox, home: Path) -> Path:
    """A project directory for the profile `work`, allowed, with the library installed."""
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, "--default", env=env).returncode == 0
    assert tcenv("direnv", "--install", env=env).returncode == 0
    folder = home / "project"
    folder.mkdir()
    envrc(folder, "use taskcluster\nexport AFTER=1\n")
    return folder


def envrc(folder: Path, text: str) -> None:
    (folder / ".envrc").write_text(text)
    subprocess.run([require("direnv"), "allow", str(folder)], env=make_env(), check=True, capture_output=True)


def inside(folder: Path, env: dict[str, str]) -> tuple[dict[str, str | None], str]:
    """The variables in the directory, and what direnv said."""
    done = subprocess.run(
        [require("direnv"), "exec", str(folder), "env", "-0"],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = dict(entry.partition("=")[::2] for entry in done.stdout.split("\0") if entry)
    return {name: found.get(name) for name in (*VARIABLES, "AFTER")}, done.stderr


def test_a_session_that_is_known_is_loaded_without_a_program_of_ours(project: Path, home: Path) -> None:
    """The first time the program decides; then its note and the session's file are enough."""
    env = make_env()
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    fields = read_session_fields(env)
    expected = {
        **{name: fields.get(name) for name in VARIABLES},
        "TASKCLUSTER_CERTIFICATE": None,
        "TCENV_LOADED": make_loaded_value(env, before=f"work={fields['TASKCLUSTER_ROOT_URL']}"),
        "AFTER": "1",
    }
    assert inside(project, {**env, "TASKCLUSTER_CERTIFICATE": "stale"})[0] == expected
    # A `tcenv` on the PATH that would give itself away.
    trap = home / "trap"
    trap.mkdir()
    (trap / "tcenv").write_text(f"#!/bin/sh\ntouch {home}/called\nexit 1\n")
    (trap / "tcenv").chmod(0o755)
    trapped = {**env, "PATH": f"{trap}:{env['PATH']}", "TASKCLUSTER_CERTIFICATE": "stale"}
    assert inside(project, trapped)[0] == expected
    assert not (home / "called").exists()
    # The note holds no token, and no other deployment's variables make it good.
    notes = [path.read_text() for path in (home / ".cache/tcenv/direnv").iterdir()]
    assert notes
    assert fields["TASKCLUSTER_ACCESS_TOKEN"] not in "".join(notes)
    for change in (
        {"TCENV_PROFILE": "other"},
        {"TASKCLUSTER_ROOT_URL": "https://other.example.com"},
        {"TCENV_STORE": "file"},
    ):
        inside(project, {**trapped, **change})
        assert (home / "called").exists(), change
        (home / "called").unlink()


def test_the_only_program_is_direnv_itself(project: Path, tmp_path: Path) -> None:
    env = make_env()
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    trace = tmp_path / "trace"

    def programs() -> list[str]:
        subprocess.run(
            [
                require("strace"),
                "-ff",
                "-qq",
                "-e",
                "trace=execve",
                "-o",
                str(trace),
                require("direnv"),
                "export",
                "bash",
            ],
            env=env,
            cwd=project,
            capture_output=True,
            timeout=60,
        )
        # A file for each process: in one, calls that overlap would be cut in two.
        files = list(tmp_path.glob("trace.*"))
        text = "".join(path.read_text() for path in files)
        for path in files:
            path.unlink()
        return [match[1].rpartition("/")[2] for match in re.finditer(r'execve\("([^"]+)".* = 0', text)]

    programs()
    with_library = programs()
    envrc(project, "export A=1 B=2 C=3\n")
    plain = programs()
    # watch_file is a direnv program of its own; nothing else comes on top.
    assert sorted(with_library) == sorted([*plain, "direnv"])


def test_signed_out_is_one_line_and_the_rest_goes_on(project: Path) -> None:
    found, said = inside(project, make_env())
    assert found["TASKCLUSTER_ACCESS_TOKEN"] is None
    assert found["AFTER"] == "1"
    assert len([line for line in said.splitlines() if "tcenv login" in line]) == 1


def test_required_fails_and_login_signs_in(project: Path, deployment: Sandbox) -> None:
    envrc(project, "use taskcluster work --required\nexport AFTER=1\n")
    found, _ = inside(project, make_env())
    assert found["AFTER"] is None
    assert deployment.approvals == 0
    envrc(project, "use taskcluster work --login\nexport AFTER=1\n")
    found, said = inside(project, make_env())
    assert found["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}:work", said
    assert found["AFTER"] == "1"
    assert deployment.approvals == 1


def test_a_plain_eval_works_and_asks_once(project: Path, deployment: Sandbox) -> None:
    envrc(project, 'eval "$(tcenv login)"\n')
    env = make_env(SHELL="/usr/bin/fish")
    first, said = inside(project, env)
    assert first["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}:work", said
    assert inside(project, env)[0] == first
    assert deployment.approvals == 1


def test_a_bare_root_url_in_the_envrc(project: Path, home: Path, deployment: Sandbox) -> None:
    (home / ".config/tcenv/config.toml").unlink()
    env = make_env(deployment)
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    envrc(project, f"export TASKCLUSTER_ROOT_URL={deployment.root_url}/\nuse taskcluster\n")
    assert inside(project, make_env())[0]["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"


def test_a_changed_configuration_is_noticed(project: Path, home: Path) -> None:
    env = make_env()
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    config = home / ".config/tcenv/config.toml"
    config.write_text(
        config.read_text().replace('default = "work"', "") + '\n[profiles.other]\nroot_url = "https://o.example.com"\n'
    )
    found, said = inside(project, env)
    assert found["TASKCLUSTER_ACCESS_TOKEN"] is None
    assert "No deployment is named" in said


HOOKS = {
    "bash": (["bash", "--noprofile", "--rcfile"], 'eval "$(direnv hook bash)"; PS1="> "'),
    "zsh": (["zsh", "-d"], 'eval "$(direnv hook zsh)"; PS1="> "'),
    "fish": (["fish", "--no-config", "--init-command"], "direnv hook fish | source"),
}


@pytest.mark.parametrize("shell", HOOKS)
def test_another_terminals_login_shows_at_the_next_prompt(
    shell: str, project: Path, tmp_path: Path, home: Path
) -> None:
    env = make_env(TASKCLUSTER_CLIENT_ID="from-before", DIRENV_LOG_FORMAT="direnv: %s")
    arguments, hook = HOOKS[shell]
    rc = home / (".zshrc" if shell == "zsh" else "rc")
    rc.write_text(hook + "\n")
    more = {"bash": [str(rc)], "zsh": [], "fish": [f"source {rc}"]}[shell]
    with Terminal([require(arguments[0]), *arguments[1:], *more], env, tmp_path) as terminal:
        terminal.read_environment()
        terminal.type(f"cd {project}")
        # The directory's profile has no credentials yet, and nobody else's are left.
        selected = terminal.read_environment()
        assert (selected.get("TASKCLUSTER_CLIENT_ID"), selected["TCENV_PROFILE"]) == (None, "work")
        # A session that did not exist before, made in another terminal.
        assert tcenv("login", "--shell", "sh", env=make_env()).returncode == 0
        terminal.press("Enter")
        first = terminal.read_environment()
        assert first["TASKCLUSTER_ACCESS_TOKEN"] == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        # Reset there, while we are somewhere else.
        terminal.type("cd /")
        assert terminal.read_environment()["TASKCLUSTER_CLIENT_ID"] == "from-before"
        assert tcenv("login", "--reset", "--shell", "sh", env=make_env()).returncode == 0
        terminal.type(f"cd {project}")
        second = terminal.read_environment()
        assert second["TASKCLUSTER_ACCESS_TOKEN"] == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert second["TASKCLUSTER_ACCESS_TOKEN"] != first["TASKCLUSTER_ACCESS_TOKEN"]
        assert tcenv("logout", "--shell", "sh", env=make_env()).returncode == 0
        terminal.press("Enter")
        assert terminal.read_environment().get("TASKCLUSTER_ACCESS_TOKEN") is None
        terminal.type("cd /")
        assert terminal.read_environment()["TASKCLUSTER_CLIENT_ID"] == "from-before"


def test_install_is_idempotent_and_says_what_it_did(home: Path) -> None:
    env = make_env()
    path = home / ".config/direnv/lib/tcenv.sh"
    first = tcenv("direnv", "--install", env=env)
    assert "Wrote" in first.stderr
    assert str(path) in first.stderr
    assert path.read_text() == tcenv("direnv", env=env).stdout
    assert "up to date" in tcenv("direnv", "--install", env=env).stderr
    path.write_text("older")
    assert "Updated" in tcenv("direnv", "--install", env=env).stderr
    assert "Removed" in tcenv("direnv", "--uninstall", env=env).stderr
    assert not path.exists()
    assert tcenv("direnv", "--uninstall", env=env).returncode == 0


def profile_file(env: dict[str, str]) -> Path:
    return Path(env["XDG_RUNTIME_DIR"]) / "tcenv/work.session"


def test_what_the_directory_has_chosen_is_noted(project: Path, deployment: Sandbox) -> None:
    """A prompt hook that unloads in the directory knows what to go back to."""
    env = make_env()
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0

    def loaded(before: str, env: dict[str, str]) -> str:
        envrc(project, before + "use taskcluster work\n")
        done = subprocess.run(
            [require("direnv"), "exec", str(project), "sh", "-c", "echo $TCENV_LOADED"],
            env=env,
            cwd=project,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout.strip()

    # The directory has chosen: unloading leaves its profile selected, whatever was there outside.
    expected = make_loaded_value(env, "work", before=f"work={deployment.root_url}")
    other = "https://other.example.com"
    assert loaded("", env) == expected
    assert loaded("", {**env, "TASKCLUSTER_ROOT_URL": other}) == expected
    assert loaded(f"export TASKCLUSTER_ROOT_URL={other}\n", env) == expected
    assert loaded("", {**env, "TCENV_LOADED": f"x {other} 0 - {other}", "TASKCLUSTER_ROOT_URL": other}) == expected
    assert loaded("export TASKCLUSTER_ROOT_URL='$(id) x'\n", env) == expected


def test_root_urls_are_compared_and_not_names(project: Path, home: Path, deployment: Sandbox) -> None:
    """The file's name fits, and what it holds is another deployment's: it is not loaded."""
    env = make_env()
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    path = profile_file(env)
    good = path.read_text()
    path.write_text(good.replace(deployment.root_url, "https://h.example.com/team_a"))
    found, said = inside(project, env)
    assert found["TASKCLUSTER_ACCESS_TOKEN"] is None
    assert "Not signed in" in said
    # A bare root URL of which another spelling would make the same name.
    (home / ".config/tcenv/config.toml").unlink()
    (path.parent / "h.example.com__team_a.session").write_text(
        good.replace(deployment.root_url, "https://h.example.com/team-a").replace("=work", "=h.example.com__team_a")
    )
    for root_url in ("https://h.example.com/team_a", "https://h.example.com/team-a"):
        envrc(project, f"export TASKCLUSTER_ROOT_URL={root_url}\nuse taskcluster\n")
        found, _ = inside(project, env)
        assert (found["TASKCLUSTER_ACCESS_TOKEN"], found["TASKCLUSTER_ROOT_URL"]) == (None, root_url)


def test_what_is_over_half_or_somebody_elses_is_not_taken(project: Path, home: Path) -> None:
    env = make_env()
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    path = profile_file(env)
    good = path.read_text()
    expires = read_session_fields(env, "work")["TCENV_EXPIRES"]
    assert inside(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is not None
    for bad in (
        good.replace(f"TCENV_EXPIRES={expires}", "TCENV_EXPIRES=1500000000"),
        good.replace(f"TCENV_EXPIRES={expires}", "TCENV_EXPIRES=a[$(touch owned)]"),
        good.replace("END=tcenv-session-1\n", ""),
        good.replace("TCENV_PROFILE=work", "TCENV_PROFILE=other"),
        good.replace("END=", "STATE=ended\nEND=").replace("GENERATION=", "GENERATION=ended "),
    ):
        path.write_text(bad)
        # The program judges it: what it has noted holds for a file that tcenv has written.
        shutil.rmtree(home / ".cache/tcenv/direnv", ignore_errors=True)
        assert inside(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is None, bad.partition("\n")[2]
        assert not (project / "owned").exists()
    path.write_text(good)
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))
    assert inside(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is None
    path.unlink()
    os.mkfifo(path)
    assert inside(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is None


def test_a_profile_that_is_no_name_opens_no_file(project: Path, home: Path) -> None:
    for odd in ("../../x", "$(touch owned)", "a b", "*"):
        envrc(project, f"use taskcluster '{odd}'\nexport AFTER=1\n")
        found, said = inside(project, make_env())
        assert (found["TASKCLUSTER_ACCESS_TOKEN"], found["AFTER"]) == (None, "1")
        assert (found["TASKCLUSTER_ROOT_URL"], found["TCENV_PROFILE"]) == (None, odd)
        assert repr(odd) in said
        assert not (project / "owned").exists()


def test_a_purpose_is_passed_on(project: Path, home: Path) -> None:
    """`--as` cuts the session: the program does that, each time."""
    trap = home / "trap"
    trap.mkdir()
    (trap / "tcenv").write_text(f'#!/bin/sh\necho "$@" >>{home}/called\n')
    (trap / "tcenv").chmod(0o755)
    env = make_env()
    env["PATH"] = f"{trap}:{env['PATH']}"
    for text in ("--as relduty", "--as=relduty"):
        envrc(project, f"use taskcluster work {text} --login\n")
        inside(project, env)
        assert (home / "called").read_text().splitlines() == [
            "hook bash --for-directory work --as relduty",
            "login work --as relduty --shell bash",
        ]
        (home / "called").unlink()
    envrc(project, "use taskcluster work --as\n")
    assert "--as needs" in inside(project, env)[1]


def test_a_purpose_cuts_the_session(project: Path, deployment: Sandbox) -> None:
    env = make_env()
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    done = tcenv("purpose", "set", "relduty", "--scope", "queue:scheduler-id:a", "--for", "1h", env=env)
    assert done.returncode == 0, done.stderr
    envrc(project, "use taskcluster work --as relduty\n")
    found, said = inside(project, env)
    assert "queue:scheduler-id:a" in (found["TASKCLUSTER_CERTIFICATE"] or ""), said
    assert found["TCENV_PROFILE"] == "work"


def test_without_a_login_manager_it_finds_the_same_place(project: Path, shared_memory: Path, home: Path) -> None:
    """`su -`, ssh, a container: no XDG_RUNTIME_DIR, or another user's."""
    env = make_env()
    (home / "neighbours").mkdir()
    os.chown(home / "neighbours", 1234, 1234)
    mine = not Path(f"/run/user/{os.geteuid()}").exists()
    for runtime in (None, str(home / "neighbours")):
        env.pop("XDG_RUNTIME_DIR", None)
        if runtime:
            env["XDG_RUNTIME_DIR"] = runtime
        done = tcenv("login", "work", "--shell", "sh", env=env)
        assert done.returncode == 0, done.stderr
        try:
            found, said = inside(project, env)
            assert found["TASKCLUSTER_ACCESS_TOKEN"], said
            if mine:
                assert (shared_memory / "work.session").exists()
        finally:
            assert tcenv("logout", "work", "--shell", "sh", env=env).returncode == 0
        assert inside(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is None
