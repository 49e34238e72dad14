"""Use 500 scopes, more than a header holds: temporary credentials carry only the requested scopes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sandbox.server import USER, default_scopes
from tests.world import find_session_file, login, make_env, tcenv

SELF = f"assume:login-identity:{USER}"
MANY = [f"secrets:get:project/number-{number:03}/secret" for number in range(480)]
# Every user who creates clients on the page has this scope.
CREATE = f"auth:create-client:{USER}/*"
# Prints how many scopes the caller has, and whether it may read the first and the second secret.
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


def make_deployment(**more: object) -> Sandbox:
    """Make a deployment whose user has 500 scopes through one role."""
    role = [*default_scopes(USER), "assume:group:*", *MANY]
    roles = {f"login-identity:{USER}": role, "group:*": ["queue:scheduler-id:<..>-*"], **more}
    return Sandbox(user_scopes=[SELF], roles=roles)  # type: ignore[arg-type]


@pytest.fixture
def tc() -> Iterator[Sandbox]:
    with make_deployment() as sandbox:
        yield sandbox


def sign_in(tc: Sandbox, *scopes: str) -> dict[str, str]:
    env = make_env(tc)
    done = login(env, *(f"--scope={scope}" for scope in scopes))
    assert done.returncode == 0, done.stderr
    return env


def make_scope_options(*scopes: str) -> list[str]:
    return [word for scope in scopes for word in ("--scope", scope)]


def try_secrets(env: dict[str, str], *options: str) -> list[int]:
    """Return the number of a command's scopes, and the statuses of reading two missing secrets (404 if it may read them)."""
    done = tcenv("exec", *options, "--", sys.executable, "-c", TRIES, env=env)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def read_certificate_scopes(env: dict[str, str], *options: str) -> list[str]:
    """Return the scopes in the certificate of temporary credentials."""
    done = tcenv("env", "--format", "json", *options, env=env)
    assert done.returncode == 0, done.stderr
    return list(json.loads(json.loads(done.stdout)["TASKCLUSTER_CERTIFICATE"])["scopes"])


def expect_refusal(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run a command that tcenv refuses before its start."""
    done = tcenv("exec", *options, "--", "echo", "started", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "scopes do not fit" in done.stderr
    return done


def test_the_whole_session_fits(tc: Sandbox) -> None:
    env = sign_in(tc)
    count, *statuses = try_secrets(env, "--for", "15m")
    assert count >= 500 and statuses == [404, 404]
    assert SELF in read_certificate_scopes(env, "--for", "15m")
    assert try_secrets(env, "--proxy", "--for", "15m")[1:] == [404, 404]
    assert try_secrets(env, "--scope", "*")[0] == count


def test_one_scope_stays_one_scope(tc: Sandbox) -> None:
    env = sign_in(tc)
    assert try_secrets(env, "--for", "15m", "--scope", MANY[0])[1:] == [404, 403]
    assert read_certificate_scopes(env, "--scope", MANY[0]) == [MANY[0]]
    assert try_secrets(env, "--proxy", "--scope", MANY[0])[1:] == [404, 403]


def test_many_scopes_are_refused_rather_than_widened(tc: Sandbox) -> None:
    env = sign_in(tc)
    for proxy in ((), ("--proxy",)):
        expect_refusal(env, *proxy, *make_scope_options(*MANY[:100]))
        expect_refusal(env, *proxy, "--scope", "secrets:*")
    # Without the role, nothing can replace the scopes.
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    env = sign_in(tc, "secrets:*")
    expect_refusal(env, "--for", "15m")


def test_a_requested_role_replaces_the_scopes_that_it_covers(tc: Sandbox) -> None:
    env = sign_in(tc)
    assert read_certificate_scopes(env, *make_scope_options(*MANY[:100], SELF)) == [SELF]
    assert try_secrets(env, "--proxy", *make_scope_options(*MANY[:100], SELF))[1:] == [404, 404]
    # If there is room, each scope is named, because the role may cover less tomorrow.
    assert read_certificate_scopes(env, *make_scope_options(*MANY[:3], SELF)) == [*MANY[:3], SELF]
    # A role that covers other things replaces none of them.
    expect_refusal(env, *make_scope_options(*MANY[:100], "assume:group:a"))
    # A program behind the proxy can still narrow itself to a scope that was left out.
    program = TRIES.replace(
        "o = t.optionsFromEnvironment()", f"o = {{**t.optionsFromEnvironment(), 'authorizedScopes': {MANY[:1]!r}}}"
    )
    done = tcenv(
        "exec", "--proxy", *make_scope_options(*MANY[:100], SELF), "--", sys.executable, "-c", program, env=env
    )
    assert done.stdout.split()[1:] == ["404", "403"], done.stderr


def test_a_role_with_a_parameter_covers_what_the_deployment_says() -> None:
    given = ["assume:group:team", *(f"queue:scheduler-id:team-{number:03}-x" for number in range(100))]
    with Sandbox(user_scopes=[*given, CREATE], roles={"group:*": ["queue:scheduler-id:<..>-*"]}) as tc:
        # The role gives `queue:scheduler-id:team-*`.
        env = sign_in(tc, "assume:group:team")
        assert read_certificate_scopes(env, *make_scope_options(*given)) == [given[0]]


@pytest.mark.parametrize("how", ["an outage", "no right to ask", "nothing stored"])
def test_a_role_with_unknown_scopes_is_not_used(how: str) -> None:
    with make_deployment() as tc:
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
        expect_refusal(env, "--for", "15m")
        expect_refusal(env, *make_scope_options(*MANY[:100], SELF))
        assert read_certificate_scopes(env, "--scope", MANY[0]) == [MANY[0]]


@pytest.mark.deployment(user_scopes=["assume:group:a", *MANY[:100], CREATE], roles={"group:a": MANY[:90]})
def test_a_role_that_grows_after_the_sign_in_widens_nothing(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    deployment.roles["group:a"].extend(["secrets:set:everything", *MANY[90:]])
    expect_refusal(env, *make_scope_options(*MANY[:90]))
    assert set(read_certificate_scopes(env, *make_scope_options(*MANY[:40]))) == set(MANY[:40])
    # Scopes that the role did not cover at the sign-in are still named.
    assert sorted(read_certificate_scopes(env, "--for", "15m")) == sorted(["assume:group:a", *MANY[90:100], CREATE])


def test_a_reset_keeps_what_is_known_of_the_roles(tc: Sandbox) -> None:
    env = sign_in(tc)
    for options in ((), ("--expires", "2d")):
        done = login(env, "--reset", *options)
        assert done.returncode == 0, done.stderr
        assert SELF in read_certificate_scopes(env, "--for", "15m")
