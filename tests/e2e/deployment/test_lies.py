"""A deployment that fails or lies: one clear sentence, in time, and nothing of what it said is believed."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.http import parse_date
from tcenv.errors import CredentialsRejected, DeploymentError, Refused
from tcenv.sandbox import FAULTS, Sandbox
from tests.programs import require
from tests.world import TCENV, find_session_file, make_env, sign_in, tcenv

ME = "mozilla-auth0/ad|Mozilla-LDAP|sandbox/tcenv"
# These are no lies: the answer is whole and right, and says something unwelcome.
TRUE_BUT_UNWELCOME = {"clock", "disabled", "past"}
REJECTED = {"unauthorized": "other", "stale": "clock"}
_METHODS: dict[str, Callable[[Deployment, Credentials], object]] = {
    "confirm": lambda there, me: there.confirm(me),
    "find_client": lambda there, me: there.find_client(ME, me),
    "reset": lambda there, me: there.reset_token(me, ME),
    "update": lambda there, me: there.update_client(me, ME, ("queue:*",), int(time.time()) + 3600, "about"),
    "delete": lambda there, me: there.delete_client(me, ME),
}
# Answers that are right for what has no result.
NOTHING = {"no-content", "empty-object"}


def world(tc: Sandbox) -> Credentials:
    client = tc.create_client(ME, ["auth:*", "queue:*"])
    return Credentials(ME, client.access_token)


def said(error: DeploymentError, tc: Sandbox) -> str:
    """The sentence: one, fit for a terminal, about this deployment."""
    assert error.message.startswith(tc.root_url) or f"({tc.root_url})" in error.message
    assert error.message.isprintable() and len(error.message) < 400
    return error.message


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_nothing_is_believed(fault: str) -> None:
    # Many of them use up the time that they are given: one wait for all.
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda name: disbelieve(fault, name), _METHODS))


def disbelieve(fault: str, name: str) -> None:
    """Show that a method ends in time and believes nothing of a deployment with `fault`."""
    method = _METHODS[name]
    with Sandbox() as tc:
        me = world(tc)
        tc.fail(fault, path="/api/auth/", pace=0.05, size=1 << 27)
        right = (
            fault in TRUE_BUT_UNWELCOME
            or (name == "delete" and (fault in NOTHING or not FAULTS[fault].blind))
            or (fault == "no-token" and name != "reset")
        )
        # The token is right, and nothing else of that answer is read.
        token_alone = name == "reset" and fault in ("no-time", "far")
        began = time.monotonic()
        there = Deployment(tc.root_url, until=began + (60 if right or token_alone or fault in REJECTED else 0.7))
        if right:
            method(there, me)
        elif token_alone:
            assert method(there, me) == tc.clients[ME].access_token
        elif fault in REJECTED:
            with pytest.raises(CredentialsRejected) as rejected:
                method(there, me)
            assert rejected.value.reason == REJECTED[fault]
        elif name == "reset" and fault == "many-scopes":
            with pytest.raises(DeploymentError, match="too long"):
                method(there, me)
        else:
            with pytest.raises(DeploymentError) as failure:
                method(there, me)
            assert not isinstance(failure.value, CredentialsRejected)
            assert said(failure.value, tc)
        assert time.monotonic() - began < 100


def test_only_insufficient_scopes_is_an_authenticated_403() -> None:
    with Sandbox(public=False) as tc:
        tc.create_client(ME, [])
        me = Credentials(ME, tc.clients[ME].access_token)
        assert Deployment(tc.root_url).confirm(me) is not None
        for fault in ("forbidden", "forbidden-html", "forbidden-code"):
            tc.fail(fault)
            with pytest.raises(DeploymentError, match="403"):
                Deployment(tc.root_url).confirm(me)
            tc.heal()


def test_a_404_that_is_not_the_services_does_not_say_that_a_client_is_gone() -> None:
    with Sandbox() as tc:
        assert Deployment(tc.root_url).find_client("nobody/here") is None
        with pytest.raises(DeploymentError, match="404"):
            Deployment(f"{tc.root_url}/elsewhere").find_client("nobody/here")


def test_refused_is_said_only_where_the_deployment_answered() -> None:
    with Sandbox() as tc:
        tc.create_client(ME, ["queue:*"])
        me = Credentials(ME, tc.clients[ME].access_token)
        with pytest.raises(Refused):
            Deployment(tc.root_url).reset_token(me, ME)
        for fault in ("hang-up", "cut-off", "broken", "html"):
            tc.fail(fault)
            with pytest.raises(DeploymentError) as failure:
                Deployment(tc.root_url).reset_token(me, ME)
            assert not isinstance(failure.value, Refused)
            tc.heal()


def test_too_much_is_not_even_read() -> None:
    """A gibibyte, plain and packed to a thousandth: memory stays where it was."""
    with Sandbox() as tc:
        me = world(tc)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for fault in ("large", "bomb", "endless"):
            tc.fail(fault, size=1 << 30)
            with pytest.raises(DeploymentError, match="too long"):
                Deployment(tc.root_url).confirm(me)
            tc.heal()
        # The sandbox runs in this process too, and packs its bomb here.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_its_clock() -> None:
    def told(root_url: str, until: float | None = None) -> float:
        return Deployment(root_url, until=until).ping()

    with Sandbox() as tc:
        assert abs(told(tc.root_url) - time.time()) < 60
        tc.fail("clock", ahead=3600)
        assert abs(told(tc.root_url) - time.time() - 3600) < 60
        for fault in ("silent", "drip-head"):
            tc.heal()
            tc.fail(fault)
            with pytest.raises(DeploymentError, match="in time"):
                told(tc.root_url, until=time.monotonic() + 0.5)
        for fault in ("hang-up", "endless-head", "not-http", "endless-continue"):
            tc.heal()
            tc.fail(fault)
            with pytest.raises(DeploymentError):
                told(tc.root_url, until=time.monotonic() + 1)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Tue, 31 Feb 2026 12:00:00 GMT",
        "Tue, 24 Nov 2026 25:00:00 GMT",
        "Tue, 24 Foo 2026 12:00:00 GMT",
        "Tue, 24 Nov 0000 12:00:00 GMT",
        "Tue, 24 Nov 2026 12:00:00 +0100",
        "Tue, 24 Nov 2026 12:00:00 GMT\x1b[2J",
    ],
)
def test_a_date_that_is_none(date: str) -> None:
    assert parse_date(date) is None
    assert parse_date("Tue, 24 Nov 2026 12:07:56 GMT") == 1795522076


@pytest.mark.parametrize("fault", ["silent", "drip", "drip-head", "endless-continue"])
def test_status_ends_in_the_commands_own_time(fault: str) -> None:
    with Sandbox() as tc:
        env = sign_in(tc)
        tc.fail(fault, pace=0.1)
        done = tcenv("status", "--json", env={**env, "TCENV_TIMEOUT": "2s"})
        told = json.loads(done.stdout)
        assert (done.returncode, told["verified"]) == (0, False)
        assert "in time" in told["problem"]
        assert find_session_file(env).exists()


@pytest.mark.parametrize("fault", ["html", "other-client", "forbidden-html", "unauthorized-html", "redirect", "deep"])
def test_the_commands_say_it_and_keep_the_session(fault: str) -> None:
    with Sandbox() as tc:
        env = sign_in(tc)
        before = find_session_file(env).read_bytes()
        tc.fail(fault, location="http://127.0.0.1:1/")
        done = tcenv("status", "--json", env=env)
        assert json.loads(done.stdout)["verified"] is False
        assert "Traceback" not in done.stderr
        assert "inside tcenv" not in done.stderr
        assert find_session_file(env).read_bytes() == before


@pytest.mark.linux
@pytest.mark.parametrize("fault", ["other-client", "forbidden-html"])
def test_a_sign_in_that_gets_such_an_answer_stores_nothing(fault: str) -> None:
    """It asks for half a minute, and is given a clock that runs fast."""
    with Sandbox() as tc:
        env = sign_in(tc)
        before = find_session_file(env).read_bytes()
        tc.fail(fault)
        done = subprocess.run(
            [require("faketime"), "-f", "+0 x20", TCENV, "login", "--shell", "sh", "--timeout", "1m"],
            env=make_env(tc, XDG_RUNTIME_DIR=env["HOME"]),
            capture_output=True,
            text=True,
            timeout=100,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode != 0, done.stdout) == (True, "\\false;\n")
        assert "inside tcenv" not in done.stderr
        assert find_session_file(env).read_bytes() == before
