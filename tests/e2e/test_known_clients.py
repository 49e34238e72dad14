"""The notes about clients follow what the deployment says, and every sentence about a client is true."""

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
    """Sign in. Returns what is said."""
    done = tcenv(command, "--shell", "sh", *words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stderr


def logout(env: dict[str, str], *words: str) -> str:
    done = tcenv("logout", "--shell", "sh", *words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stderr


def client(env: dict[str, str]) -> str:
    return read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]


# 9: deleted on the deployment


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
def test_a_client_that_the_deployment_says_is_deleted_leaves_its_name_free(
    words: tuple[str, ...], deployment: Sandbox
) -> None:
    env = make_env(deployment)
    login(env)
    name = client(env)
    deployment.delete(name)
    done = tcenv(*words, env=env)
    said = done.stderr if words[0] in ("logout", "login") else ""
    if words[0] != "login":
        said += login(env, "--retry", *(["--reset"] if words[0] in ("scopes", "signin") else []))
    assert client(env) == name
    assert list(deployment.clients) == [name]
    assert "still taken" not in said and "Deleted" not in said


def test_behind_the_proxy_too(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env)
    name = client(env)
    deployment.delete(name)
    program = "import taskcluster as t; t.Auth(t.optionsFromEnvironment()).currentScopes()"
    done = tcenv("exec", "--proxy", "--", TCENV.replace("tcenv", "python"), "-c", program, env=env)
    assert "The client no longer exists" in done.stderr
    assert name not in {known.client_id for known in known_clients.list_clients(deployment.root_url)}


def test_a_logout_does_not_claim_what_others_did(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env)
    name = client(env)
    deployment.delete(name)
    assert f"{name} was deleted before" in logout(env)
    login(env)
    deployment.clients[name].access_token = "x" * 44  # reset elsewhere
    said = logout(env)
    assert "Deleted" not in said and f"The token of {name} no longer works" in said
    # It is still there, so its name is taken.
    login(env)
    assert client(env) == f"{name}@2"


def test_a_name_that_was_taken_when_tcenv_last_heard(deployment: Sandbox) -> None:
    """Deleted on its page after its session was lost: nobody has told tcenv yet, and it claims nothing."""
    env = make_env(deployment, TCENV_SCOPE=NARROW)
    login(env)
    name = client(env)
    find_session_file(env).unlink()
    deployment.delete(name)
    said = login(env)
    assert client(env) == f"{name}@2"
    assert "still taken" not in said and "Deleted" not in said
    # The sign-in has found out.
    find_session_file(env).unlink()
    login(env)
    assert client(env) == name


def take_all_names(deployment: Sandbox) -> list[str]:
    """As after five sign-ins whose sessions the user gave up."""
    names = []
    for name in list_names(NAME):
        made = deployment.create_client(f"{deployment.user}/{name}", [NARROW])
        known_clients.remember(deployment.root_url, KnownClient(name, made.client_id, int(made.expires), NAME))
        names.append(made.client_id)
    return names


def test_where_all_names_are_taken_the_deployment_is_asked(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE=NARROW, TCENV_NO_SELF_DELETE="1")
    names = take_all_names(deployment)
    refused = tcenv("login", "--shell", "sh", env=env)
    assert refused.returncode == 1 and all(name in refused.stderr for name in names)
    deployment.delete(names[2])
    login(env)
    assert client(env) == names[2]


@pytest.mark.deployment(public=False)
def test_where_the_deployment_does_not_say_the_page_decides(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE=NARROW, TCENV_NO_SELF_DELETE="1")
    names = take_all_names(deployment)
    deployment.delete(names[0])
    said = login(env)
    assert client(env) == names[0]
    assert "does not say" in said


def test_where_the_deployment_cannot_be_asked_the_login_says_so(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE=NARROW, TCENV_NO_SELF_DELETE="1")
    names = take_all_names(deployment)
    deployment.delete(names[0])
    deployment.fail("hang-up")
    refused = tcenv("login", "--shell", "sh", env=env)
    assert refused.returncode == 1 and names[0] in refused.stderr and "cannot be reached" in refused.stderr
    assert deployment.approvals == 0


# 10: the prefix


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
        said = login(env, "--scope", NARROW)
        assert f"You are signed in as b/two/{NAME}, but the last sign-in here was a/one" in said
        # Nothing of the other user's is asked for from now on.
        assert "Not granted" not in said and "a/one" not in find_session_file(env).read_text()
        logout(env)
        login(env, "--scope", NARROW)
        assert f"ASKED=auth:delete-client:b/two/{NAME}@2\n" in find_session_file(env).read_text()


# 11: a first narrow session


@pytest.mark.parametrize("terminal", [False, True])
def test_the_second_narrow_session_deletes_the_first_ones_client(terminal: bool, deployment: Sandbox) -> None:
    # A browser that has not approved before it is held up.
    env = make_env(deployment, TCENV_SCOPE=NARROW, BROWSER=APPROVE)
    login(env)
    first = client(env)
    said = logout(env)
    assert f"The token of {first} works until" in said and "The next sign-in deletes it" in said
    said = login(env)
    second = client(env)
    assert second == f"{first}@2" and list(deployment.clients) == [second]
    assert f"Deleted the former client {first}" in said
    for _ in range(3):
        if terminal:
            status, _, said = run_in_terminal(TCENV, "login", "--reset", "--shell", "sh", env=env)
            assert status == 0, said
        else:
            login(env, "--reset")
        assert list(deployment.clients) == [client(env)]
        assert client(env) in (first, second)


def test_a_client_that_the_user_kept_or_named_is_not_deleted(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE=NARROW)
    login(env)
    kept = client(env)
    said = logout(env, "--keep-client")
    assert "The next sign-in deletes it" not in said
    login(env)
    assert kept in deployment.clients


# 12: another name


@pytest.mark.parametrize(
    ("command", "option", "scope", "names"),
    [
        ("signin", "-n", "*", ["laptop", "other", "laptop@2"]),
        ("signin", "-n", NARROW, ["laptop", "other"]),
        ("login", "--name", "*", ["laptop", "other"]),
    ],
)
def test_a_sign_in_under_another_name_ends_nothing(
    command: str, option: str, scope: str, names: list[str], deployment: Sandbox
) -> None:
    env = make_env(deployment, TCENV_SCOPE=scope)
    tokens: dict[str, str] = {}
    for name in names:
        said = login(env, option, name.partition("@")[0], command=command)
        if tokens:
            assert f"The token of {list(tokens)[-1]} works until" in said
            assert f"{deployment.root_url}/auth/clients/" in said
        assert client(env) == f"{deployment.user}/{name}"
        tokens[client(env)] = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert {name: found.access_token for name, found in deployment.clients.items()} == tokens
