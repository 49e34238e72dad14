"""A scope is missing: the hint says how to get it, and following it takes nothing away."""

from __future__ import annotations

import subprocess

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sessions.missing_scopes import fit_for_the_page
from tests.world import find_session_file, make_env, tcenv


def asked(env: dict[str, str]) -> list[str]:
    """What the session was asked for, without the right to delete its own client."""
    lines = find_session_file(env).read_text().splitlines()
    found = [line.removeprefix("ASKED=") for line in lines if line.startswith("ASKED=")]
    return [scope for scope in found if not scope.startswith("auth:delete-client:")]


def login(env: dict[str, str], *scopes: str, more: tuple[str, ...] = ()) -> None:
    done = tcenv("login", *more, "--shell", "sh", *(f"--scope={scope}" for scope in scopes), env=env)
    assert done.returncode == 0, done.stderr


def missing(env: dict[str, str], *scopes: str, proxy: bool = False) -> str:
    """What is said where a command needs scopes that the session lacks."""
    words = [word for scope in scopes for word in ("--scope", scope)]
    done = tcenv("exec", *(["--proxy"] if proxy else []), *words, "--", "true", env=env)
    assert done.returncode == 2, done.stderr
    return done.stderr


def line_to_paste(said: str) -> str:
    return said[said.index('eval "$(') : said.rindex(')"') + 2]


@pytest.mark.parametrize("proxy", [False, True])
def test_a_session_of_everything_can_get_no_more(proxy: bool, deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env)
    said = missing(env, "auth:create-role:x", "worker-manager:*", proxy=proxy)
    assert f"You do not hold auth:create-role:x, worker-manager:* on {deployment.root_url}." in said
    assert "tcenv login" not in said and "tcenv scopes" not in said


def test_the_line_to_paste_asks_for_the_former_scopes_too(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env, "queue:scheduler-id:a", "secrets:*")
    said = missing(env, "queue:get-task:x", "queue:scheduler-id:a")
    assert "The session does not hold queue:get-task:x." in said
    line = line_to_paste(said)
    shell = subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True, timeout=60)
    assert shell.returncode == 0, shell.stderr
    assert asked(env) == ["queue:scheduler-id:a", "secrets:*", "queue:get-task:x"]
    done = tcenv("exec", "--scope", "queue:get-task:x", "--scope", "secrets:*", "--", "true", env=env)
    assert done.returncode == 0, done.stderr


def test_what_was_asked_for_in_vain_is_not_asked_for_again(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env, "queue:scheduler-id:a", "worker-manager:*")
    said = missing(env, "worker-manager:x", "queue:get-task:x")
    assert f"You do not hold worker-manager:x on {deployment.root_url}." in said
    assert "tcenv login" not in said


def test_more_than_a_sign_in_takes_are_asked_for_by_patterns(deployment: Sandbox) -> None:
    env = make_env(deployment)
    login(env, *(f"queue:scheduler-id:{number}" for number in range(18)), "secrets:get:project/sandbox/a")
    line = line_to_paste(missing(env, "queue:get-task:x", "queue:get-task:y", "index:insert-task:sandbox.x"))
    shell = subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True, timeout=60)
    assert shell.returncode == 0, shell.stderr
    assert {"queue:scheduler-id:*", "secrets:get:project/sandbox/a", "index:insert-task:sandbox.x"} <= set(asked(env))
    # Nothing in common: no line.
    others = Sandbox(user_scopes=[*(f"s{number}:x" for number in range(20)), "y:z", "auth:create-client:*"])
    with others as tc:
        env = make_env(tc)
        login(env, *(f"s{number}:x" for number in range(20)))
        said = missing(env, "y:z")
        assert "does not hold y:z" in said and "tcenv login" not in said and "20" in said


def test_patterns_that_fit() -> None:
    few = ["a:b:c", "a:b:d"]
    assert fit_for_the_page(few) == (*few,)
    deep = [f"a:b:{number}" for number in range(30)]
    assert fit_for_the_page([*deep, "x"]) == ("a:b:*", "x")
    # The widest one only where nothing else helps, and a scope that is shorter than its pattern stays.
    wide = [f"a:{number}:x" for number in range(30)]
    assert fit_for_the_page([*wide, "a", "b:c"]) == ("a:*", "a", "b:c")
    assert fit_for_the_page(["a:*", *wide, "q"]) == ("a:*", "q")
    assert fit_for_the_page([f"{number}" for number in range(21)]) is None
    long = [f"{number}:{'x' * 500}" for number in range(19)]
    assert fit_for_the_page(long) is None  # longer than the page's address may be


def test_a_reset_keeps_what_the_session_was_asked_for(deployment: Sandbox) -> None:
    env = make_env()
    words = ("profile", "set", "work", "--root-url", deployment.root_url, "--scope", "queue:scheduler-id:a")
    assert tcenv(*words, env=env).returncode == 0
    login(env, "secrets:*", more=("work",))
    for _ in range(2):
        login(env, more=("work", "--reset"))
        assert asked(env) == ["secrets:*"]
    # An option changes it for this session.
    login(env, "queue:get-task:*", more=("work", "--reset"))
    assert asked(env) == ["queue:get-task:*"]
    assert tcenv("logout", "work", "--shell", "sh", env=env).returncode == 0
    # The profile's own scopes count where no others were asked for.
    login(env, more=("work",))
    assert asked(env) == ["queue:scheduler-id:a"]
    assert tcenv("profile", "set", "work", "--scope", "queue:scheduler-id:*", env=env).returncode == 0
    login(env, more=("work", "--reset"))
    assert asked(env) == ["queue:scheduler-id:*"]
    assert tcenv("profile", "set", "work", "--unset", "scopes", env=env).returncode == 0
    login(env, more=("work", "--reset"))
    assert asked(env) == ["queue:scheduler-id:*"]
