"""Compare signatures with mohawk's and the Taskcluster client's, and refuse altered ones."""

from __future__ import annotations

import json
import subprocess
import sys

import mohawk
import mohawk.bewit
import mohawk.exc
import pytest
import taskcluster
from hypothesis import given
from hypothesis import strategies as st

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Attributes, BadSignature, Endpoint, PayloadHash

TOKEN = "-kFoo_bar-VeryLongTokenOfFortyFourCharacters"
CLIENT_ID = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv-box:work"
NOW = 1_790_000_000.7
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")
URLS = (
    "https://tc.example.com/api/queue/v1/task/abc",
    "http://127.0.0.1:8080/api/secrets/v1/secret/project%2Ff%C3%BC?a=1&b=%20x+y&b=",
    "http://[::1]:9/queue/v1/ping",
    "http://localhost/api/auth/v1/clients/mozilla%7Cx%2By?",
    "https://TC.Example.COM:8443/team-a/api/x/v1/y",
)
hosts = st.sampled_from(["tc.example.com", "localhost", "127.0.0.1"])
# mohawk cuts a path at its semicolon.
paths = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='#?"\\;'), max_size=60)
bodies = st.binary(max_size=3000)
types = st.sampled_from(["", "application/json", "Application/JSON; charset=utf-8", "text/plain ;x=y", " a/b "])


def credentials(client_id: str = "") -> dict[str, str]:
    return {"id": client_id or CLIENT_ID, "key": TOKEN, "algorithm": "sha256"}


def receive(header: str, url: str, method: str, **content: object) -> mohawk.Receiver:
    return mohawk.Receiver(
        credentials,
        header,
        url,
        method,
        seen_nonce=lambda *_: False,
        timestamp_skew_in_seconds=10**10,
        **{"accept_untrusted_content": True, **content},
    )


# What is made


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", METHODS)
def test_mohawk_accepts_our_signature(url: str, method: str) -> None:
    ext = hawk.encode_extension({"authorizedScopes": ["queue:x", "secrets:get:é"]})
    header = hawk.make_header(CLIENT_ID, TOKEN, method, Endpoint.from_url(url), now=NOW, ext=ext)
    # mohawk drops an empty query.
    received = receive(header, url, method)
    assert json.loads(hawk.base64.b64decode(received.parsed_header["ext"])) == {  # type: ignore[attr-defined]
        "authorizedScopes": ["queue:x", "secrets:get:é"]
    }


@given(paths, bodies, types)
def test_mohawk_accepts_our_signature_of_a_body(path: str, body: bytes, content_type: str) -> None:
    url = f"https://tc.example.com/{path}"
    payload = PayloadHash(content_type)
    for start in range(0, len(body), 7):
        payload.update(body[start : start + 7])
    header = hawk.make_header(CLIENT_ID, TOKEN, "POST", Endpoint.from_url(url), now=NOW, payload_hash=payload.digest())
    receive(header, url, "POST", content=body, content_type=content_type, accept_untrusted_content=False)
    with pytest.raises(mohawk.exc.MisComputedContentHash):
        receive(header, url, "POST", content=body + b"x", content_type=content_type)


def test_every_signature_has_its_nonce() -> None:
    made = {hawk.make_header(CLIENT_ID, TOKEN, "GET", Endpoint.from_url(URLS[0]), now=NOW) for _ in range(100)}
    assert len(made) == 100


# What is checked


@given(hosts, paths, st.none() | bodies, types, st.sampled_from(METHODS), st.booleans())
def test_we_accept_mohawks_signature(
    host: str, path: str, body: bytes | None, content_type: str, method: str, extended: bool
) -> None:
    url = f"http://{host}:8080/{path}"
    content = {} if body is None else {"content": body, "content_type": content_type}
    sender = mohawk.Sender(
        credentials(), url, method, ext="e30=" if extended else None, always_hash_content=body is not None, **content
    )
    attributes = hawk.parse_header(sender.request_header)
    now = float(attributes.ts)
    hawk.check_header(attributes, TOKEN, method, Endpoint.from_url(url), now=now)
    assert attributes.id == CLIENT_ID
    assert hawk.parse_extension(attributes.ext) == {}
    if body is not None:
        payload = PayloadHash(content_type)
        payload.update(body)
        assert payload.digest() == attributes.hash


@pytest.mark.parametrize("off", [-901, 901, 86400])
def test_a_stale_signature_is_refused(off: int) -> None:
    endpoint = Endpoint.from_url(URLS[0])
    attributes = hawk.parse_header(hawk.make_header(CLIENT_ID, TOKEN, "GET", endpoint, now=NOW))
    for within in (-899, 0, 899):
        hawk.check_header(attributes, TOKEN, "GET", endpoint, now=NOW + within)
    with pytest.raises(BadSignature):
        hawk.check_header(attributes, TOKEN, "GET", endpoint, now=NOW + off)


