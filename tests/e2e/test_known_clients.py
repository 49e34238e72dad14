"""Check the known clients: they follow the deployment, and every message about a client is true."""

from __future__ import annotations

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sessions import known_clients
from tcenv.sessions.known_clients import KnownClient
from tcenv.sessions.name_series import list_names
from tests.terminal import run_in_terminal
from tests.world import APPROVE, NAME, TCENV, find_session_file, make_env, read_session_fields, tcenv

NARROW = "queue:scheduler-id:a"


def login(env: dict[str, str], *words: str, command: str = "login") -> str:
    """Sign in and return the messages."""
    done = tcenv(command, "--shell", "sh", *words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stderr


def logout(env: dict[str, str], *words: str) -> str:
    done = tcenv("logout", "--shell", "sh", *words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stderr


def read_client_id(env: dict[str, str]) -> str:
    return read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("scopes",),
        ("signin", "--check"),
        ("logout", "--shell", "sh"),
        ("login", "--reset", "--shell", "sh"),
    ],
    ids=" ".join,
)
def test_a_deleted_client_frees_its_name(words: tuple[str, ...], deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env)
    name = read_client_id(env)
    deployment.delete(name)
    done = tcenv(*words, env=env)
    output = done.stderr if words[0] in ("logout", "login") else ""
    if words[0] != "login":
        output += login(env, "--retry", *(["--reset"] if words[0] in ("scopes", "signin") else []))
    assert read_client_id(env) == name
    assert list(deployment.clients) == [name]
    assert "still taken" not in output and "Deleted" not in output


def test_the_proxy_notices_a_deleted_client(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env)
    name = read_client_id(env)
    deployment.delete(name)
    program = "import taskcluster as t; t.Auth(t.optionsFromEnvironment()).currentScopes()"
    done = tcenv("exec", "--proxy", "--", TCENV.replace("tcenv", "python"), "-c", program, env=env)
    assert "The client no longer exists" in done.stderr
    assert name not in {known.client_id for known in known_clients.list_clients(deployment.root_url)}


def test_a_logout_does_not_claim_the_deletion_of_others(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env)
    name = read_client_id(env)
    deployment.delete(name)
    assert f"{name} was deleted before" in logout(env)
    login(env)
    deployment.clients[name].access_token = "x" * 44  # reset elsewhere
    output = logout(env)
    assert "Deleted" not in output and f"The token of {name} no longer works" in output
    # The client still exists, so its name is taken.
    login(env)
    assert read_client_id(env) == f"{name}@2"


def test_a_name_is_free_again_once_tcenv_has_asked(deployment: Sandbox) -> None:
    """The client was deleted on its page after its session was lost, and tcenv does not know that yet."""
    env = make_env(deployment, TCENV_SCOPE=NARROW)
    login(env)
    name = read_client_id(env)
    find_session_file(env).unlink()
    deployment.delete(name)
    output = login(env)
    assert read_client_id(env) == f"{name}@2"
    assert "still taken" not in output and "Deleted" not in output
    # tcenv knows since that sign-in.
    find_session_file(env).unlink()
    login(env)
    assert read_client_id(env) == name


def take_all_names(deployment: Sandbox) -> list[str]:
    """Take all names, as five sign-ins without a logout do."""
    names = []
    for name in list_names(NAME):
        made = deployment.create_client(f"{deployment.user}/{name}", [NARROW])
        known_clients.remember(deployment.root_url, KnownClient(name, made.client_id, int(made.expires), NAME))
        names.append(made.client_id)
    return names


def test_the_deployment_is_asked_when_all_names_are_taken(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE=NARROW, TCENV_NO_SELF_DELETE="1")
    names = take_all_names(deployment)
    refused = tcenv("login", "--shell", "sh", env=env)
    assert refused.returncode == 1 and all(name in refused.stderr for name in names)
    deployment.delete(names[2])
    login(env)
    assert read_client_id(env) == names[2]


@pytest.mark.deployment(public=False)
def test_the_page_decides_if_the_deployment_does_not_tell(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE=NARROW, TCENV_NO_SELF_DELETE="1")
    names = take_all_names(deployment)
    deployment.delete(names[0])
    output = login(env)
    assert read_client_id(env) == names[0]
    assert "does not say" in output


