"""Every hint is a line that can be pasted and does what it says: it names the profile, in the form for the user's shell."""

from __future__ import annotations

import subprocess

import pytest

from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.errors import CredentialsRejected, Hint
from tcenv.sandbox import Sandbox
from tests.world import make_env, tcenv


def test_rejected_credentials_are_the_profiles() -> None:
    with Sandbox() as sandbox, pytest.raises(CredentialsRejected) as raised:
        Deployment(sandbox.root_url, argument="work").confirm(Credentials("nobody/there", "x" * 44))
    assert raised.value.hint == Hint("Sign in again:", ("tcenv", "login", "work"))


def two_profiles_of_one_deployment(sandbox: Sandbox, **more: str) -> dict[str, str]:
    env = make_env(**more)
    for name in ("work", "play"):
        assert tcenv("profile", "set", name, "--root-url", sandbox.root_url, env=env).returncode == 0
    return env


def test_scopes_that_are_not_held_name_the_profile() -> None:
    with Sandbox() as sandbox:
        env = two_profiles_of_one_deployment(sandbox, TCENV_SCOPE="queue:scheduler-id:a")
        assert tcenv("login", "play", "--shell", "sh", env=env).returncode == 0
        for words in (("env", "play", "--format", "json"), ("exec", "play")):
            done = tcenv(*words, "--scope", "auth:x", *(("--", "true") if words[0] == "exec" else ()), env=env)
            assert done.returncode == 2
            assert "tcenv scopes play." in done.stderr
            assert 'eval "$(tcenv login play --reset --scope queue:scheduler-id:a --scope auth:x)"' in done.stderr


def test_a_profile_with_another_root_url_can_be_named_where_none_is_taken() -> None:
    """`logout` has no `--root-url`: what it is told to be typed works all the same."""
    with Sandbox() as sandbox:
        env = two_profiles_of_one_deployment(sandbox, TCENV_SHELL="fish", TCENV_SCOPE="queue:scheduler-id:a")
        port = 0
        for user in ("a/somebody", "a/somebody-else"):
            with Sandbox(user=user, port=port) as other:
                port = other.port
                done = tcenv("login", "work", "--root-url", other.root_url, "--reset", env=env)
                assert done.returncode == 0, done.stderr
        name = f"work@http_localhost_{port}"
        assert f"If that is not you: tcenv logout {name} | source" in done.stderr
        said = tcenv("logout", name, env=env)
        assert said.returncode == 0, said.stderr
        assert f"Signed out of {name}" in said.stderr


def test_a_value_with_a_full_stop_stays_one_word_of_the_command() -> None:
    with Sandbox() as sandbox:
        env = two_profiles_of_one_deployment(sandbox, TCENV_SHELL="bash")
        assert tcenv("login", "play", env=env).returncode == 0
        done = tcenv("login", "play", "--description", "Made. By me", env=env)
        assert """eval "$(tcenv login play --reset --description 'Made. By me')\"""" in done.stderr
        line = next(line for line in done.stderr.splitlines() if "eval" in line).partition(": ")[2].partition(": ")[2]
        shell = subprocess.run(["bash", "-c", f"{line}\necho $?"], env=env, capture_output=True, text=True, timeout=60)
        assert shell.stdout == "0\n", shell.stderr
        assert any(client.description == "Made. By me" for client in sandbox.clients.values())


def test_what_is_for_a_shell_is_told_with_all_its_words() -> None:
    with Sandbox() as sandbox:
        env = two_profiles_of_one_deployment(sandbox)
        assert tcenv("login", "play", "--shell", "sh", env=env).returncode == 0
        done = subprocess.run(
            ["script", "-qec", "tcenv env play --for 5m --shell bash", "/dev/null"],
            env=env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        assert done.returncode == 2
        assert 'eval "$(tcenv env play --for 5m)"' in done.stdout
