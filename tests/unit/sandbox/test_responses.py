"""Compare the sandbox's HTTP responses with those of a real deployment."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tcenv.sandbox import Sandbox
from tests.clients import get_failure, make_auth, make_client_body, send_unhashed


def test_a_body_needs_its_content_type(deployment: Sandbox) -> None:
    client = deployment.create_client("me", ["*"])
    body = json.dumps(make_client_body(["b", "a"]))
    for kind in ("", "text/plain"):
        answer = send_unhashed(deployment, client, "PUT", "auth/v1/clients/x", body, kind)
        assert (answer.status_code, answer.json()["code"]) == (400, "MalformedPayload")
    good = send_unhashed(deployment, client, "PUT", "auth/v1/clients/x", body, "application/json; charset=utf-8")
    assert good.status_code == 200


@pytest.mark.parametrize("body", ["{", "nonsense", '"text"', "7", "[" * 100_000, b"\xff\xfe"])
def test_malformed_json_is_a_400(body: Any, deployment: Sandbox) -> None:
    client = deployment.create_client("me", ["*"])
    answer = send_unhashed(deployment, client, "PUT", "auth/v1/clients/x", body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "MalformedPayload")


@pytest.mark.deployment(public=False)
def test_a_403_names_the_missing_and_the_required_scopes(deployment: Sandbox) -> None:
    _, _, message = get_failure(make_auth(deployment, deployment.create_client("me/x")).currentScopes)
    assert message.split("\n\n---\n\n")[0] == (
        "Client ID me/x does not have sufficient scopes and is missing the following scopes:\n\n"
        "```\nauth:current-scopes\n```\n\n"
        "This request requires the client to satisfy the following scope expression:\n\n"
        "```\nauth:current-scopes\n```"
    )
    _, _, message = get_failure(make_auth(deployment).currentScopes)
    assert message.split("\n\n---\n\n")[0] == (
        "This request requires Taskcluster credentials that satisfy the following scope expression:\n\n"
        "```\nauth:current-scopes\n```"
    )


def test_an_unknown_route_is_a_404_of_the_service(deployment: Sandbox) -> None:
    for path in ("auth/v1/nothing", "auth/v2/ping", "auth", "auth/v1/clients/a/b/c"):
        for method in ("GET", "POST", "OPTIONS"):
            answer = requests.request(method, f"{deployment.root_url}/api/{path}")
            assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})
    assert requests.post(f"{deployment.root_url}/api/auth/v1/ping").status_code == 404
    assert requests.get(f"{deployment.root_url}/api/index/v1/ping").json()["alive"]


def test_an_unknown_service_is_a_404_of_the_web_server(deployment: Sandbox) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = requests.request(method, f"{deployment.root_url}/api/nowhere/v1/ping")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html")


def test_answers_are_compressed_on_request(deployment: Sandbox) -> None:
    deployment.create_client("x")
    url = f"{deployment.root_url}/api/auth/v1/clients/x"
    plain = requests.get(url, headers={"Accept-Encoding": "identity"})
    packed = requests.get(url, headers={"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    missing = requests.get(f"{url}y", headers={"Accept-Encoding": "gzip"})
    assert (missing.headers["Content-Encoding"], missing.json()["code"]) == ("gzip", "ResourceNotFound")


def test_head_and_options_match_get(deployment: Sandbox) -> None:
    deployment.create_client("x")
    url = f"{deployment.root_url}/api/auth/v1/clients/x"
    plain = {"Accept-Encoding": "identity"}
    whole, head = requests.get(url, headers=plain), requests.head(url, headers=plain)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert requests.head(f"{deployment.root_url}/api/auth/v1/clients/y").status_code == 404
    assert requests.head(f"{deployment.root_url}/auth/clients/create").status_code == 200
    options = requests.options(url)
    assert options.status_code == 200
    assert options.headers["Allow"] == "DELETE, GET, HEAD, POST, PUT"
    assert requests.options(f"{url}/reset").headers["Allow"] == "POST"


def test_pages_of_other_origins_may_call_the_api(deployment: Sandbox) -> None:
    url = f"{deployment.root_url}/api/auth/v1/ping"
    for answer in (requests.get(url), requests.options(url), requests.get(f"{url}/x")):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


def test_an_etag_answers_304(deployment: Sandbox) -> None:
    client = deployment.create_client("x")
    url = f"{deployment.root_url}/api/auth/v1/clients/x"
    tag = requests.get(url).headers["ETag"]
    again = requests.get(url, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    client.description = "changed"
    assert requests.get(url, headers={"If-None-Match": tag}).status_code == 200