def test_login_reports_an_outage_when_all_names_are_taken(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE=NARROW, TCENV_NO_SELF_DELETE="1")
    names = take_all_names(deployment)
    deployment.delete(names[0])
    deployment.fail("hang-up")
    refused = tcenv("login", "--shell", "sh", env=env)
    assert refused.returncode == 1 and names[0] in refused.stderr and "cannot be reached" in refused.stderr
    assert deployment.approvals == 0


def test_the_prefix_outlives_its_clients() -> None:
    port = 0
    with Sandbox(user="a/one") as tc:
        port = tc.port
        env = make_env(tc)
        login(env)
        logout(env)
        assert tc.clients == {}
        login(env, "--scope", NARROW)
        assert f"ASKED=auth:delete-client:a/one/{NAME}\n" in find_session_file(env).read_text()
        logout(env)
        assert tc.clients == {}
    with Sandbox(user="b/two", port=port) as tc:
        output = login(env, "--scope", NARROW)
        assert f"You are signed in as b/two/{NAME}, but the last sign-in here was a/one" in output
        # tcenv no longer requests scopes of the other user.
        assert "Not granted" not in output and "a/one" not in find_session_file(env).read_text()
        logout(env)
        login(env, "--scope", NARROW)
        assert f"ASKED=auth:delete-client:b/two/{NAME}@2\n" in find_session_file(env).read_text()


@pytest.mark.parametrize("terminal", [False, True])
def test_the_second_narrow_session_deletes_the_first_ones_client(terminal: bool, deployment: Sandbox) -> None:
    # A program as the browser: the reset must pause it before it approves.
    env = make_env(deployment, TCENV_SCOPE=NARROW, BROWSER=APPROVE)
    login(env)
    first = read_client_id(env)
    output = logout(env)
    assert f"The token of {first} works until" in output and "The next sign-in deletes it" in output
    output = login(env)
    second = read_client_id(env)
    assert second == f"{first}@2" and list(deployment.clients) == [second]
    assert f"Deleted the former client {first}" in output
    for _ in range(3):
        if terminal:
            status, _, output = run_in_terminal(TCENV, "login", "--reset", "--shell", "sh", env=env)
            assert status == 0, output
        else:
            login(env, "--reset")
        assert list(deployment.clients) == [read_client_id(env)]
        assert read_client_id(env) in (first, second)


def test_a_client_that_the_user_kept_or_named_is_not_deleted(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE=NARROW)
    login(env)
    kept = read_client_id(env)
    output = logout(env, "--keep-client")
    assert "The next sign-in deletes it" not in output
    login(env)
    assert kept in deployment.clients


@pytest.mark.parametrize(
    ("command", "option", "scope", "names"),
    [
        ("signin", "-n", "*", ["laptop", "other", "laptop@2"]),
        ("signin", "-n", NARROW, ["laptop", "other"]),
        ("login", "--name", "*", ["laptop", "other"]),
    ],
)
def test_a_sign_in_under_another_name_keeps_the_former_client(
    command: str, option: str, scope: str, names: list[str], deployment: Sandbox
) -> None:
    env = make_env(deployment, TCENV_SCOPE=scope)
    tokens: dict[str, str] = {}
    for name in names:
        output = login(env, option, name.partition("@")[0], command=command)
        if tokens:
            assert f"The token of {list(tokens)[-1]} works until" in output
            assert f"{deployment.root_url}/auth/clients/" in output
        assert read_client_id(env) == f"{deployment.user}/{name}"
        tokens[read_client_id(env)] = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert {name: found.access_token for name, found in deployment.clients.items()} == tokens


def test_a_session_of_another_deployment_does_not_protect_a_client(deployment: Sandbox) -> None:
    """Two deployments may have a client of the same name. A session of the other one does not use this client."""
    env = make_env(deployment)
    login(env)
    name = read_client_id(env)
    with Sandbox() as other:
        login({**env, "TCENV_STORE": "file"}, other.root_url)
        assert set(other.clients) == {name}
        find_session_file(env).unlink()
        assert f"{name}, which no session uses" in login(env)
