"""`use taskcluster` with the real direnv, by itself and at the prompts of shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.shells.direnv import (
    DIRENV_HOOKS,
    read_variables,
    run_in_directory,
    start_shell_with_direnv,
    write_envrc,
)
from tests.world import NAME, VARIABLES, find_session_file, make_env, make_loaded_value, read_session_fields, tcenv


@pytest.fixture
def project(deployment: Sandbox, home: Path) -> Path:
    """Make a directory whose .envrc loads the default profile, `work`, with tcenv's library for direnv installed."""
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, "--default", env=env).returncode == 0
    assert tcenv("direnv", "--install", env=env).returncode == 0
    write_envrc(home / "project", "use taskcluster\nexport AFTER=1\n")
    return home / "project"


@pytest.fixture
def env(project: Path) -> dict[str, str]:
    """Sign in. Return the environment."""
    env = make_env()
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    return env


def test_a_known_session_is_loaded_without_a_process_of_tcenv(project: Path, env: dict[str, str], home: Path) -> None:
    """The program decides once. Then its note and the session's file are enough."""
    fields = read_session_fields(env)
    expected = {
        **{name: fields.get(name) for name in VARIABLES},
        "TASKCLUSTER_CERTIFICATE": None,
        "TCENV_LOADED": make_loaded_value(env, before=f"work={fields['TASKCLUSTER_ROOT_URL']}"),
        "AFTER": "1",
    }
    assert read_variables(project, {**env, "TASKCLUSTER_CERTIFICATE": "stale"})[0] == expected
    # A `tcenv` on the PATH would leave a file.
    trap = home / "trap"
    trap.mkdir()
    (trap / "tcenv").write_text(f"#!/bin/sh\ntouch {home}/called\nexit 1\n")
    (trap / "tcenv").chmod(0o755)
    trapped = {**env, "PATH": f"{trap}:{env['PATH']}", "TASKCLUSTER_CERTIFICATE": "stale"}
    assert read_variables(project, trapped)[0] == expected
    assert not (home / "called").exists()
    # The note holds no token, and counts only for the same variables.
    notes = [path.read_text() for path in (home / ".cache/tcenv/direnv").iterdir()]
    assert notes
    assert fields["TASKCLUSTER_ACCESS_TOKEN"] not in "".join(notes)
    for change in (
        {"TCENV_PROFILE": "other"},
        {"TASKCLUSTER_ROOT_URL": "https://other.example.com"},
        {"TCENV_STORE": "file"},
    ):
        read_variables(project, {**trapped, **change})
        assert (home / "called").exists(), change
        (home / "called").unlink()


