"""Call a deployment's Auth service, and read its answers about credentials and clients.

The routes, the signatures and the errors are those of the service (version 106) and of the `taskcluster` client 60 to 113.
A sign-in calls through that client. Its import takes as long as the start of eleven interpreters, so all other commands use the
routes below; a test compares them with the client. If a field of an answer has the wrong type, or is about another client, the
whole answer is invalid."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from tcenv.deployment import hawk, http
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.http import Unreachable, Unusable
from tcenv.deployment.patterns import ACCESS_TOKEN, SCOPE
from tcenv.deployment.rejections import find_rejection
from tcenv.errors import CredentialsRejected, DeploymentError, Hint, Refused, UnknownAuthority, make_login_command
from tcenv.text import end_sentence, replace_unprintable

# The methods that tcenv calls: the HTTP method and the route, with the clientId in the place of {}.
ROUTES = {
    "client": ("GET", "clients/{}"),
    "currentScopes": ("GET", "scopes/current"),
    "resetAccessToken": ("POST", "clients/{}/reset"),
    "updateClient": ("POST", "clients/{}"),
    "deleteClient": ("DELETE", "clients/{}"),
}
_TRIES = 3
# OpenSSL's messages about an unknown certificate authority.
_UNKNOWN_AUTHORITY = (
    "issuer certificate",
    "self-signed certificate",
    "self signed certificate",
    "verify the first certificate",
)
# Seconds for the tries of one method, unless the command has less.
_TIMEOUT = 30.0
# The service writes milliseconds and Z. Other fractions and zones are valid too.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class ClientFacts:
    """A client as the deployment describes it. `expires` is in seconds since the epoch. `scopes` are the client's own, and
    `expanded` includes what its roles add."""

    client_id: str
    expires: int
    disabled: bool
    scopes: tuple[str, ...]
    expanded: tuple[str, ...]


@dataclass(frozen=True)
class Confirmation:
    """The facts that the deployment shows about credentials whose signature it accepts. A fact is None if the deployment
    does not show it: a private deployment shows nothing without the scopes for it.

    `scopes` leaves out the scopes that everybody has, since temporary credentials cannot get those."""

    scopes: tuple[str, ...] | None
    client: ClientFacts | None


class _ErrorAnswer(Exception):
    """The service answered with the status of an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Deployment:
    """The Auth service at a root URL, over one connection. Every method raises DeploymentError if it cannot be reached or
    gives no usable answer, and CredentialsRejected if it does not accept the credentials.

    `deadline` (time.monotonic) is that of the command; each method takes 30 seconds at most. Messages tell the user to type
    `tcenv login` and `argument` (None: the root URL). `library` calls through the `taskcluster` client, if there is time to
    import it."""

    def __init__(
        self, root_url: str, *, deadline: float | None = None, argument: str | None = None, library: bool = False
    ) -> None:
        self.root_url = root_url
        self._argument = argument or root_url
        self._deadline = deadline
        self._library = library
        self._http = http.Client()

    def confirm(self, credentials: Credentials) -> Confirmation:
        """Have the deployment check the signature of a call, and return the facts that it shows. A 403 proves a good
        signature too."""
        with self._translate_errors():
            client = None
            if credentials.certificate is None:
                client = self._read_client(credentials.client_id, credentials)
            scopes = client.expanded if client is not None else self._read_own_scopes(credentials)
        return Confirmation(scopes, client)

    def find_client(self, client_id: str, credentials: Credentials | None = None) -> ClientFacts | None:
        """Return the facts about a client, or None if there is no such client. Raises PermissionError if the deployment
        does not show it to these credentials (None: to everybody)."""
        with self._translate_errors():
            try:
                client = self._read_client(client_id, credentials)
            except _ErrorAnswer as failure:
                if failure.status == 404 and failure.code == "ResourceNotFound":
                    return None
                raise
        if client is None:
            raise PermissionError("this deployment does not let these credentials read clients")
        return client

    def read_scopes(self, credentials: Credentials) -> tuple[str, ...] | None:
        """Return all scopes of these credentials, with those that everybody has, or None if the deployment does not
        tell."""
        with self._translate_errors():
            return self._read_scopes(credentials)

    def reset_token(self, credentials: Credentials, client_id: str) -> str:
        """Give the client a new token and return it. The old one dies at once.

        The old token may be dead too if this raises anything but `Refused`."""
        with self._translate_errors():
            return _parse_token(self._call(credentials, "resetAccessToken", client_id), client_id)

    def update_client(
        self, credentials: Credentials, client_id: str, scopes: tuple[str, ...], expires: int, description: str
    ) -> ClientFacts:
        """Change the scopes and the end (seconds since the epoch) of a client, and return the client as it is then."""
        content = {
            "expires": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(expires)),
            "description": description,
            "scopes": list(scopes),
            # The default is false, and then the service does not delete the expired client.
            "deleteOnExpiration": True,
        }
        with self._translate_errors():
            return _parse_client(self._call(credentials, "updateClient", client_id, content), client_id)

    def delete_client(self, credentials: Credentials, client_id: str) -> None:
        """Delete a client. Does nothing if there is no such client."""
        with self._translate_errors():
            answer = self._call(credentials, "deleteClient", client_id)
            if answer is not None:
                _check_object(answer)

    def ping(self) -> float:
        """Check that the service answers to its `ping`, which no other web server does. Returns the deployment's time from
        the answer's Date (whole seconds since the epoch)."""
        with self._translate_errors():
            answer = self._send(None, "GET", f"{self.root_url}/api/auth/v1/ping", None)
            if _check_object(_parse_answer(answer)).get("alive") is not True:
                raise Unusable("it is not what the Auth service answers to ping")
            seconds = http.parse_date(answer.date)
            if seconds is None:
                raise DeploymentError(f"{self.root_url} does not say its time.")
            return seconds

    def can_everybody_see_scopes(self) -> bool:
        """Return whether everybody may see their own scopes. On a private deployment the page may not know its user."""
        with self._translate_errors():
            return self._call_if_allowed(None, "currentScopes") is not None

    def _read_client(self, client_id: str, credentials: Credentials | None) -> ClientFacts | None:
        """Return the client, or None if the scopes do not suffice to read it."""
        answer = self._call_if_allowed(credentials, "client", client_id)
        return None if answer is None else _parse_client(answer, client_id)

    def _read_scopes(self, credentials: Credentials | None) -> tuple[str, ...] | None:
        """Return the caller's scopes, or None if the deployment does not tell."""
        answer = self._call_if_allowed(credentials, "currentScopes")
        return None if answer is None else _parse_scopes(_check_object(answer), "scopes")

    def _read_own_scopes(self, credentials: Credentials) -> tuple[str, ...] | None:
        """Return the caller's scopes without those that everybody has, or None if the deployment does not tell."""
        held = self._read_scopes(credentials)
        if held is None:
            return None
        public = {"assume:anonymous", *(self._read_scopes(None) or ())}
        return tuple(scope for scope in held if scope not in public)

    def _call_if_allowed(self, credentials: Credentials | None, name: str, *arguments: Any) -> Any:
        """Call a method. Returns None if the deployment accepts the caller but the scopes do not suffice."""
        try:
            answer = self._call(credentials, name, *arguments)
        except _ErrorAnswer as failure:
            if failure.status == 403 and failure.code == "InsufficientScopes":
                return None
            raise
        if answer is None:
            raise Unusable("it is not an object")
        return answer

    def _call(self, credentials: Credentials | None, name: str, *arguments: Any) -> Any:
        """Call a method of the service with its arguments: a clientId, and the content of the body. Returns the JSON of the
        answer (None: it has no result)."""
        exchange = partial(self._exchange, credentials)
        if self._library:
            from tcenv.deployment.client import Auth

            return getattr(Auth(self.root_url, exchange), name)(*arguments)
        method, route = ROUTES[name]
        route = route.format(*(quote(argument, safe="") for argument in arguments[:1]))
        return exchange(method, f"{self.root_url}/api/auth/v1/{route}", arguments[1] if len(arguments) > 1 else None)

    def _exchange(self, credentials: Credentials | None, method: str, url: str, content: Any) -> Any:
        """Send a call and return the JSON of the answer."""
        return _parse_answer(self._send(credentials, method, url, content))

    def _send(self, credentials: Credentials | None, method: str, url: str, content: Any) -> http.Answer:
        """Send a call and return the answer. Repeats a call that cannot be sent, or that gets a 5xx, twice, after the pauses of
        the `taskcluster` client."""
        body = None if content is None else json.dumps(content).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        for tried in range(1, _TRIES + 1):
            if credentials is not None:
                headers["Authorization"] = _sign(credentials, method, url, body)
            try:
                answer = self._http.send(method, url, body, headers)
            except Unreachable as failure:
                if tried == _TRIES or failure.late:
                    raise
            else:
                if answer.status < 500 or tried == _TRIES:
                    return answer
            pause = 0.1 * 2**tried * random.uniform(0.75, 1.25)
            time.sleep(max(0.0, min(pause, self._http.deadline - time.monotonic())))
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Limit the time of one method, and raise its failures as errors for the user."""
        end = time.monotonic() + _TIMEOUT
        self._http.deadline = end if self._deadline is None else min(end, self._deadline)
        try:
            yield
        except Unreachable as error:
            sentence = f"{self.root_url} cannot be reached: {error}."
            if any(words in str(error) for words in _UNKNOWN_AUTHORITY):
                raise UnknownAuthority(
                    sentence, "If your network has its own certificate authority, set REQUESTS_CA_BUNDLE=FILE."
                ) from None
            raise DeploymentError(sentence, "Is the network up, and the root URL right?") from None
        except Unusable as error:
            raise self._make_unusable_error(str(error)) from None
        except _ErrorAnswer as failure:
            raise self._describe_error(failure) from None

    def _describe_error(self, failure: _ErrorAnswer) -> DeploymentError:
        message = replace_unprintable(str(failure).split("\n")[0])[:300]
        if failure.status == 401:
            if failure.code == "AuthenticationFailed":
                return self._make_rejection(message)
            return self._make_unusable_error("it is a 401, but not from the service")
        if failure.status >= 500:
            return DeploymentError(
                f"{self.root_url} is out: it answered {failure.status} to {_TRIES} tries ({message}).",
                "Try again later.",
            )
        sentence = end_sentence(f"{self.root_url} answered {failure.status}: {message}")
        if failure.code == "InsufficientScopes":
            return Refused(sentence, "The session does not hold the scopes for it.")
        return Refused(sentence) if 400 <= failure.status < 500 else DeploymentError(sentence)

    def _make_unusable_error(self, reason: str) -> DeploymentError:
        return DeploymentError(
            f"{self.root_url} sent an invalid answer: {reason}.",
            "Is that a Taskcluster deployment's root URL, and nothing in between (a proxy, a network's sign-in page)?",
        )

    def _make_rejection(self, message: str) -> CredentialsRejected:
        again = Hint("Sign in again:", make_login_command(self._argument))
        found = find_rejection(message)
        if found is not None:
            return CredentialsRejected(f"{found.sentence} ({self.root_url}).", found.hint or again, reason=found.reason)
        return CredentialsRejected(end_sentence(f"{self.root_url} rejects the credentials: {message}"), again)


def _sign(credentials: Credentials, method: str, url: str, body: bytes | None) -> str:
    payload = hawk.PayloadHash("" if body is None else "application/json")
    payload.update(body or b"")
    return hawk.make_header(
        credentials.client_id,
        credentials.access_token,
        method,
        hawk.Endpoint.from_url(url),
        now=time.time(),
        ext=hawk.make_extension(credentials.certificate),
        payload_hash=payload.digest(),
    )


def _parse_answer(answer: http.Answer) -> Any:
    """Return the JSON of a good answer, or None for 204. Raises _ErrorAnswer for an error, Unusable."""
    if answer.status == 204:
        return None
    if 200 <= answer.status < 300:
        content = answer.json()
        if content is None:
            raise Unusable("it is not an object")
        return content
    if 300 <= answer.status < 400:
        raise Unusable("it is a redirect")
    try:
        content = answer.json()
    except Unusable:
        content = None
    fields = content if isinstance(content, dict) else {}
    code, message = fields.get("code"), fields.get("message")
    raise _ErrorAnswer(
        answer.status,
        code if isinstance(code, str) else "",
        message if isinstance(message, str) else f"HTTP {answer.status}",
    )


def _parse_client(answer: Any, client_id: str) -> ClientFacts:
    fields = _check_client(answer, client_id)
    scopes = _parse_scopes(fields, "scopes")
    disabled = fields.get("disabled", False)
    if not isinstance(disabled, bool):
        raise Unusable("its field disabled has the wrong type")
    return ClientFacts(
        client_id=client_id,
        expires=_parse_time(fields, "expires"),
        disabled=disabled,
        scopes=scopes,
        # Services without roles do not send it.
        expanded=_parse_scopes(fields, "expandedScopes") if "expandedScopes" in fields else scopes,
    )


def _parse_token(answer: Any, client_id: str) -> str:
    token = _check_client(answer, client_id).get("accessToken")
    if not isinstance(token, str) or not ACCESS_TOKEN.fullmatch(token):
        raise Unusable("its accessToken is invalid")
    return token


def _check_object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise Unusable("it is not an object")
    return answer


def _check_client(answer: Any, client_id: str) -> dict[str, Any]:
    fields = _check_object(answer)
    if fields.get("clientId") != client_id:
        raise Unusable("it is about another client")
    return fields


def _parse_scopes(fields: dict[str, Any], name: str) -> tuple[str, ...]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise Unusable(f"its field {name} is " + ("missing" if name not in fields else "of the wrong type"))
    for scope in value:
        if not isinstance(scope, str) or not SCOPE.fullmatch(scope):
            raise Unusable(f"its field {name} contains an invalid scope")
    return tuple(dict.fromkeys(value))


def _parse_time(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            seconds = datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            seconds = -1.0
        if seconds >= 0:
            return int(seconds)
    raise Unusable(f"its field {name} is not a time")
