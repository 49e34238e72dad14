"""A user of 500 scopes, more than the header of a call holds: temporary credentials carry no more than was asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sandbox.server import USER, default_scopes
from tests.world import find_session_file, make_env, tcenv

SELF = f"assume:login-identity:{USER}"
MANY = [f"secrets:get:project/number-{number:03}/secret" for number in range(480)]
# Anybody who makes clients on the page has it.
CREATE = f"auth:create-client:{USER}/*"
# Prints whether the caller may read the first and the second secret, and how many scopes it has.
TRIES = f"""
import taskcluster as t
o = t.optionsFromEnvironment()
print(len(t.Auth(o).currentScopes()["scopes"]))
for scope in {MANY[:2]!r}:
    try:
        t.Secrets(o).get(scope[len("secrets:get:"):])
    except t.exceptions.TaskclusterRestFailure as failure:
        print(failure.status_code)
"""


def office(**more: object) -> Sandbox:
    """A deployment whose user has 500 scopes by one role, as on the real ones."""
    role = [*default_scopes(USER), "assume:group:*", *MANY]
    roles = {f"login-identity:{USER}": role, "group:*": ["queue:scheduler-id:<..>-*"], **more}
    return Sandbox(user_scopes=[SELF], roles=roles)  # type: ignore[arg-type]


@pytest.fixture
def tc() -> Iterator[Sandbox]:
    with office() as sandbox:
        yield sandbox


def sign_in(tc: Sandbox, *scopes: str) -> dict[str, str]:
    env = make_env(tc)
    done = tcenv("login", "--shell", "sh", *(f"--scope={scope}" for scope in scopes), env=env)
    assert done.returncode == 0, done.stderr
    return env


def words(*scopes: str) -> list[str]:
    return [word for scope in scopes for word in ("--scope", scope)]


def tries(env: dict[str, str], *options: str) -> list[int]:
    """How many scopes a command has, and the statuses of reading two secrets (there are none, so 404 where it may)."""
    done = tcenv("exec", *options, "--", sys.executable, "-c", TRIES, env=env)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def carried(env: dict[str, str], *options: str) -> list[str]:
    """The scopes in the certificate of temporary credentials."""
    done = tcenv("env", "--format", "json", *options, env=env)
    assert done.returncode == 0, done.stderr
    return list(json.loads(json.loads(done.stdout)["TASKCLUSTER_CERTIFICATE"])["scopes"])


def refused(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """A run that is refused before its command starts."""
    done = tcenv("exec", *options, "--", "echo", "started", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "scopes do not fit" in done.stderr
    return done


def test_the_whole_session_fits(tc: Sandbox) -> None:
    env = sign_in(tc)
    count, *statuses = tries(env, "--for", "15m")
    assert count >= 500 and statuses == [404, 404]
    assert SELF in carried(env, "--for", "15m")
    assert tries(env, "--proxy", "--for", "15m")[1:] == [404, 404]
    # Everything by a pattern is the whole session too.
    assert tries(env, "--scope", "*")[0] == count


def test_one_scope_is_one_scope(tc: Sandbox) -> None:
    env = sign_in(tc)
    assert tries(env, "--for", "15m", "--scope", MANY[0])[1:] == [404, 403]
    assert carried(env, "--scope", MANY[0]) == [MANY[0]]
    assert tries(env, "--proxy", "--scope", MANY[0])[1:] == [404, 403]


def test_many_scopes_are_refused_rather_than_widened(tc: Sandbox) -> None:
    env = sign_in(tc)
    for proxy in ((), ("--proxy",)):
        refused(env, *proxy, *words(*MANY[:100]))
        refused(env, *proxy, "--scope", "secrets:*")
    # A session without the role has nothing that could replace its scopes.
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    env = sign_in(tc, "secrets:*")
    refused(env, "--for", "15m")


def test_a_role_that_was_asked_for_stands_for_what_it_covers(tc: Sandbox) -> None:
    env = sign_in(tc)
    assert carried(env, *words(*MANY[:100], SELF)) == [SELF]
    assert tries(env, "--proxy", *words(*MANY[:100], SELF))[1:] == [404, 404]
    # Where there is room, each scope is named: the role may cover less tomorrow.
    assert carried(env, *words(*MANY[:3], SELF)) == [*MANY[:3], SELF]
    # A role that covers other things replaces none of them.
    refused(env, *words(*MANY[:100], "assume:group:a"))
    # A program behind the proxy can still narrow itself to a scope that was left out.
    program = TRIES.replace(
        "o = t.optionsFromEnvironment()", f"o = {{**t.optionsFromEnvironment(), 'authorizedScopes': {MANY[:1]!r}}}"
    )
    done = tcenv("exec", "--proxy", *words(*MANY[:100], SELF), "--", sys.executable, "-c", program, env=env)
    assert done.stdout.split()[1:] == ["404", "403"], done.stderr


def test_a_role_with_a_parameter_covers_what_the_deployment_says() -> None:
    given = ["assume:group:team", *(f"queue:scheduler-id:team-{number:03}-x" for number in range(100))]
    with Sandbox(user_scopes=[*given, CREATE], roles={"group:*": ["queue:scheduler-id:<..>-*"]}) as tc:
        # The role gives `queue:scheduler-id:team-*`.
        env = sign_in(tc, "assume:group:team")
        assert carried(env, *words(*given)) == [given[0]]


@pytest.mark.parametrize("how", ["an outage", "no right to ask", "nothing stored"])
def test_a_role_of_which_nobody_knows_what_it_covers_is_not_used(how: str) -> None:
    with office() as tc:
        if how == "an outage":
            tc.fail("unavailable", path="/api/auth/v1/scopes/current")
        if how == "no right to ask":
            tc.fail("forbidden", path="/api/auth/v1/scopes/current")
        env = sign_in(tc)
        tc.heal()
        if how == "nothing stored":
            file = find_session_file(env)
            lines = file.read_text().splitlines(keepends=True)
            assert any(line.startswith("COVERS=") for line in lines)
            file.write_text("".join(line for line in lines if not line.startswith("COVERS=")))
        refused(env, "--for", "15m")
        refused(env, *words(*MANY[:100], SELF))
        assert carried(env, "--scope", MANY[0]) == [MANY[0]]


def test_a_role_that_grows_after_the_sign_in_widens_nothing_that_did_not_name_it() -> None:
    with Sandbox(user_scopes=["assume:group:a", *MANY[:100], CREATE], roles={"group:a": MANY[:90]}) as tc:
        env = sign_in(tc)
        tc.roles["group:a"].extend(["secrets:set:everything", *MANY[90:]])
        refused(env, *words(*MANY[:90]))
        assert set(carried(env, *words(*MANY[:40]))) == set(MANY[:40])
        # What the role did not cover at the sign-in is still named.
        assert sorted(carried(env, "--for", "15m")) == sorted(["assume:group:a", *MANY[90:100], CREATE])


def test_a_reset_keeps_what_is_known_of_the_roles(tc: Sandbox) -> None:
    env = sign_in(tc)
    for options in ((), ("--expires", "2d")):
        done = tcenv("login", "--reset", "--shell", "sh", *options, env=env)
        assert done.returncode == 0, done.stderr
        assert SELF in carried(env, "--for", "15m")