def test_a_signed_request_cannot_be_changed() -> None:
    endpoint = Endpoint("127.0.0.1", 8080, "/api/x/v1/y?z=1")
    good = hawk.parse_header(
        hawk.make_header(CLIENT_ID, TOKEN, "GET", endpoint, now=NOW, ext="e30=", payload_hash="abc=")
    )
    hawk.check_header(good, TOKEN, "GET", endpoint, now=NOW)
    hawk.check_header(good, TOKEN, "get", Endpoint("127.0.0.1", 8080, "/api/x/v1/y?z=1"), now=NOW)
    altered = [
        (Attributes(**{**vars(good), name: value}), TOKEN, "GET", endpoint)
        for name, value in {
            "ts": str(int(NOW) + 1),
            "nonce": "other",
            "hash": "",
            "ext": "",
            "mac": good.mac[:-4] + "AAA=",
            "app": "x",
        }.items()
    ]
    altered += [
        (good, TOKEN[:-1], "GET", endpoint),
        (good, TOKEN, "HEAD", endpoint),
        (good, TOKEN, "GET", Endpoint("localhost", 8080, endpoint.resource)),
        (good, TOKEN, "GET", Endpoint("127.0.0.1", 80, endpoint.resource)),
        (good, TOKEN, "GET", Endpoint("127.0.0.1", 8080, "/api/x/v1/y?z=2")),
        (good, TOKEN, "GET", Endpoint("127.0.0.1", 8080, "/api/x/v1/y")),
    ]
    for attributes, token, method, where in altered:
        with pytest.raises(BadSignature):
            hawk.check_header(attributes, token, method, where, now=NOW)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Hawk",
        "Hawk ",
        "Basic eDp5",
        'Hawk id="x"',
        'Hawk id="x", ts="1", nonce="n", mac=""',
        'Hawk id="x", ts="", nonce="n", mac="m"',
        'Hawk id="x", ts="-1", nonce="n", mac="m"',
        'Hawk id="x", ts="1e9", nonce="n", mac="m"',
        'Hawk id="x", ts="١", nonce="n", mac="m"',
        'Hawk id="x", ts="1", nonce="n", mac="m", mac="m"',
        'Hawk id="x", ts="1", nonce="n", mac="m", more="m"',
        'Hawk id="x" ts="1" nonce="n" mac="m"',
        'Hawk id="x", ts="1", nonce="n", mac="m", junk',
        'Hawk id="x\ny", ts="1", nonce="n", mac="m"',
        'Hawk id="é", ts="1", nonce="n", mac="m"',
        'Hawk id="x", ts="1", nonce="n", mac="m' + "m" * 4096 + '"',
    ],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(BadSignature):
        hawk.parse_header(header)
    with pytest.raises((mohawk.exc.HawkFail, KeyError, ValueError)):
        receive(header, URLS[0], "GET")


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    for read in (
        hawk.parse_header,
        hawk.parse_bewit,
        hawk.parse_extension,
        lambda noise: hawk.parse_header(f"Hawk {noise}"),
    ):
        try:
            read(text)
        except BadSignature:
            continue


def sign_url(root_url: str, name: str, **options: object) -> str:
    index = taskcluster.Secrets(
        {"rootUrl": root_url, "credentials": {"clientId": CLIENT_ID, "accessToken": TOKEN}, **options}
    )
    return str(index.buildSignedUrl("get", name))


@pytest.mark.parametrize("root_url", ["https://tc.example.com", "http://127.0.0.1:8080", "http://[::1]:8080"])
@pytest.mark.parametrize("more", [{}, {"authorizedScopes": ["secrets:get:a"]}, {"authorizedScopes": ["x?>~"] * 3}])
def test_we_accept_the_clients_signed_urls(root_url: str, more: dict[str, object]) -> None:
    for number in range(
        24
    ):  # a quarter of all signatures happen to be alike in both alphabets, and a third need no padding
        url = sign_url(root_url, f"project/a b/{'x' * number}", **more)
        whole = Endpoint.from_url(url)
        parts = hawk.split_bewit(whole.resource)
        assert parts is not None
        resource, value = parts
        assert "bewit" not in resource
        signed = hawk.parse_bewit(value)
        endpoint = Endpoint(whole.host, whole.port, resource)
        hawk.check_bewit(signed, TOKEN, endpoint, now=signed.exp - 1)
        assert signed.id == CLIENT_ID
        assert hawk.parse_extension(signed.ext) == more
        for token, where, now in (
            (TOKEN, endpoint, signed.exp),
            (TOKEN[1:], endpoint, signed.exp - 1),
            (TOKEN, Endpoint(whole.host, whole.port, resource + "/"), signed.exp - 1),
        ):
            with pytest.raises(BadSignature):
                hawk.check_bewit(signed, token, where, now=now)


@pytest.mark.parametrize("url", URLS)
def test_mohawk_accepts_our_signed_urls(url: str) -> None:
    value = hawk.make_bewit(
        CLIENT_ID, TOKEN, Endpoint.from_url(url), expires=NOW + 900, ext=hawk.encode_extension({"authorizedScopes": []})
    )
    signed = hawk.add_bewit(url, value)
    # mohawk needs the padding that the service and its clients omit.
    padded = value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4)
    assert mohawk.bewit.check_bewit(hawk.add_bewit(url, padded), credentials, now=NOW)
    parts = hawk.split_bewit(Endpoint.from_url(signed).resource)
    assert parts is not None
    endpoint = Endpoint.from_url(url)
    hawk.check_bewit(hawk.parse_bewit(parts[1]), TOKEN, Endpoint(endpoint.host, endpoint.port, parts[0]), now=NOW)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("/a?bewit=B", ("/a", "B")),
        ("/a?x=1&bewit=B", ("/a?x=1", "B")),
        ("/a?bewit=B&x=%20", ("/a?x=%20", "B")),
        ("/a?x=1&bewit=B&y=2", ("/a?x=1&y=2", "B")),
        ("/a?x=1", None),
        ("/a/bewit=B", None),
        ("/a?xbewit=B", None),
    ],
)
def test_a_bewit_is_split_from_its_resource(resource: str, expected: tuple[str, str] | None) -> None:
    assert hawk.split_bewit(resource) == expected


def test_hawk_imports_the_standard_library_alone() -> None:
    program = "import sys, tcenv.deployment.hawk; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert not {"mohawk", "aiohttp", "requests", "taskcluster", "six"} & set(done.stdout.split())
