"""Check hints: each is a line to paste that works, names the profile, and has the syntax of the user's shell."""

from __future__ import annotations

import pytest

from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.errors import CredentialsRejected, Hint
from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.world import login, make_env, tcenv


def test_the_hint_for_rejected_credentials_names_the_profile() -> None:
    with Sandbox() as sandbox, pytest.raises(CredentialsRejected) as raised:
        Deployment(sandbox.root_url, argument="work").confirm(Credentials("nobody/there", "x" * 44))
    assert raised.value.hint == Hint("Sign in again:", ("tcenv", "login", "work"))


def make_two_profiles(sandbox: Sandbox, **more: str) -> dict[str, str]:
    env = make_env(**more)
    for name in ("work", "play"):
        assert tcenv("profile", "set", name, "--root-url", sandbox.root_url, env=env).returncode == 0
    return env


def test_the_hint_for_missing_scopes_names_the_profile(deployment: Sandbox) -> None:
    env = make_two_profiles(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    assert login(env, "play").returncode == 0
    for words in (("env", "play", "--format", "json"), ("exec", "play")):
        done = tcenv(*words, "--scope", "auth:x", *(("--", "true") if words[0] == "exec" else ()), env=env)
        assert done.returncode == 2
        assert "tcenv scopes play." in done.stderr
        assert 'eval "$(tcenv login play --reset --scope queue:scheduler-id:a --scope auth:x)"' in done.stderr


def test_the_hint_names_a_profile_with_another_root_url(deployment: Sandbox) -> None:
    """`logout` has no `--root-url`, and the line in its hint still works."""
    env = make_two_profiles(deployment, TCENV_SHELL="fish", TCENV_SCOPE="queue:scheduler-id:a")
    port = 0
    for user in ("a/somebody", "a/somebody-else"):
        with Sandbox(user=user, port=port) as other:
            port = other.port
            done = tcenv("login", "work", "--root-url", other.root_url, "--reset", env=env)
            assert done.returncode == 0, done.stderr
    name = f"work@http_localhost_{port}"
    assert f"If that is not you: tcenv logout {name} | source" in done.stderr
    output = tcenv("logout", name, env=env)
    assert output.returncode == 0, output.stderr
    assert f"Signed out of {name}" in output.stderr


def test_a_hint_quotes_a_value_with_a_full_stop(deployment: Sandbox) -> None:
    env = make_two_profiles(deployment, TCENV_SHELL="bash")
    assert tcenv("login", "play", env=env).returncode == 0
    done = tcenv("login", "play", "--description", "Made. By me", env=env)
    assert """eval "$(tcenv login play --reset --description 'Made. By me')\"""" in done.stderr
    line = next(line for line in done.stderr.splitlines() if "eval" in line).partition(": ")[2].partition(": ")[2]
    shell = run_program("bash", "-c", f"{line}\necho $?", env=env)
    assert shell.stdout == "0\n", shell.stderr
    assert any(client.description == "Made. By me" for client in deployment.clients.values())


def test_the_hint_on_a_terminal_repeats_all_words(deployment: Sandbox) -> None:
    env = make_two_profiles(deployment)
    assert login(env, "play").returncode == 0
    done = run_program("script", "-qec", "tcenv env play --for 5m --shell bash", "/dev/null", env=env)
    assert done.returncode == 2
    assert 'eval "$(tcenv env play --for 5m)"' in done.stdout
