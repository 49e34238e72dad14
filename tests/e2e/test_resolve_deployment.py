"""Check which deployment a command means: a variable beats the default, and the hot path agrees with the full command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sessions.profile_names import get_profile_name, is_profile_name
from tests.command_lines import run_command, run_full
from tests.programs import require, run_program
from tests.world import NAME, evaluate, find_session_file, login, make_env, tcenv


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def write_profiles(home: Path, **profiles: str) -> None:
    """Write profiles with these root URLs. The first is the default."""
    lines = [f'default = "{next(iter(profiles))}"']
    for name, root_url in profiles.items():
        lines += [f"[profiles.{name}]", f'root_url = "{root_url}"']
    path = home / ".config/tcenv/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def run_bash(script: str, env: dict[str, str]) -> list[str]:
    """Run a bash script that must succeed. Return its lines."""
    done = run_program("bash", "-c", script, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def resolve_profile(env: dict[str, str], *words: str) -> str:
    """Return the profile that a command would use."""
    done = tcenv("profile", "show", "--json", *words, env=env)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["profile"])


def test_the_variable_beats_the_default_profile(home: Path, deployment: Sandbox, sandbox: Sandbox) -> None:
    """A default profile is configured, and the variable names a sandbox."""
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, "--default", env=env).returncode == 0
    output = run_bash(
        f"export TASKCLUSTER_ROOT_URL={sandbox.root_url}\n"
        'eval "$(tcenv login)" && echo "$TASKCLUSTER_ROOT_URL $TASKCLUSTER_CLIENT_ID"',
        env,
    )
    assert output == [f"{sandbox.root_url} {sandbox.user}/{NAME}"]
    assert (sandbox.approvals, deployment.approvals) == (1, 0)
    assert run_bash('eval "$(tcenv login)" && echo "$TASKCLUSTER_CLIENT_ID"', env) == [f"{deployment.user}/{NAME}:work"]


def test_arguments_beat_variables_and_variables_beat_the_default(home: Path) -> None:
    write_profiles(
        home, work="https://work.example.com", sb="https://sb.example.com", other="https://other.example.com"
    )
    env = make_env()
    assert resolve_profile(env) == "work"
    env["TASKCLUSTER_ROOT_URL"] = "https://sb.example.com/"
    assert resolve_profile(env) == "sb"
    env.update(TCENV_PROFILE="work", TCENV_LOADED="work https://work.example.com 0 - -", TCENV_EXPIRES="9999999999")
    assert resolve_profile(env) == "sb"
    loaded = {**env, "TASKCLUSTER_ROOT_URL": "https://work.example.com"}
    assert resolve_profile(loaded) == "work"
    assert resolve_profile({**loaded, "TCENV_ROOT_URL": "https://other.example.com"}) == "other"
    assert resolve_profile({**loaded, "TCENV_ROOT_URL": "https://other.example.com"}, "sb") == "sb"
    assert resolve_profile(loaded, "https://nobodys.example.com") == "nobodys.example.com"
    # The user has unset the variable since the session was loaded.
    gone = {**env, "TCENV_PROFILE": "sb", "TCENV_LOADED": "sb https://sb.example.com 0 - -"}
    del gone["TASKCLUSTER_ROOT_URL"]
    assert resolve_profile(gone) == "work"
    # A profile that is named but not loaded counts.
    assert resolve_profile({**env, "TCENV_PROFILE": "other"}) == "other"


def test_an_unknown_name_is_an_error(home: Path, sandbox: Sandbox) -> None:
    write_profiles(home, work="https://work.example.com", sb=sandbox.root_url)
    env = make_env(TASKCLUSTER_ROOT_URL="https://work.example.com")
    (home / "project").mkdir()
    for more, words in (
        ({"TCENV_PROFILE": "nope"}, ()),
        ({}, ("nope",)),
        ({"TCENV_PROFILE": "nope", "TCENV_LOADED": "work https://work.example.com 0 - -"}, ()),
    ):
        for command in ("status", "env", "login", "logout", "scopes"):
            done = tcenv(command, *words, env={**env, **more, "TCENV_SHELL": "sh"})
            assert done.returncode == 2, (command, done.stderr)
            assert "'nope'" in done.stderr
            assert "work, sb" in done.stderr
    done = tcenv("exec", "--", "true", env={**env, "TCENV_PROFILE": "nope"})
    assert (done.returncode, "'nope'" in done.stderr) == (2, True)
    config = home / ".config/tcenv/config.toml"
    config.write_text(config.read_text().replace('default = "work"', 'default = "nope"'))
    done = tcenv("status", env=make_env())
    assert (done.returncode, "default" in done.stderr) == (2, True), done.stderr


def test_a_name_with_a_session_is_known(home: Path, sandbox: Sandbox) -> None:
    """The profile is no longer in the configuration."""
    write_profiles(home, sb=sandbox.root_url)
    env = make_env(TCENV_PROFILE="sb")
    now = evaluate("login", env=env)
    write_profiles(home, work="https://work.example.com")
    assert resolve_profile(env) == "sb"
    done = tcenv("status", "nope", env=env)
    assert "work, sb" in done.stderr
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    assert tcenv("status", env=env).returncode == 2
    assert resolve_profile(now) == "sb"
    assert "TCENV_PROFILE" in tcenv("logout", "--shell", "sh", env=now).stdout


def test_a_root_url_of_several_profiles_means_the_default_or_none(home: Path) -> None:
    write_profiles(home, a="https://tc.example.com", b="https://tc.example.com", c="https://two.example.com")
    assert resolve_profile(make_env(TASKCLUSTER_ROOT_URL="https://tc.example.com")) == "a"
    write_profiles(home, c="https://two.example.com", a="https://tc.example.com", b="https://tc.example.com")
    assert resolve_profile(make_env(TASKCLUSTER_ROOT_URL="https://tc.example.com")) == "tc.example.com"


@pytest.mark.linux
def test_the_hot_path_resolves_the_same_profile(home: Path, deployment: Sandbox, sandbox: Sandbox) -> None:
    write_profiles(home, work=deployment.root_url, also=deployment.root_url, sb=sandbox.root_url)
    bare = make_env()
    for profile in ("work", "also", "sb"):
        assert login(bare, profile).returncode == 0
    loaded = {
        "TCENV_PROFILE": "also",
        "TCENV_EXPIRES": "9999999999",
        "TCENV_LOADED": f"also {deployment.root_url} 0 - -",
        "TASKCLUSTER_ROOT_URL": deployment.root_url,
    }
    cases = {
        "default": {},
        "variable": {"TASKCLUSTER_ROOT_URL": sandbox.root_url},
        "variable of two": {"TASKCLUSTER_ROOT_URL": deployment.root_url},
        "other spelling": {"TASKCLUSTER_ROOT_URL": sandbox.root_url.upper() + "/"},
        "loaded": loaded,
        "changed since": {**loaded, "TASKCLUSTER_ROOT_URL": sandbox.root_url},
        "tcenv's own": {**loaded, "TCENV_ROOT_URL": sandbox.root_url},
        "named, not loaded": {**loaded, "TCENV_LOADED": "", "TASKCLUSTER_ROOT_URL": sandbox.root_url},
        "named, unknown": {**loaded, "TCENV_PROFILE": "nope"},
        "nonsense": {"TASKCLUSTER_ROOT_URL": "nonsense"},
    }
    asked = [
        (name, words, {**bare, **more})
        for name, more in cases.items()
        for words in ((), (sandbox.root_url,), ("sb",))
        if not words or name in ("default", "loaded")
    ]
    lines = [(("env", *words, "--shell", "sh"), env) for _, words, env in asked]
    meaning = {}
    for (name, words, env), (line, _), full in zip(asked, lines, run_full(lines), strict=True):
        hot = run_command(line, env)
        assert hot == full, name
        found = [text for text in hot.output.splitlines() if "TCENV_PROFILE=" in text]
        meaning[(name, *words)] = found[0].split("'")[1] if found else hot.status
    assert meaning == {
        ("default",): "work",
        ("default", sandbox.root_url): "sb",
        ("default", "sb"): "sb",
        ("variable",): "sb",
        ("variable of two",): "work",
        ("other spelling",): "sb",
        ("loaded",): "also",
        ("loaded", sandbox.root_url): "sb",
        ("loaded", "sb"): "sb",
        ("changed since",): "sb",
        ("tcenv's own",): "sb",
        ("named, not loaded",): "also",
        ("named, unknown",): 2,
        ("nonsense",): 2,
    }


def test_logout_restores_the_former_root_url(home: Path, deployment: Sandbox, sandbox: Sandbox) -> None:
    write_profiles(home, work=deployment.root_url, sb=sandbox.root_url)
    env = make_env(TASKCLUSTER_ROOT_URL="https://mine.example.com")
    output = run_bash(
        'eval "$(tcenv login work)"; eval "$(tcenv login sb)"; echo "$TASKCLUSTER_ROOT_URL"\n'
        'eval "$(tcenv logout work)"; echo "$TCENV_PROFILE $TASKCLUSTER_ROOT_URL"\n'
        'eval "$(tcenv logout)"; echo "${TCENV_PROFILE-none} ${TCENV_LOADED-none} $TASKCLUSTER_ROOT_URL"',
        env,
    )
    assert output == [sandbox.root_url, f"sb {sandbox.root_url}", "none none https://mine.example.com"]


def test_every_hint_names_the_profile_in_the_shells_syntax(home: Path) -> None:
    write_profiles(home, work="https://work.example.com", sb="https://sb.example.com")
    env = make_env(TASKCLUSTER_ROOT_URL="https://sb.example.com")
    for shell, line in {
        "bash": 'eval "$(tcenv login sb)"',
        "fish": "tcenv login sb | source",
        "tcsh": "eval `tcenv login sb`",
    }.items():
        done = tcenv("env", "--shell", shell, env={**env, "TCENV_SHELL": shell})
        assert done.returncode == 3
        assert line in done.stderr
        assert line in tcenv("status", env={**env, "TCENV_SHELL": shell}).stderr
    bare = tcenv("env", "--shell", "bash", env={**env, "TASKCLUSTER_ROOT_URL": "https://x.example.com"})
    assert 'eval "$(tcenv login https://x.example.com)"' in bare.stderr


def test_no_two_root_urls_share_a_session(sandbox: Sandbox) -> None:
    urls = [
        *("https://h", "https://h:1", "https://h/1", "https://h/team-a", "https://h/team_a", "https://h/team~a"),
        *(
            "https://h/a/b",
            "https://h/a_b",
            "https://h/a__b",
            "https://h/a_/b",
            "https://h/a/_b",
            "https://h/a_u",
            "https://h/a_",
        ),
        *(
            "http://localhost",
            "http://localhost:1",
            "http://localhost/1",
            "http://127.0.0.1",
            "http://[::1]",
            "http://[::1]:1",
        ),
        *("https://[::1]", "https://[::1]:80", "https://[::1:80]", "https://http", "https://ip6", "https://ip6:1"),
        *(f"https://h/{'a' * 200}", f"https://h/{'a' * 201}"),
    ]
    names = [get_profile_name(url) for url in urls]
    assert len(set(names)) == len(urls)
    assert all(map(is_profile_name, names))


def test_a_session_of_another_path_is_not_used(home: Path, sandbox: Sandbox) -> None:
    """Only hand-made files could have the same name. The hot path and direnv compare their root URLs."""
    env = make_env(sandbox)
    assert login(env).returncode == 0
    mine = find_session_file(env)
    other = f"{sandbox.root_url}/team_a"
    forged = mine.with_name(f"{get_profile_name(other)}.session")
    text = mine.read_text().replace(f"TCENV_PROFILE={mine.stem}", f"TCENV_PROFILE={forged.stem}")
    forged.write_text(text)
    forged.chmod(0o600)
    for words in (("env",), ("env", other), ("login", "--timeout", "1s")):
        done = tcenv(*words, "--shell", "sh", env={**env, "TASKCLUSTER_ROOT_URL": other, "BROWSER": "true"})
        assert done.returncode in (3, 124)
        assert "TASKCLUSTER_ACCESS_TOKEN" not in done.stdout
    folder = home / "project"
    folder.mkdir()
    (folder / ".envrc").write_text(f"use taskcluster {other}\n")
    assert tcenv("direnv", "--install", env=env).returncode == 0
    subprocess.run([require("direnv"), "allow", str(folder)], env=env, check=True, capture_output=True)
    shown = run_program(require("direnv"), "exec", str(folder), "env", env=env, cwd=folder)
    assert "TASKCLUSTER_ACCESS_TOKEN" not in shown.stdout


def test_a_change_without_a_new_time_or_size_is_noticed(home: Path, deployment: Sandbox, sandbox: Sandbox) -> None:
    import os

    write_profiles(home, one=deployment.root_url, two=sandbox.root_url)
    env = make_env()
    for profile in ("one", "two"):
        assert login(env, profile).returncode == 0
    path = home / ".config/tcenv/config.toml"
    before = path.stat()
    path.write_text(path.read_text().replace('default = "one"', 'default = "two"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert f"'{sandbox.root_url}'" in tcenv("env", "--shell", "sh", env=env).stdout


def test_a_host_needs_no_scheme(home: Path) -> None:
    """A configured name comes first, then a remembered one, then only a word with a dot or a port."""
    env = {name: value for name, value in make_env().items() if name != "TASKCLUSTER_ROOT_URL"}
    for word, root_url in (
        ("tc.example.com", "https://tc.example.com"),
        ("tc.example.com/path", "https://tc.example.com/path"),
        ("localhost:8080", "http://localhost:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("tc:8443", "https://tc:8443"),
    ):
        assert root_url in tcenv("env", word, "--shell", "sh", env=env).stderr, word
    done = tcenv("env", "nosuch", "--shell", "sh", env=env)
    assert done.returncode == 2
    assert "There is no profile 'nosuch'" in done.stderr
    tcenv("profile", "set", "tc.example.com", "--root-url", "https://elsewhere.example.org", env=env)
    assert "https://elsewhere.example.org" in tcenv("env", "tc.example.com", "--shell", "sh", env=env).stderr
