"""Authenticate the run's own programs by each of their ways to sign, and nobody else."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

import mohawk
import pytest
import taskcluster

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Endpoint
from tcenv.proxy import callers
from tcenv.proxy.callers import CallerRights, Refused
from tcenv.proxy.child_environment import Run

CLIENT = "github/1|jo/tcenv-box"
NOW = time.time()
PATH = "/api/secrets/v1/secret/project%2Fx?a=%20"
RUN = Run.create(CLIENT, unsigned=True)


def authenticate(
    authorization: str | None,
    resource: str = PATH,
    method: str = "GET",
    run: Run = RUN,
    now: float = NOW,
    port: int = 80,
) -> CallerRights | None:
    return callers.authenticate(run, method, "127.0.0.1", port, resource, authorization, now=now)


def sign(resource: str = PATH, method: str = "GET", *, run: Run = RUN, token: str = "", **ext: Any) -> str:
    endpoint = Endpoint("127.0.0.1", 80, resource)
    return hawk.make_header(
        run.client_id, token or run.token, method, endpoint, now=NOW, ext=hawk.encode_extension(ext)
    )


def make_temporary(
    scopes: list[str], *, name: str | None = None, run: Run = RUN, start: float = NOW, seconds: float = 900
) -> dict[str, str]:
    """Make temporary credentials from the run's with the real client."""
    moment = datetime.datetime.fromtimestamp(start, datetime.UTC)
    made = taskcluster.createTemporaryCredentials(
        run.client_id, run.token, moment, moment + datetime.timedelta(seconds=seconds), scopes, name
    )
    return {key: value.decode() if isinstance(value, bytes) else value for key, value in made.items()}


def sign_with(credentials: dict[str, str], more: dict[str, Any] | None = None, method: str = "GET") -> str:
    ext = hawk.encode_extension({"certificate": json.loads(credentials["certificate"]), **(more or {})})
    endpoint = Endpoint("127.0.0.1", 80, PATH)
    return hawk.make_header(credentials["clientId"], credentials["accessToken"], method, endpoint, now=NOW, ext=ext)


def test_no_two_runs_have_the_same_token() -> None:
    runs = [Run.create(CLIENT, unsigned=True) for _ in range(50)]
    secrets = {value for run in runs for value in (run.token, run.secret)}
    assert len(secrets) == 100
    assert all(len(value or "") == 44 for value in secrets)
    assert not any(value in repr(run) for run in runs for value in (run.token, run.secret))  # type: ignore[operator]


def test_a_signed_request_is_accepted() -> None:
    assert authenticate(sign()) == CallerRights(PATH)
    assert authenticate(sign(method="PUT"), method="PUT") == CallerRights(PATH)
    assert authenticate(sign(authorizedScopes=["a", "b*"])) == CallerRights(PATH, ("a", "b*"))
    assert authenticate(sign(authorizedScopes=[])) == CallerRights(PATH, ())
    sender = mohawk.Sender(
        {"id": CLIENT, "key": RUN.token, "algorithm": "sha256"},
        f"http://127.0.0.1{PATH}",
        "GET",
        content="",
        content_type="",
        ext="e30=",
    )
    taken = authenticate(sender.request_header, now=time.time())
    assert taken is not None
    assert (taken.scopes, len(taken.hash)) == (None, 44)


def test_other_signatures_are_refused() -> None:
    other = Run.create(CLIENT, unsigned=False)
    stranger = Run("github/2|eve/x", RUN.token)
    attempts: list[tuple[str, dict[str, Any]]] = [
        (sign(run=other), {}),
        (sign(run=stranger), {}),
        (sign(token=RUN.secret or ""), {}),
        (sign(), {"method": "HEAD"}),
        (sign(), {"resource": PATH + "1"}),
        (sign(), {"port": 81}),
        (sign(), {"now": NOW + 901}),
        (sign(authorizedScopes="a"), {}),
        (sign(authorizedScopes=[1]), {}),
        (sign(authorizedScopes=["a\n"]), {}),
        (sign(certificate="x"), {}),
        (sign(certificate={}), {}),
        ("Basic " + RUN.token, {}),
        ("Bearer " + RUN.token, {}),
        ("", {}),
    ]
    for header, more in attempts:
        with pytest.raises(Refused) as refused:
            authenticate(header, **more)
        assert refused.value.status == 401
        assert str(refused.value) == "401"


def test_a_request_without_a_signature_has_no_caller() -> None:
    assert authenticate(None) is None
    assert authenticate(None, "/") is None
    assert authenticate(None, "/api/queue/v1/ping?x=bewit") is None


def test_temporary_credentials_of_the_run_narrow() -> None:
    assert authenticate(sign_with(make_temporary(["a:*", "b"]))) == CallerRights(PATH, ("a:*", "b"))
    assert authenticate(
        sign_with(make_temporary(["a:*", "b"]), {"authorizedScopes": ["a:1", "c", "*"]})
    ) == CallerRights(PATH, ("a:1", "a:*", "b"))
    assert authenticate(sign_with(make_temporary([]))) == CallerRights(PATH, ())
    assert authenticate(sign_with(make_temporary(["a"], name=f"{CLIENT}/named"))) == CallerRights(PATH, ("a",))
    # Some minutes of drift are forgiven, as the service does.
    assert authenticate(sign_with(make_temporary(["a"], start=NOW + 200))) == CallerRights(PATH, ("a",))
    assert authenticate(sign_with(make_temporary(["a"], start=NOW - 1100, seconds=900))) == CallerRights(PATH, ("a",))


