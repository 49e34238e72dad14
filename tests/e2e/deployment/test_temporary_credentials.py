"""Check temporary credentials: they equal those of the client library, byte for byte, and fit the deployment's limits."""

from __future__ import annotations

import datetime
import json
import string
import subprocess
import sys
from typing import Any

import mohawk
import pytest
import taskcluster
from hypothesis import given, settings
from hypothesis import strategies as st
from taskcluster import utils

from tcenv.deployment.patterns import MAX_HEADER_LENGTH
from tcenv.deployment.scopes import covers, remove_covered
from tcenv.deployment.temporary import LONGEST_LIFETIME, mint
from tcenv.errors import UsageError
from tcenv.sandbox import Sandbox
from tests.world import find_session_file, login, make_env, read_session_fields, sign_in, tcenv

_LETTERS = string.ascii_letters
_SLUG = _LETTERS + string.digits + "_-"
_SCOPES = st.lists(st.text([chr(code) for code in range(32, 127)], min_size=1, max_size=60), max_size=25)
TOKEN = "x" * 44
# The scopes of a user who makes clients on the page.
CREATE = "auth:create-client:mozilla-auth0/ad|Mozilla-LDAP|sandbox/*"


def to_datetime(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


@settings(max_examples=150)
@given(
    st.text(_LETTERS + "!@/:.+|_-", min_size=1, max_size=120),
    st.text(_SLUG, min_size=22, max_size=66),
    _SCOPES,
    st.integers(0, 4_000_000_000),
    st.integers(-100, LONGEST_LIFETIME),
    st.text(_SLUG, min_size=44, max_size=44),
)
def test_credentials_equal_those_of_the_library(
    client_id: str, token: str, scopes: list[str], start: int, lifetime: int, seed: str
) -> None:
    expires = start + lifetime
    halves = iter((seed[:22], seed[22:]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "slugId", lambda: next(halves))
        theirs = taskcluster.createTemporaryCredentials(
            client_id, token, to_datetime(start), to_datetime(expires), list(scopes)
        )
    assert mint(client_id, token, scopes, start, expires, seed) == (
        theirs["accessToken"].decode(),
        theirs["certificate"],
    )


def test_seeds_are_unique_and_have_the_librarys_form() -> None:
    seeds = set()
    for _ in range(200):
        seed = json.loads(mint("me", TOKEN, ["a"], 0, 9)[1])["seed"]
        assert len(seed) == 44
        for half in (seed[:22], seed[22:]):
            assert half[0] in string.ascii_letters  # what the library's "nice" slugs begin with
        seeds.add(seed)
    assert len(seeds) == 200


def make_header(client_id: str, token: str, certificate: str) -> str:
    """Return the Authorization header that the Python client sends with such credentials."""
    credentials = {"clientId": client_id, "accessToken": token, "certificate": certificate}
    client = taskcluster.Auth({"rootUrl": "https://tc.example.com", "credentials": credentials})
    sender = mohawk.Sender(
        {"id": client_id, "key": token, "algorithm": "sha256"},
        "https://tc.example.com/api/auth/v1/clients",
        "POST",
        ext=utils.toStr(client.makeHawkExt()),
        content="{}",
        content_type="application/json",
    )
    return str(sender.request_header)


@pytest.mark.parametrize(
    "client_id", ["me", "mozilla-auth0/ad|Mozilla-LDAP|somebody@mozilla.com/tcenv-host:profile@2", "c" * 300]
)
def test_an_error_says_how_many_scopes_fit_into_a_header(client_id: str) -> None:
    scopes = [f"queue:create-task:project-number-{n:05}/*" for n in range(200)]
    with pytest.raises(UsageError, match="200 scopes do not fit") as refusal:
        mint(client_id, TOKEN, scopes, 0, 9)
    most = int(refusal.value.message.partition("the first ")[2].partition(".")[0].partition(" ")[0])
    assert (
        len(make_header(client_id, *mint(client_id, TOKEN, scopes[:most], 1_764_000_000, 1_764_000_999)))
        <= MAX_HEADER_LENGTH
    )
    with pytest.raises(UsageError):
        mint(client_id, TOKEN, scopes[: most + 1], 1_764_000_000, 1_764_000_999)
    # The limit is close: 120 more bytes do not fit.
    longer = "x" * 120
    token, certificate = mint(client_id, TOKEN, scopes[:most], 1_764_000_000, 1_764_000_999)
    assert len(make_header(client_id, token, certificate.replace('"seed"', f'"{longer}":0,"seed"'))) > MAX_HEADER_LENGTH


def test_an_invalid_scope_is_refused() -> None:
    for scope in ("", "a\nb", "é", "\x7f", "a\tb"):
        with pytest.raises(UsageError, match="not a scope"):
            mint("me", TOKEN, [scope], 0, 9)
    with pytest.raises(UsageError, match="31 days"):
        mint("me", TOKEN, ["a"], 0, LONGEST_LIFETIME + 1)


def test_only_covered_scopes_are_removed() -> None:
    assert remove_covered(["queue:*", "queue:a", "queue:a:*", "b", "b", "queue:*"]) == ("queue:*", "b")
    assert remove_covered(["a*", "a", "ab*", "*"]) == ("*",)


@settings(max_examples=200)
@given(st.lists(st.text("ab*", min_size=1, max_size=4), max_size=8))
def test_what_stays_covers_all_and_is_covered_by_no_other(scopes: list[str]) -> None:
    kept = remove_covered(scopes)
    assert set(kept) <= set(scopes)
    assert all(covers(kept, scope) for scope in scopes)
    assert not any(covers([other for other in kept if other != scope], scope) for scope in kept)


def parse_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_temporary_credentials_work_and_narrow(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    code = (
        "import taskcluster;print(sorted(taskcluster.Auth(taskcluster.optionsFromEnvironment())"
        ".currentScopes()['scopes']))"
    )
    done = tcenv("exec", "--scope", "queue:route:index.sandbox.x", "--", sys.executable, "-c", code, env=env)
    assert "queue:route:index.sandbox.x" in done.stdout, done.stderr
    assert "secrets:get" not in done.stdout


@pytest.mark.parametrize("count", [40, 200])
def test_exec_for_works_or_fails_before_the_command_starts(count: int) -> None:
    with Sandbox(user_scopes=[CREATE, *(f"queue:create-task:project-{n:04}/x" for n in range(count - 1))]) as tc:
        env = sign_in(tc)
        script = "import taskcluster as t;print(len(t.Auth(t.optionsFromEnvironment()).currentScopes()['scopes']))"
        done = tcenv("exec", "--for", "15m", "--", sys.executable, "-c", script, env=env)
        if count == 40:
            assert (done.returncode, int(done.stdout) >= count) == (0, True), done.stderr
        else:
            assert (done.returncode, done.stdout) == (2, "")
            assert "scopes do not fit" in done.stderr
            assert "--scope" in done.stderr


def test_a_pattern_replaces_the_scopes_that_it_covers() -> None:
    """The session holds a pattern and hundreds of scopes below it."""
    scopes = [CREATE, "queue:create-task:*", *(f"queue:create-task:project-{n:04}/x" for n in range(200))]
    with Sandbox(user_scopes=scopes) as tc:
        env = sign_in(tc)
        values = parse_json(tcenv("env", "--for", "1h", "--format", "json", env=env))
        assert "queue:create-task:*" in json.loads(values["TASKCLUSTER_CERTIFICATE"])["scopes"]


def test_the_scope_to_delete_its_own_client_is_not_passed_on(deployment: Sandbox) -> None:
    env = make_env(deployment)
    for _ in range(2):  # the first sign-in knows no prefix yet
        find_session_file(env).unlink() if _ else None
        done = login(env, "--scope", "queue:route:*", "--scope", "secrets:get:*")
        assert done.returncode == 0, done.stderr
    own = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
    assert f"SCOPE=auth:delete-client:{own}\n" in find_session_file(env).read_text()
    values = parse_json(tcenv("env", "--for", "1h", "--format", "json", env=env))
    passed = json.loads(values["TASKCLUSTER_CERTIFICATE"])["scopes"]
    assert passed and not [scope for scope in passed if scope.startswith("auth:delete-client:")]
    done = tcenv("env", "--scope", f"auth:delete-client:{own}", "--shell", "sh", env=env)
    assert done.returncode == 2


@pytest.mark.parametrize(
    "words", [("env", "--shell", "sh", "--scope", "queue:route:index.sandbox.x"), ("env", "--shell=sh", "--for=1h")]
)
def test_temporary_credentials_are_on_the_hot_path(words: tuple[str, ...], deployment: Sandbox) -> None:
    from tests.imported_modules import HOT_MODULES, list_modules

    env = sign_in(deployment)
    assert list_modules(*words, env=env) - HOT_MODULES <= {
        "tcenv.shells.posix",
        "tcenv.shells.sh",
        "tcenv.errors",
        "tcenv.deployment",
        "tcenv.deployment.fromnow",
        "tcenv.deployment.patterns",
        "tcenv.deployment.scopes",
        "tcenv.deployment.temporary",
        "tcenv.sessions.name_series",
        "tcenv.sessions.temporary",
        "binascii",
        "_hashlib",
    }
