"""Where a look-alike is easily more lenient than a deployment: one test for each point in which real services were seen to
insist."""

from __future__ import annotations

import json
import re
import socket
from datetime import timedelta
from typing import Any

import mohawk
import pytest
import requests
import taskcluster

from tcenv.sandbox import Client, Sandbox
from tests.clients import get_failure, get_failure_code, get_rejection, make_auth

END = "2100-01-01T00:00:00.000Z"


def signed(tc: Sandbox, client: Client, method: str, path: str, body: str | None = None, kind: str = "") -> Any:
    """A request by hand, signed as JavaScript's client does it: without a hash of the body."""
    url = f"{tc.root_url}/api/{path}"
    who = {"id": client.client_id, "key": client.access_token, "algorithm": "sha256"}
    header = mohawk.Sender(who, url, method, always_hash_content=False).request_header
    kinds = {"Content-Type": kind} if kind else {}
    return requests.request(method, url, data=body, headers={"Authorization": header, **kinds})


def wanted(**more: Any) -> dict[str, Any]:
    """A body for createClient."""
    return {"description": "d", "expires": END, "scopes": ["b", "a"], **more}


class TestCreatingAClient:
    def test_the_same_again_within_a_quarter_of_an_hour_is_the_same_client(self) -> None:
        with Sandbox(any_time=True) as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"], lifetime=86400 * 9))
            first = mine.createClient("x", wanted())
            assert mine.createClient("x", wanted(scopes=["a", "b"]))["accessToken"] == first["accessToken"]
            tc.clock_offset = 14 * 60
            assert mine.createClient("x", wanted())["accessToken"] == first["accessToken"]
            tc.clock_offset = 16 * 60
            status, code, message = get_failure(mine.createClient, "x", wanted())
            assert (status, code, message.splitlines()[0]) == (409, "RequestConflict", "Client already exists")

    @pytest.mark.parametrize("other", [{"description": "e"}, {"scopes": ["a"]}, {"expires": "2100-01-02T00:00:00Z"}])
    def test_anything_else_is_a_conflict(self, other: dict[str, Any]) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"]))
            mine.createClient("x", wanted())
            assert get_failure_code(mine.createClient, "x", wanted(**other)) == (409, "RequestConflict")
            assert tc.clients["x"].description == "d"

    def test_a_disabled_one_is_not_given_back(self) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"]))
            mine.createClient("x", wanted())
            tc.disable("x")
            assert get_failure_code(mine.createClient, "x", wanted()) == (409, "RequestConflict")

    def test_scopes_come_back_in_order(self) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"]))
            assert mine.createClient("x", wanted())["scopes"] == ["a", "b"]
            assert mine.updateClient("x", wanted(scopes=["c", "b", "a:*"]))["scopes"] == ["a:*", "b", "c"]
            assert mine.client("x")["scopes"] == ["a:*", "b", "c"]
            assert mine.client("x")["expandedScopes"] == ["a:*", "b", "c"]

    @pytest.mark.parametrize(
        "body",
        [
            wanted(scopes=["a", "b", "a"]),
            wanted(scopes="a"),
            wanted(scopes=[1]),
            wanted(description=1),
            wanted(deleteOnExpiration="yes"),
            wanted(expires=4102444800),
            wanted(expires="2100-01-01"),
            wanted(expires="banana"),
        ],
    )
    def test_what_breaks_the_schema(self, body: dict[str, Any]) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"]))
            tc.create_client("there")
            assert get_failure_code(mine.createClient, "x", body) == (400, "InputValidationError")
            assert get_failure_code(mine.updateClient, "there", body) == (400, "InputValidationError")
            assert list(tc.clients) == ["me", "there"]

    def test_two_stars_fit_the_schema_and_are_refused(self) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"]))
            assert get_failure_code(mine.createClient, "x", wanted(scopes=["a**"])) == (400, "InputError")

    @pytest.mark.parametrize(
        "end",
        ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "0000-01-01T00:00:00Z", "2100-13-01T00:00:00Z"],
    )
    def test_a_time_that_no_calendar_has_is_refused(self, end: str) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"]))
            assert get_failure_code(mine.createClient, "x", wanted(expires=end))[0] == 400
            assert list(tc.clients) == ["me"]

    def test_a_time_without_a_zone_is_in_utc(self) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"]))
            made = mine.createClient("x", wanted(expires="2100-01-01T00:00:00"))
            assert made["expires"] == "2100-01-01T00:00:00.000Z"

    def test_a_body_needs_its_content_type(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["*"])
            body = json.dumps(wanted())
            for kind in ("", "text/plain"):
                answer = signed(tc, client, "PUT", "auth/v1/clients/x", body, kind)
                assert (answer.status_code, answer.json()["code"]) == (400, "MalformedPayload")
            good = signed(tc, client, "PUT", "auth/v1/clients/x", body, "application/json; charset=utf-8")
            assert good.status_code == 200

    @pytest.mark.parametrize("body", ["{", "nonsense", '"text"', "7", "[" * 100_000, b"\xff\xfe"])
    def test_malformed_json(self, body: Any) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["*"])
            answer = signed(tc, client, "PUT", "auth/v1/clients/x", body, "application/json")
            assert (answer.status_code, answer.json()["code"]) == (400, "MalformedPayload")

    @pytest.mark.parametrize(
        "verb", ["createClient", "updateClient", "resetAccessToken", "deleteClient", "disableClient"]
    )
    def test_static_clients_are_the_administrators(self, verb: str) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["*"]))
            body = [wanted()] if verb in ("createClient", "updateClient") else []
            status, code, message = get_failure(getattr(mine, verb), "static/x", *body)
            assert (status, code) == (400, "InputError")
            assert 'clientId "static/x" starts with "static/"' in message