def test_other_certificates_are_refused() -> None:
    good = make_temporary(["a"])
    certificate = json.loads(good["certificate"])
    named = make_temporary(["a"], name=f"{CLIENT}/named")
    altered = [
        {**certificate, "scopes": ["a", "b"]},
        {**certificate, "scopes": "a"},
        {**certificate, "scopes": ["*"]},
        {**certificate, "expiry": certificate["expiry"] + 1},
        {**certificate, "start": True},
        {**certificate, "start": "1"},
        {**certificate, "start": None},
        {**certificate, "version": 2},
        {**certificate, "seed": certificate["seed"][:-1]},
        {**certificate, "signature": ""},
        {**certificate, "signature": None},
        {**certificate, "issuer": CLIENT},
        {**certificate, "issuer": "github/2|eve/x"},
        {key: value for key, value in certificate.items() if key != "signature"},
    ]
    attempts = [{**good, "certificate": json.dumps(changed)} for changed in altered]
    attempts += [
        {**good, "accessToken": RUN.token},
        {**named, "clientId": f"{CLIENT}/other"},
        {**named, "clientId": CLIENT},
        make_temporary(["a"], run=Run.create(CLIENT, unsigned=False)),
        make_temporary(["a"], run=Run("github/2|eve/x", RUN.token)),
        make_temporary(["a"], start=NOW + 400),
        make_temporary(["a"], start=NOW - 1300, seconds=900),
    ]
    for credentials in attempts:
        with pytest.raises(Refused):
            authenticate(sign_with(credentials))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_signed_url_is_accepted(method: str) -> None:
    for ext, scopes in (({}, None), ({"authorizedScopes": ["a"]}, ("a",))):
        endpoint = Endpoint("127.0.0.1", 80, PATH)
        value = hawk.make_bewit(CLIENT, RUN.token, endpoint, expires=NOW + 60, ext=hawk.encode_extension(ext))
        assert authenticate(None, hawk.add_bewit(PATH, value), method) == CallerRights(PATH, scopes)
        with pytest.raises(Refused):
            authenticate(None, hawk.add_bewit(PATH, value), method, now=NOW + 61)
        with pytest.raises(Refused):
            authenticate(None, hawk.add_bewit(PATH + "x", value), method)
        with pytest.raises(Refused):
            # A header as well: as the service does, neither counts.
            authenticate(sign(hawk.add_bewit(PATH, value)), hawk.add_bewit(PATH, value), method)
        assert authenticate(None, hawk.add_bewit(PATH, value), "PUT") is None


def test_a_url_signed_by_another_is_refused() -> None:
    other = Run.create(CLIENT, unsigned=False)
    value = hawk.make_bewit(CLIENT, other.token, Endpoint("127.0.0.1", 80, PATH), expires=NOW + 60)
    for bewit in (value, "", "x", "%", "a" * 5000):
        with pytest.raises(Refused):
            authenticate(None, hawk.add_bewit(PATH, bewit))


def test_the_secret_path_is_accepted_and_removed() -> None:
    assert authenticate(None, f"/{RUN.secret}{PATH}") == CallerRights(PATH, unsigned=True)
    assert authenticate(None, f"/{RUN.secret}") == CallerRights("/", unsigned=True)
    assert authenticate(None, f"/{RUN.secret}/") == CallerRights("/", unsigned=True)
    assert authenticate(None, f"/{RUN.secret}/bewit", "POST") == CallerRights("/bewit", unsigned=True)
    # Signed as well: then the signature counts, over the whole path.
    assert authenticate(sign(f"/{RUN.secret}{PATH}"), f"/{RUN.secret}{PATH}") == CallerRights(PATH)
    with pytest.raises(Refused):
        authenticate(sign(PATH), f"/{RUN.secret}{PATH}")
    endpoint = Endpoint("127.0.0.1", 80, f"/{RUN.secret}{PATH}")
    value = hawk.make_bewit(CLIENT, RUN.token, endpoint, expires=NOW + 60)
    assert authenticate(None, hawk.add_bewit(endpoint.resource, value)) == CallerRights(PATH)


def test_other_paths_are_refused() -> None:
    signing = Run.create(CLIENT, unsigned=False)
    for run, first in (
        (RUN, RUN.token),
        (RUN, f"{RUN.secret}x"),
        (RUN, str(RUN.secret)[:-1]),
        (RUN, ""),
        (signing, "None"),
    ):
        assert authenticate(None, f"/{first}{PATH}", run=run) is None


def test_the_repr_of_a_run_holds_no_secret() -> None:
    text = RUN.remove_secrets(f"x {RUN.token} y {RUN.secret} {RUN.token}")
    assert text == "x … y … …"
    assert Run.create(CLIENT, unsigned=False).remove_secrets("None") == "None"


@pytest.mark.parametrize(
    ("outer", "inner", "left"),
    [
        (None, None, None),
        (("a",), None, ("a",)),
        (None, ("a",), ("a",)),
        (("a:*",), ("a:b", "b"), ("a:b",)),
        (("a:b",), ("a:*",), ("a:b",)),
        (("a:b",), ("*",), ("a:b",)),
        (("a",), ("b",), ()),
        ((), ("a",), ()),
        (("a",), (), ()),
    ],
)
def test_narrowing_never_widens(
    outer: tuple[str, ...] | None, inner: tuple[str, ...] | None, left: tuple[str, ...] | None
) -> None:
    assert callers.narrow(outer, inner) == left
