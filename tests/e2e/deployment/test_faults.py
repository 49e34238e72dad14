"""Check how tcenv treats a deployment that fails or lies: it prints one clear sentence in time, and believes nothing."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.http import parse_date
from tcenv.errors import CredentialsRejected, DeploymentError, Refused
from tcenv.sandbox import FAULTS, Sandbox
from tests.programs import require, run_program
from tests.world import TCENV, find_session_file, make_env, sign_in, tcenv

ME = "mozilla-auth0/ad|Mozilla-LDAP|sandbox/tcenv"
# These answers are complete and correct.
TRUE_BUT_UNWELCOME = {"clock", "disabled", "past"}
REJECTED = {"unauthorized": "other", "stale": "clock"}
_METHODS: dict[str, Callable[[Deployment, Credentials], object]] = {
    "confirm": lambda there, me: there.confirm(me),
    "find_client": lambda there, me: there.find_client(ME, me),
    "reset": lambda there, me: there.reset_token(me, ME),
    "update": lambda there, me: there.update_client(me, ME, ("queue:*",), int(time.time()) + 3600, "about"),
    "delete": lambda there, me: there.delete_client(me, ME),
}
# These are correct answers to a call without a result.
NOTHING = {"no-content", "empty-object"}


def create_me(tc: Sandbox) -> Credentials:
    client = tc.create_client(ME, ["auth:*", "queue:*"])
    return Credentials(ME, client.access_token)


def check_sentence(error: DeploymentError, tc: Sandbox) -> str:
    """Return the error's sentence. It must name this deployment and fit a terminal."""
    assert error.message.startswith(tc.root_url) or f"({tc.root_url})" in error.message
    assert error.message.isprintable() and len(error.message) < 400
    return error.message


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_tcenv_believes_nothing_of_a_faulty_answer(fault: str) -> None:
    # Many methods use up their time, so run them at once.
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda name: disbelieve(fault, name), _METHODS))


def disbelieve(fault: str, name: str) -> None:
    """Show that a method ends in time and believes nothing of a deployment with `fault`."""
    method = _METHODS[name]
    with Sandbox() as tc:
        me = create_me(tc)
        tc.fail(fault, path="/api/auth/", pace=0.05, size=1 << 27)
        right = (
            fault in TRUE_BUT_UNWELCOME
            or (name == "delete" and (fault in NOTHING or not FAULTS[fault].blind))
            or (fault == "no-token" and name != "reset")
        )
        # tcenv reads only the token of this answer, and the token is correct.
        token_alone = name == "reset" and fault in ("no-time", "far")
        began = time.monotonic()
        there = Deployment(tc.root_url, deadline=began + (60 if right or token_alone or fault in REJECTED else 0.7))
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
            assert check_sentence(failure.value, tc)
        assert time.monotonic() - began < 100


@pytest.mark.deployment(public=False)
def test_only_insufficient_scopes_is_an_authenticated_403(deployment: Sandbox) -> None:
    deployment.create_client(ME, [])
    me = Credentials(ME, deployment.clients[ME].access_token)
    assert Deployment(deployment.root_url).confirm(me) is not None
    for fault in ("forbidden", "forbidden-html", "forbidden-code"):
        deployment.fail(fault)
        with pytest.raises(DeploymentError, match="403"):
            Deployment(deployment.root_url).confirm(me)
        deployment.heal()


def test_a_404_of_another_service_does_not_mean_that_a_client_is_gone(deployment: Sandbox) -> None:
    assert Deployment(deployment.root_url).find_client("nobody/here") is None
    with pytest.raises(DeploymentError, match="404"):
        Deployment(f"{deployment.root_url}/elsewhere").find_client("nobody/here")


