"""Compare the sandbox's checks of temporary credentials with those of a real deployment."""

from __future__ import annotations

import base64
import datetime
import hmac
import json
from typing import Any

import pytest
import taskcluster

from tcenv.sandbox import Client, Sandbox
from tests.clients import get_rejection, make_auth

NAME = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv"
ANONYMOUS = ["assume:anonymous", "auth:current-scopes", "auth:get-client:*", "auth:list-clients"]


def make_temporary(client: Client, scopes: list[str], name: str | None = None, **lifetime: float) -> dict[str, Any]:
    """Make temporary credentials with the real client. They are valid from five minutes ago."""
    now = datetime.datetime.now(datetime.UTC)
    return taskcluster.createTemporaryCredentials(
        client.client_id,
        client.access_token,
        now - datetime.timedelta(minutes=5),
        now + datetime.timedelta(**(lifetime or {"minutes": 15})),
        scopes,
        name,
    )


def test_temporary_credentials_have_their_scopes_and_the_anonymous_ones(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME, ["queue:*"])
    caller = make_auth(deployment, make_temporary(client, ["queue:x"]))
    assert caller.currentScopes()["scopes"] == [*ANONYMOUS, "queue:x"]
    assert deployment.requests[-1].client_id == NAME


def test_a_scope_that_the_issuer_lacks_is_a_401(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME, ["queue:*"])
    message = get_rejection(make_auth(deployment, make_temporary(client, ["queue:x", "index:x"])).currentScopes)
    assert "doesn't satisfy all certificate scopes" in message
    # What everybody may do is nothing that the issuer holds.
    assert "doesn't satisfy" in get_rejection(
        make_auth(deployment, make_temporary(client, ["auth:list-clients"])).currentScopes
    )


def test_another_name_needs_the_scope_to_create_it(deployment: Sandbox) -> None:
    client = deployment.create_client("me/x", ["auth:create-client:me/x/*"])
    make_auth(deployment, make_temporary(client, [], "me/x/job")).currentScopes()
    assert deployment.requests[-1].client_id == "me/x/job"
    message = get_rejection(make_auth(deployment, make_temporary(client, [], "other")).currentScopes)
    assert "doesn't have `auth:create-client:other`" in message


@pytest.mark.deployment(any_time=True)
def test_a_certificate_allows_ten_minutes_of_clock_skew_at_both_ends(deployment: Sandbox) -> None:
    client = deployment.create_client("me/x")
    for offset, good in ((-9 * 60, True), (-11 * 60, False), (19 * 60, True), (21 * 60, False)):
        deployment.clock_offset = offset
        caller = make_auth(deployment, make_temporary(client, []))
        if good:
            caller.currentScopes()
        else:
            assert get_rejection(caller.currentScopes).startswith("ext.certificate.")


def test_a_certificate_lasts_31_days_at_most(deployment: Sandbox) -> None:
    client = deployment.create_client("me/x", lifetime=90 * 86400)
    with pytest.raises(Exception, match="31 days"):
        make_temporary(client, [], days=32)
    made = make_temporary(client, [], days=30)
    make_auth(deployment, made).currentScopes()
    certificate = json.loads(made["certificate"])
    certificate["expiry"] += 2 * 86400 * 1000
    facts = [f"{key}:{certificate[key]}" for key in ("version", "seed", "start", "expiry")]
    text = "\n".join([*facts, "scopes:"]).encode()
    signature = hmac.digest(client.access_token.encode(), text, "sha256")
    made["certificate"] = json.dumps({**certificate, "signature": base64.b64encode(signature).decode()})
    assert (
        get_rejection(make_auth(deployment, made).currentScopes) == "ext.certificate cannot last longer than 31 days!"
    )


def test_a_certificate_ends_with_the_token_of_its_issuer(deployment: Sandbox) -> None:
    client = deployment.create_client("me/x")
    caller = make_temporary(client, [])
    client.disabled = True
    assert get_rejection(make_auth(deployment, caller).currentScopes) == "Client with clientId 'me/x' is disabled"
    client.disabled = False
    client.access_token = "y" * 44
    assert get_rejection(make_auth(deployment, caller).currentScopes) == "ext.certificate.signature is not valid"


def test_temporary_credentials_cannot_issue_others(deployment: Sandbox) -> None:
    client = deployment.create_client("me/x", ["auth:create-client:me/x/*"])
    first = make_temporary(client, ["auth:create-client:me/x/*"], "me/x/a")
    issuer = Client("me/x/a", first["accessToken"].decode(), 0, [])
    assert (
        get_rejection(make_auth(deployment, make_temporary(issuer, [])).currentScopes)
        == "Client with clientId 'me/x/a' not found"
    )
    own = make_temporary(client, ["auth:create-client:me/x/*"])
    issuer = Client("me/x", own["accessToken"].decode(), 0, [])
    assert (
        get_rejection(make_auth(deployment, make_temporary(issuer, [])).currentScopes)
        == "ext.certificate.signature is not valid"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"seed": "short"},
        {"start": "now"},
        {"expiry": None},
        {"scopes": "*"},
        {"scopes": ["*"]},
        {"issuer": "me/x"},
        {"expiry": 10**15},
        {"signature": "x"},
    ],
)
def test_an_altered_certificate_is_refused(change: dict[str, Any], deployment: Sandbox) -> None:
    made = make_temporary(deployment.create_client("me/x", ["a"]), ["a"])
    made["certificate"] = json.dumps({**json.loads(made["certificate"]), **change})
    assert get_rejection(make_auth(deployment, made).currentScopes).startswith("ext.certificate")


def test_the_certificate_of_another_client_is_a_401(deployment: Sandbox) -> None:
    old, new = deployment.create_client("me/x"), deployment.create_client("me/y")
    mixed = {
        "clientId": new.client_id,
        "accessToken": new.access_token,
        "certificate": make_temporary(old, [])["certificate"],
    }
    assert get_rejection(make_auth(deployment, mixed).currentScopes) == "ext.certificate.signature is not valid"