def test_the_only_program_is_direnv_itself(project: Path, env: dict[str, str], tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    def trace_programs() -> list[str]:
        tracer = [require("strace"), "-ff", "-qq", "-e", "trace=execve", "-o", str(trace)]
        command = [*tracer, require("direnv"), "export", "bash"]
        subprocess.run(command, env=env, cwd=project, capture_output=True, timeout=60)
        # strace writes a file for each process, because it splits calls that overlap in one file.
        files = list(tmp_path.glob("trace.*"))
        text = "".join(path.read_text() for path in files)
        for path in files:
            path.unlink()
        return [match[1].rpartition("/")[2] for match in re.finditer(r'execve\("([^"]+)".* = 0', text)]

    trace_programs()
    with_library = trace_programs()
    write_envrc(project, "export A=1 B=2 C=3\n")
    plain = trace_programs()
    # watch_file is a program of direnv.
    assert sorted(with_library) == sorted([*plain, "direnv"])


def test_without_a_session_one_line_says_so_and_the_envrc_goes_on(project: Path) -> None:
    found, said = read_variables(project, make_env())
    assert found["TASKCLUSTER_ACCESS_TOKEN"] is None
    assert found["AFTER"] == "1"
    assert len([line for line in said.splitlines() if "tcenv login" in line]) == 1


def test_required_fails_and_login_signs_in(project: Path, deployment: Sandbox) -> None:
    write_envrc(project, "use taskcluster work --required\nexport AFTER=1\n")
    found, _ = read_variables(project, make_env())
    assert found["AFTER"] is None
    assert deployment.approvals == 0
    write_envrc(project, "use taskcluster work --login\nexport AFTER=1\n")
    found, said = read_variables(project, make_env())
    assert found["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}:work", said
    assert found["AFTER"] == "1"
    assert deployment.approvals == 1


def test_a_plain_eval_signs_in_once(project: Path, deployment: Sandbox) -> None:
    write_envrc(project, 'eval "$(tcenv login)"\n')
    env = make_env(SHELL="/usr/bin/fish")
    first, said = read_variables(project, env)
    assert first["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}:work", said
    assert read_variables(project, env)[0] == first
    assert deployment.approvals == 1


def test_a_bare_root_url_in_the_envrc(project: Path, home: Path, deployment: Sandbox) -> None:
    (home / ".config/tcenv/config.toml").unlink()
    env = make_env(deployment)
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    write_envrc(project, f"export TASKCLUSTER_ROOT_URL={deployment.root_url}/\nuse taskcluster\n")
    assert read_variables(project, make_env())[0]["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"


def test_a_changed_configuration_is_noticed(project: Path, env: dict[str, str], home: Path) -> None:
    config = home / ".config/tcenv/config.toml"
    config.write_text(
        config.read_text().replace('default = "work"', "") + '\n[profiles.other]\nroot_url = "https://o.example.com"\n'
    )
    found, said = read_variables(project, env)
    assert found["TASKCLUSTER_ACCESS_TOKEN"] is None
    assert "No deployment is named" in said


@pytest.mark.parametrize("shell", DIRENV_HOOKS)
def test_another_terminals_login_shows_at_the_next_prompt(shell: str, project: Path, tmp_path: Path) -> None:
    env = make_env(TASKCLUSTER_CLIENT_ID="from-before", DIRENV_LOG_FORMAT="direnv: %s")
    with start_shell_with_direnv(shell, tmp_path, env) as terminal:
        terminal.read_environment()
        terminal.type(f"cd {project}")
        # Nobody has signed in to the directory's profile, and no other credentials are left.
        selected = terminal.read_environment()
        assert (selected.get("TASKCLUSTER_CLIENT_ID"), selected["TCENV_PROFILE"]) == (None, "work")
        # Another terminal signs in.
        assert tcenv("login", "--shell", "sh", env=make_env()).returncode == 0
        terminal.press("Enter")
        first = terminal.read_environment()
        assert first["TASKCLUSTER_ACCESS_TOKEN"] == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        # It resets the session while this shell is in another directory.
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


def test_TCENV_LOADED_has_the_choice_of_the_directory(project: Path, env: dict[str, str], deployment: Sandbox) -> None:
    """A prompt hook that unloads in the directory leaves its profile selected, whatever was chosen outside."""

    def read_loaded(before: str, env: dict[str, str]) -> str:
        write_envrc(project, before + "use taskcluster work\n")
        return run_in_directory(project, "sh", "-c", "echo $TCENV_LOADED", env=env).stdout.strip()

    expected = make_loaded_value(env, "work", before=f"work={deployment.root_url}")
    other = "https://other.example.com"
    assert read_loaded("", env) == expected
    assert read_loaded("", {**env, "TASKCLUSTER_ROOT_URL": other}) == expected
    assert read_loaded(f"export TASKCLUSTER_ROOT_URL={other}\n", env) == expected
    assert read_loaded("", {**env, "TCENV_LOADED": f"x {other} 0 - {other}", "TASKCLUSTER_ROOT_URL": other}) == expected
    assert read_loaded("export TASKCLUSTER_ROOT_URL='$(id) x'\n", env) == expected


def test_a_file_of_another_deployment_is_not_loaded(
    project: Path, env: dict[str, str], home: Path, deployment: Sandbox
) -> None:
    """The name of a file does not tell its deployment, so root URLs are compared."""
    path = find_session_file(env, "work")
    good = path.read_text()
    path.write_text(good.replace(deployment.root_url, "https://h.example.com/team_a"))
    found, said = read_variables(project, env)
    assert found["TASKCLUSTER_ACCESS_TOKEN"] is None
    assert "Not signed in" in said
    # Two root URLs make the same name.
    (home / ".config/tcenv/config.toml").unlink()
    (path.parent / "h.example.com__team_a.session").write_text(
        good.replace(deployment.root_url, "https://h.example.com/team-a").replace("=work", "=h.example.com__team_a")
    )
    for root_url in ("https://h.example.com/team_a", "https://h.example.com/team-a"):
        write_envrc(project, f"export TASKCLUSTER_ROOT_URL={root_url}\nuse taskcluster\n")
        found, _ = read_variables(project, env)
        assert (found["TASKCLUSTER_ACCESS_TOKEN"], found["TASKCLUSTER_ROOT_URL"]) == (None, root_url)


def test_an_expired_damaged_or_foreign_session_is_not_loaded(project: Path, env: dict[str, str], home: Path) -> None:
    path = find_session_file(env, "work")
    good = path.read_text()
    expires = read_session_fields(env, "work")["TCENV_EXPIRES"]
    assert read_variables(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is not None
    for bad in (
        good.replace(f"TCENV_EXPIRES={expires}", "TCENV_EXPIRES=1500000000"),
        good.replace(f"TCENV_EXPIRES={expires}", "TCENV_EXPIRES=a[$(touch owned)]"),
        good.replace("END=tcenv-session-1\n", ""),
        good.replace("TCENV_PROFILE=work", "TCENV_PROFILE=other"),
        good.replace("END=", "STATE=ended\nEND=").replace("GENERATION=", "GENERATION=ended "),
    ):
        path.write_text(bad)
        # Let the program decide. Its note counts only for a file that tcenv has written.
        shutil.rmtree(home / ".cache/tcenv/direnv", ignore_errors=True)
        assert read_variables(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is None, bad.partition("\n")[2]
        assert not (project / "owned").exists()
    path.write_text(good)
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))
    assert read_variables(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is None
    path.unlink()
    os.mkfifo(path)
    assert read_variables(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is None


def test_a_profile_that_is_no_name_opens_no_file(project: Path) -> None:
    for odd in ("../../x", "$(touch owned)", "a b", "*"):
        write_envrc(project, f"use taskcluster '{odd}'\nexport AFTER=1\n")
        found, said = read_variables(project, make_env())
        assert (found["TASKCLUSTER_ACCESS_TOKEN"], found["AFTER"]) == (None, "1")
        assert (found["TASKCLUSTER_ROOT_URL"], found["TCENV_PROFILE"]) == (None, odd)
        assert repr(odd) in said
        assert not (project / "owned").exists()


def test_the_program_gets_the_purpose_each_time(project: Path, home: Path) -> None:
    trap = home / "trap"
    trap.mkdir()
    (trap / "tcenv").write_text(f'#!/bin/sh\necho "$@" >>{home}/called\n')
    (trap / "tcenv").chmod(0o755)
    env = make_env()
    env["PATH"] = f"{trap}:{env['PATH']}"
    for text in ("--as relduty", "--as=relduty"):
        write_envrc(project, f"use taskcluster work {text} --login\n")
        read_variables(project, env)
        assert (home / "called").read_text().splitlines() == [
            "hook bash --for-directory work --as relduty",
            "login work --as relduty --shell bash",
        ]
        (home / "called").unlink()
    write_envrc(project, "use taskcluster work --as\n")
    assert "--as needs" in read_variables(project, env)[1]


def test_a_purpose_limits_the_scopes(project: Path, env: dict[str, str]) -> None:
    done = tcenv("purpose", "set", "relduty", "--scope", "queue:scheduler-id:a", "--for", "1h", env=env)
    assert done.returncode == 0, done.stderr
    write_envrc(project, "use taskcluster work --as relduty\n")
    found, said = read_variables(project, env)
    assert "queue:scheduler-id:a" in (found["TASKCLUSTER_CERTIFICATE"] or ""), said
    assert found["TCENV_PROFILE"] == "work"


def test_without_a_login_manager_it_finds_the_same_directory(project: Path, shared_memory: Path, home: Path) -> None:
    """After `su -`, over ssh and in a container, XDG_RUNTIME_DIR is missing or another user's."""
    env = make_env()
    (home / "others").mkdir()
    os.chown(home / "others", 1234, 1234)
    uses_memory = not Path(f"/run/user/{os.geteuid()}").exists()
    for runtime in (None, str(home / "others")):
        env.pop("XDG_RUNTIME_DIR", None)
        if runtime:
            env["XDG_RUNTIME_DIR"] = runtime
        done = tcenv("login", "work", "--shell", "sh", env=env)
        assert done.returncode == 0, done.stderr
        try:
            found, said = read_variables(project, env)
            assert found["TASKCLUSTER_ACCESS_TOKEN"], said
            if uses_memory:
                assert (shared_memory / "work.session").exists()
        finally:
            assert tcenv("logout", "work", "--shell", "sh", env=env).returncode == 0
        assert read_variables(project, env)[0]["TASKCLUSTER_ACCESS_TOKEN"] is None