def test_only_an_answer_of_the_deployment_counts_as_refused(deployment: Sandbox) -> None:
    deployment.create_client(ME, ["queue:*"])
    me = Credentials(ME, deployment.clients[ME].access_token)
    with pytest.raises(Refused):
        Deployment(deployment.root_url).reset_token(me, ME)
    for fault in ("hang-up", "cut-off", "broken", "html"):
        deployment.fail(fault)
        with pytest.raises(DeploymentError) as failure:
            Deployment(deployment.root_url).reset_token(me, ME)
        assert not isinstance(failure.value, Refused)
        deployment.heal()


def test_an_oversized_answer_is_not_read(deployment: Sandbox) -> None:
    """Each answer has a gibibyte, plain or compressed to a thousandth of that. Memory stays the same."""
    me = create_me(deployment)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for fault in ("large", "bomb", "endless"):
        deployment.fail(fault, size=1 << 30)
        with pytest.raises(DeploymentError, match="too long"):
            Deployment(deployment.root_url).confirm(me)
        deployment.heal()
    # The sandbox runs in this process too, and compresses its answer here.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_ping_returns_the_deployments_clock(deployment: Sandbox) -> None:
    def told(root_url: str, until: float | None = None) -> float:
        return Deployment(root_url, deadline=until).ping()

    assert abs(told(deployment.root_url) - time.time()) < 60
    deployment.fail("clock", ahead=3600)
    assert abs(told(deployment.root_url) - time.time() - 3600) < 60
    for fault in ("silent", "drip-head"):
        deployment.heal()
        deployment.fail(fault)
        with pytest.raises(DeploymentError, match="in time"):
            told(deployment.root_url, until=time.monotonic() + 0.5)
    for fault in ("hang-up", "endless-head", "not-http", "endless-continue"):
        deployment.heal()
        deployment.fail(fault)
        with pytest.raises(DeploymentError):
            told(deployment.root_url, until=time.monotonic() + 1)


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
def test_an_invalid_date_is_rejected(date: str) -> None:
    assert parse_date(date) is None
    assert parse_date("Tue, 24 Nov 2026 12:07:56 GMT") == 1795522076


@pytest.mark.parametrize("fault", ["silent", "drip", "drip-head", "endless-continue"])
def test_status_ends_within_its_timeout(fault: str, deployment: Sandbox) -> None:
    env = sign_in(deployment)
    deployment.fail(fault, pace=0.1)
    done = tcenv("status", "--json", env={**env, "TCENV_TIMEOUT": "2s"})
    report = json.loads(done.stdout)
    assert (done.returncode, report["verified"]) == (0, False)
    assert "in time" in report["problem"]
    assert find_session_file(env).exists()


@pytest.mark.parametrize("fault", ["html", "other-client", "forbidden-html", "unauthorized-html", "redirect", "deep"])
def test_status_keeps_the_session_after_a_faulty_answer(fault: str, deployment: Sandbox) -> None:
    env = sign_in(deployment)
    before = find_session_file(env).read_bytes()
    deployment.fail(fault, location="http://127.0.0.1:1/")
    done = tcenv("status", "--json", env=env)
    assert json.loads(done.stdout)["verified"] is False
    assert "Traceback" not in done.stderr
    assert "inside tcenv" not in done.stderr
    assert find_session_file(env).read_bytes() == before


@pytest.mark.linux
@pytest.mark.parametrize("fault", ["other-client", "forbidden-html"])
def test_a_sign_in_stores_nothing_after_a_faulty_answer(fault: str, deployment: Sandbox) -> None:
    """The sign-in waits for half a minute, so its clock runs fast."""
    env = sign_in(deployment)
    before = find_session_file(env).read_bytes()
    deployment.fail(fault)
    done = run_program(
        require("faketime"),
        "-f",
        "+0 x6",
        TCENV,
        "login",
        "--shell",
        "sh",
        "--timeout",
        "1m",
        env=make_env(deployment, XDG_RUNTIME_DIR=env["HOME"]),
    )
    assert (done.returncode != 0, done.stdout) == (True, "\\false;\n")
    assert "inside tcenv" not in done.stderr
    assert find_session_file(env).read_bytes() == before
