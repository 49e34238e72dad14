"""Check the hint about a missing scope: it says how to get the scope, and takes no other away."""

from __future__ import annotations

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sessions.missing_scopes import fit_for_the_page
from tests.programs import run_program
from tests.world import find_session_file, make_env, tcenv


def read_requested_scopes(env: dict[str, str]) -> list[str]:
    """Return the requested scopes of the session, without the one to delete its own client."""
    lines = find_session_file(env).read_text().splitlines()
    found = [line.removeprefix("ASKED=") for line in lines if line.startswith("ASKED=")]
    return [scope for scope in found if not scope.startswith("auth:delete-client:")]


def login(env: dict[str, str], *scopes: str, more: tuple[str, ...] = ()) -> None:
    done = tcenv("login", *more, "--shell", "sh", *(f"--scope={scope}" for scope in scopes), env=env)
    assert done.returncode == 0, done.stderr


def read_refusal(env: dict[str, str], *scopes: str, proxy: bool = False) -> str:
    """Return the message of a command that needs scopes which the session lacks."""
    words = [word for scope in scopes for word in ("--scope", scope)]
    done = tcenv("exec", *(["--proxy"] if proxy else []), *words, "--", "true", env=env)
    assert done.returncode == 2, done.stderr
    return done.stderr


def find_hint(message: str) -> str:
    return message[message.index('eval "$(') : message.rindex(')"') + 2]


@pytest.mark.parametrize("proxy", [False, True])
def test_a_session_of_everything_can_get_no_more(proxy: bool, deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env)
    output = read_refusal(env, "auth:create-role:x", "worker-manager:*", proxy=proxy)
    assert f"You do not hold auth:create-role:x, worker-manager:* on {deployment.root_url}." in output
    assert "tcenv login" not in output and "tcenv scopes" not in output


def test_the_line_to_paste_asks_for_the_former_scopes_too(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env, "queue:scheduler-id:a", "secrets:*")
    output = read_refusal(env, "queue:get-task:x", "queue:scheduler-id:a")
    assert "The session does not hold queue:get-task:x." in output
    line = find_hint(output)
    shell = run_program("sh", "-c", line, env=env)
    assert shell.returncode == 0, shell.stderr
    assert read_requested_scopes(env) == ["queue:scheduler-id:a", "secrets:*", "queue:get-task:x"]
    done = tcenv("exec", "--scope", "queue:get-task:x", "--scope", "secrets:*", "--", "true", env=env)
    assert done.returncode == 0, done.stderr


def test_a_refused_scope_is_not_requested_again(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env, "queue:scheduler-id:a", "worker-manager:*")
    output = read_refusal(env, "worker-manager:x", "queue:get-task:x")
    assert f"You do not hold worker-manager:x on {deployment.root_url}." in output
    assert "tcenv login" not in output


def test_too_many_scopes_are_requested_by_patterns(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env, *(f"queue:scheduler-id:{number}" for number in range(18)), "secrets:get:project/sandbox/a")
    line = find_hint(read_refusal(env, "queue:get-task:x", "queue:get-task:y", "index:insert-task:sandbox.x"))
    shell = run_program("sh", "-c", line, env=env)
    assert shell.returncode == 0, shell.stderr
    assert {"queue:scheduler-id:*", "secrets:get:project/sandbox/a", "index:insert-task:sandbox.x"} <= set(
        read_requested_scopes(env)
    )
    # Scopes that have nothing in common get no line to paste.
    others = Sandbox(user_scopes=[*(f"s{number}:x" for number in range(20)), "y:z", "auth:create-client:*"])
    with others as tc:
        env = make_env(tc)
        login(env, *(f"s{number}:x" for number in range(20)))
        output = read_refusal(env, "y:z")
        assert "does not hold y:z" in output and "tcenv login" not in output and "20" in output


def test_patterns_fit_the_page() -> None:
    few = ["a:b:c", "a:b:d"]
    assert fit_for_the_page(few) == (*few,)
    deep = [f"a:b:{number}" for number in range(30)]
    assert fit_for_the_page([*deep, "x"]) == ("a:b:*", "x")
    # The widest pattern is the last resort. A scope that is shorter than its pattern stays.
    wide = [f"a:{number}:x" for number in range(30)]
    assert fit_for_the_page([*wide, "a", "b:c"]) == ("a:*", "a", "b:c")
    assert fit_for_the_page(["a:*", *wide, "q"]) == ("a:*", "q")
    assert fit_for_the_page([f"{number}" for number in range(21)]) is None
    long = [f"{number}:{'x' * 500}" for number in range(19)]
    assert fit_for_the_page(long) is None  # longer than the page's address may be


def test_a_reset_keeps_the_sessions_requested_scopes(deployment: Sandbox) -> None:
    env = make_env()
    words = ("profile", "set", "work", "--root-url", deployment.root_url, "--scope", "queue:scheduler-id:a")
    assert tcenv(*words, env=env).returncode == 0
    login(env, "secrets:*", more=("work",))
    for _ in range(2):
        login(env, more=("work", "--reset"))
        assert read_requested_scopes(env) == ["secrets:*"]
    # An option changes it for this session.
    login(env, "queue:get-task:*", more=("work", "--reset"))
    assert read_requested_scopes(env) == ["queue:get-task:*"]
    assert tcenv("logout", "work", "--shell", "sh", env=env).returncode == 0
    # Without other scopes, the profile's scopes count.
    login(env, more=("work",))
    assert read_requested_scopes(env) == ["queue:scheduler-id:a"]
    assert tcenv("profile", "set", "work", "--scope", "queue:scheduler-id:*", env=env).returncode == 0
    login(env, more=("work", "--reset"))
    assert read_requested_scopes(env) == ["queue:scheduler-id:*"]
    assert tcenv("profile", "set", "work", "--unset", "scopes", env=env).returncode == 0
    login(env, more=("work", "--reset"))
    assert read_requested_scopes(env) == ["queue:scheduler-id:*"]