class TestAnswers:
    def test_deleting_says_nothing(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["auth:delete-client:*"])
            for _ in range(2):
                answer = signed(tc, client, "DELETE", "auth/v1/clients/gone")
                assert (answer.status_code, answer.content) == (204, b"")
                assert "Content-Length" not in answer.headers

    def test_a_403_has_both_blocks(self) -> None:
        with Sandbox(public=False) as tc:
            _, _, message = get_failure(make_auth(tc, tc.create_client("me/x")).currentScopes)
            assert message.split("\n\n---\n\n")[0] == (
                "Client ID me/x does not have sufficient scopes and is missing the following scopes:\n\n"
                "```\nauth:current-scopes\n```\n\n"
                "This request requires the client to satisfy the following scope expression:\n\n"
                "```\nauth:current-scopes\n```"
            )
            _, _, message = get_failure(make_auth(tc).currentScopes)
            assert message.split("\n\n---\n\n")[0] == (
                "This request requires Taskcluster credentials that satisfy the following scope expression:\n\n"
                "```\nauth:current-scopes\n```"
            )

    def test_an_authorization_of_more_than_4096_characters(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", [f"scope:{number:033}" for number in range(80)])

            def told(count: int) -> str:
                now = taskcluster.fromNow("0 seconds")
                made = taskcluster.createTemporaryCredentials(
                    "me", client.access_token, now, now + timedelta(hours=1), client.scopes[:count]
                )
                made["accessToken"] = made["accessToken"].decode()
                caller = make_auth(tc, made)
                return get_rejection(caller.currentScopes) if count > 62 else str(len(caller.currentScopes()["scopes"]))

            assert told(60) == "64"
            assert told(70) == "Bad Request: Header length too long"

    def test_unknown_routes(self) -> None:
        with Sandbox() as tc:
            for path in ("auth/v1/nothing", "auth/v2/ping", "auth", "auth/v1/clients/a/b/c"):
                for method in ("GET", "POST", "OPTIONS"):
                    answer = requests.request(method, f"{tc.root_url}/api/{path}")
                    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})
            assert requests.post(f"{tc.root_url}/api/auth/v1/ping").status_code == 404
            assert requests.get(f"{tc.root_url}/api/index/v1/ping").json()["alive"]

    def test_an_unknown_service_is_the_web_servers(self) -> None:
        with Sandbox() as tc:
            for method in ("GET", "POST", "OPTIONS"):
                answer = requests.request(method, f"{tc.root_url}/api/nowhere/v1/ping")
                assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html")

    def test_answers_are_packed_for_those_who_ask(self) -> None:
        with Sandbox() as tc:
            tc.create_client("x")
            url = f"{tc.root_url}/api/auth/v1/clients/x"
            plain = requests.get(url, headers={"Accept-Encoding": "identity"})
            packed = requests.get(url, headers={"Accept-Encoding": "gzip, deflate"})
            assert "Content-Encoding" not in plain.headers
            assert packed.headers["Content-Encoding"] == "gzip"
            assert packed.json() == plain.json()
            assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
            missing = requests.get(f"{url}y", headers={"Accept-Encoding": "gzip"})
            assert (missing.headers["Content-Encoding"], missing.json()["code"]) == ("gzip", "ResourceNotFound")

    def test_head_and_options(self) -> None:
        with Sandbox() as tc:
            tc.create_client("x")
            url = f"{tc.root_url}/api/auth/v1/clients/x"
            plain = {"Accept-Encoding": "identity"}
            whole, head = requests.get(url, headers=plain), requests.head(url, headers=plain)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["Content-Length"] == str(len(whole.content))
            assert head.headers["ETag"] == whole.headers["ETag"]
            assert requests.head(f"{tc.root_url}/api/auth/v1/clients/y").status_code == 404
            assert requests.head(f"{tc.root_url}/auth/clients/create").status_code == 200
            options = requests.options(url)
            assert options.status_code == 200
            assert options.headers["Allow"] == "DELETE, GET, HEAD, POST, PUT"
            assert requests.options(f"{url}/reset").headers["Allow"] == "POST"

    def test_pages_of_other_origins_may_call(self) -> None:
        with Sandbox() as tc:
            url = f"{tc.root_url}/api/auth/v1/ping"
            for answer in (requests.get(url), requests.options(url), requests.get(f"{url}/x")):
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
                assert "PUT" in answer.headers["Access-Control-Allow-Methods"]

    def test_what_has_not_changed_is_not_sent_again(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("x")
            url = f"{tc.root_url}/api/auth/v1/clients/x"
            tag = requests.get(url).headers["ETag"]
            again = requests.get(url, headers={"If-None-Match": f'"other", {tag}'})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
            client.description = "changed"
            assert requests.get(url, headers={"If-None-Match": tag}).status_code == 200

    def test_a_wrong_hash_of_the_body(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["*"])
            url = f"{tc.root_url}/api/auth/v1/clients/x"
            who = {"id": "me", "key": client.access_token, "algorithm": "sha256"}
            header = mohawk.Sender(who, url, "PUT", content="{}", content_type="application/json").request_header
            kind = {"Content-Type": "application/json"}
            answer = requests.put(url, data=json.dumps(wanted()), headers={"Authorization": header, **kind})
            assert answer.status_code == 401
            assert answer.json()["message"].startswith("Invalid payload hash: ")
            assert answer.headers["WWW-Authenticate"] == "hawk"


class TestTheWebServerInFront:
    @pytest.mark.parametrize(("length", "status"), [(8177, 200), (8178, 414), (100_000, 414)])
    @pytest.mark.parametrize("path", ["/auth/clients/create?name=", "/api/auth/v1/ping?x="])
    def test_the_longest_address(self, path: str, length: int, status: int) -> None:
        with Sandbox() as tc:
            answer = requests.get(tc.root_url + path + "x" * (length - len(path)))
            assert answer.status_code == status
            if status == 414:
                assert "414 Request-URI Too Large" in answer.text

    def test_an_address_without_end_is_refused_before_it_is_whole(self) -> None:
        with Sandbox() as tc, socket.create_connection(("127.0.0.1", tc.port)) as connection:
            connection.sendall(b"GET /" + b"x" * 9000)
            assert connection.recv(100).startswith(b"HTTP/1.1 414 ")

    def test_a_sandbox_comes_back_on_its_port_at_once(self) -> None:
        with requests.Session() as session:
            port = 0
            for _ in range(3):
                with Sandbox(port=port) as tc:
                    port = tc.port
                    # The server hangs up on this one, whose port lingers then.
                    assert session.get(f"{tc.root_url}/api/auth/v1/ping").ok
                    lingering = socket.create_connection(("127.0.0.1", port))
                    lingering.sendall(b"GET /")
                lingering.close()

    def test_several_requests_at_once_are_answered_in_order(self) -> None:
        with Sandbox() as tc, socket.create_connection(("::1", tc.port)) as connection:
            host = f"Host: localhost:{tc.port}\r\n".encode()
            piped = b"".join(
                b"GET /api/auth/v1/%b HTTP/1.1\r\n%b%b\r\n" % (name, host, b"Connection: close\r\n" if last else b"")
                for name, last in ((b"ping", False), (b"nothing", False), (b"__version__", True))
            )
            for byte in piped[:40]:
                connection.sendall(bytes((byte,)))
            connection.sendall(piped[40:])
            got = b""
            while piece := connection.recv(65536):
                got += piece
            assert re.findall(rb"HTTP/1\.1 (\d+)", got) == [b"200", b"404", b"200"]
            assert b"v106" in got.rpartition(b"\r\n\r\n")[2]

    def test_a_body_in_chunks_and_one_that_is_waited_for(self) -> None:
        with Sandbox() as tc, socket.create_connection(("127.0.0.1", tc.port)) as connection:
            head = f"PUT /api/auth/v1/clients/x HTTP/1.1\r\nHost: localhost:{tc.port}\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode())
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            body = json.dumps(wanted()).encode()
            for piece in (body[:7], body[7:]):
                connection.sendall(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\nTrailer: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")  # read, and understood

    @pytest.mark.parametrize(
        "garbage",
        [b"GET / HTTP/2\r\n\r\n", b"get / HTTP/1.1\r\n\r\n", b"GET / x HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nnothing\r\n\r\n",
         b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"\x16\x03\x01\x02\r\n\r\n"],
    )  # fmt: skip
    def test_what_is_no_request_is_a_400(self, garbage: bytes) -> None:
        with Sandbox() as tc, socket.create_connection(("127.0.0.1", tc.port)) as connection:
            connection.sendall(garbage)
            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_no_character_of_a_signature_can_be_changed() -> None:
    with Sandbox() as tc, requests.Session() as session:
        client = tc.create_client("me", ["*"])
        url = f"{tc.root_url}/api/auth/v1/scopes/current"
        who = {"id": "me", "key": client.access_token, "algorithm": "sha256"}
        header = mohawk.Sender(who, url, "GET", content="", content_type="", ext="e30=").request_header
        good = []
        for place, character in enumerate(header):
            changed = header[:place] + ("x" if character != "x" else "y") + header[place + 1 :]
            if session.get(url, headers={"Authorization": changed}).status_code == 200:
                good.append(changed)
        assert good == []
        assert session.get(url, headers={"Authorization": header}).status_code == 200
