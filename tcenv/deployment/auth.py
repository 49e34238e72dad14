"""The Taskcluster side: what a deployment says of credentials and clients, and temporary credentials.

Facts about the API are those of the auth service (version 106) and of the `taskcluster` client 113; its errors are turned
into tcenv's here. Importing this module is cheap; the client library comes with the first call."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tcenv.deployment.credentials import Credentials
from tcenv.deployment.scopes import covers
from tcenv.errors import CredentialsRejected, DeploymentError, UsageError
from tcenv.text import printable

LONGEST_TEMPORARY = 31 * 86400
# Besides the waits between them, each try may take this long: connecting, then each read (seconds).
_TIMEOUT = (10, 30)
_RETRIES = 2


@dataclass(frozen=True)
class ClientFacts:
    """What a deployment says of a client. `expires` is seconds since the epoch; `scopes` are its own, `expanded` those and
    what its roles add."""

    client_id: str
    expires: int
    disabled: bool
    scopes: tuple[str, ...]
    expanded: tuple[str, ...]


@dataclass(frozen=True)
class Vouched:
    """The deployment has accepted a signature of these credentials. What it would not tell is None: on a private
    deployment a client may look at nothing without the scopes for it.

    `scopes` are the credentials' own. What everybody may do is not among them: no temporary credentials can be given it."""

    scopes: tuple[str, ...] | None
    client: ClientFacts | None


class Deployment:
    """The Auth service at a root URL. Every method raises DeploymentError where it cannot be reached, and
    CredentialsRejected on HTTP 401."""

    def __init__(self, root_url: str) -> None:
        self.root_url = root_url

    def vouch(self, credentials: Credentials) -> Vouched:
        """Have the deployment check the signature of a call. 403 is an authenticated answer too."""
        auth = self._auth(credentials)
        scopes = client = None
        with self._errors():
            answer = _unless_forbidden(auth.currentScopes)
            if credentials.certificate is None:
                client = _facts(_unless_forbidden(auth.client, credentials.client_id))
            if client is not None:
                scopes = client.expanded
            elif answer is not None:
                everybody = _unless_forbidden(self._auth(None).currentScopes) or {"scopes": ()}
                common = {"assume:anonymous", *everybody["scopes"]}
                scopes = tuple(str(scope) for scope in answer["scopes"] if scope not in common)
        return Vouched(scopes, client)

    def look(self, client_id: str, credentials: Credentials | None = None) -> ClientFacts | None:
        """What the deployment says of a client, None when there is none. Raises PermissionError where it lets nobody
        (or not these credentials) look."""
        auth = self._auth(credentials)
        with self._errors(), _missing_is_none():
            answer = _unless_forbidden(auth.client, client_id)
            if answer is None:
                raise PermissionError("this deployment does not let these credentials look at clients")
            return _facts(answer)
        return None

    def renew(
        self,
        credentials: Credentials,
        client_id: str,
        scopes: tuple[str, ...],
        expires: int,
        description: str,
    ) -> tuple[str, ClientFacts]:
        """Update the client and reset its token: the new accessToken, and the client. The old token dies at once."""
        auth = self._auth(credentials)
        with self._errors():
            answer = auth.updateClient(
                client_id,
                {
                    "expires": _timestamp(expires),
                    "description": description,
                    "scopes": list(scopes),
                    # Without it the service sets it to false, and the client outlives its end.
                    "deleteOnExpiration": True,
                },
            )
            facts = _facts(answer)
            token = auth.resetAccessToken(client_id)["accessToken"]
        if facts is None:
            raise DeploymentError(f"{self.root_url} answered the update of a client without saying what it is now.")
        return str(token), facts

    def delete_client(self, credentials: Credentials, client_id: str) -> None:
        """Delete a client; there being none is no error."""
        with self._errors():
            self._auth(credentials).deleteClient(client_id)

    def server_time(self) -> float:
        """The deployment's clock, by the Date of an answer (whole seconds)."""
        import email.utils
        import urllib.error
        import urllib.request

        request = urllib.request.Request(f"{self.root_url}/api/auth/v1/ping")  # noqa: S310 - root URLs are checked
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                date = answer.headers.get("Date")
        except urllib.error.HTTPError as error:
            date = error.headers.get("Date")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise self._unreachable(printable(str(reason))) from None
        if not date:
            raise DeploymentError(f"{self.root_url} does not tell its time.")
        return email.utils.parsedate_to_datetime(date).timestamp()

    def _auth(self, credentials: Credentials | None) -> Any:
        import requests
        import taskcluster

        class Bounded(requests.Session):
            def request(self, *args: Any, **kwargs: Any) -> Any:
                kwargs["timeout"] = _TIMEOUT
                kwargs["allow_redirects"] = False  # a signed call goes to the deployment and nowhere else
                return super().request(*args, **kwargs)

        session = Bounded()
        # ~/.netrc would put its own Authorization in place of the signature; proxies are still taken from the environment.
        session.auth = _keep_authorization
        options: dict[str, Any] = {"rootUrl": self.root_url, "maxRetries": _RETRIES}
        if credentials is not None:
            options["credentials"] = credentials.for_taskcluster()
        return taskcluster.Auth(options, session=session)

    def _unreachable(self, why: str) -> DeploymentError:
        return DeploymentError(
            f"{self.root_url} cannot be reached: {why}.", "Is the network up, and the root URL right?"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from requests.exceptions import RequestException
        from taskcluster.exceptions import (
            TaskclusterAuthFailure,
            TaskclusterConnectionError,
            TaskclusterFailure,
            TaskclusterRestFailure,
        )

        try:
            yield
        except TaskclusterAuthFailure as error:
            raise self._rejection(_message(error)) from None
        except TaskclusterConnectionError as error:
            raise self._unreachable(_reason(error.superExc)) from None
        except TaskclusterRestFailure as error:
            hint = None
            if error.status_code == 403:
                hint = "The session does not hold the scopes for it."
            raise DeploymentError(f"{self.root_url} answered {error.status_code}: {_message(error)}", hint) from None
        except (TaskclusterFailure, RequestException) as error:
            raise DeploymentError(f"{self.root_url} gave no usable answer ({type(error).__name__}).") from None

    def _rejection(self, message: str) -> CredentialsRejected:
        again = "Sign in again: tcenv login"
        for phrase, reason, sentence, hint in (
            ("has expired", "expired", "The client has expired", again),
            ("is disabled", "disabled", "The client is disabled: its owner may have lost scopes", again),
            ("not found", "deleted", "The client no longer exists", again),
            (
                "Bad mac",
                "bad-token",
                "The token is not (or no longer) the client's: it was reset elsewhere",
                again,
            ),
            (
                "Stale timestamp",
                "clock",
                "This machine's clock is off, so the deployment refuses its signatures",
                "Set the clock (timedatectl set-ntp true), and try again.",
            ),
        ):
            if phrase in message:
                return CredentialsRejected(f"{sentence}. ({self.root_url})", hint, reason=reason)
        return CredentialsRejected(f"{self.root_url} rejects the credentials: {message}", again)


def temporary(
    credentials: Credentials, held: tuple[str, ...] | None, scopes: tuple[str, ...], expires: int
) -> Credentials:
    """Temporary credentials with `scopes`, good until `expires` (seconds since the epoch), signed by `credentials` without
    a call. Raises UsageError for scopes outside of `held` (None: unknown, so the deployment will judge), or for more than
    31 days."""
    from taskcluster import createTemporaryCredentials

    missing = [scope for scope in scopes if held is not None and not covers(held, scope)]
    if missing:
        raise UsageError(
            f"The session does not hold {', '.join(missing)}.",
            "See what it holds: tcenv status. To ask for more: tcenv login --reset --scope …",
        )
    now = int(time.time())
    if expires - now > LONGEST_TEMPORARY:
        raise UsageError("Temporary credentials last 31 days at most.")
    made = createTemporaryCredentials(
        credentials.client_id,
        credentials.access_token,
        datetime.datetime.fromtimestamp(now, datetime.UTC),
        datetime.datetime.fromtimestamp(expires, datetime.UTC),
        list(scopes),
    )
    return Credentials(credentials.client_id, made["accessToken"].decode("ascii"), made["certificate"])


def _keep_authorization(request: Any) -> Any:
    return request


def _timestamp(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _facts(answer: Any) -> ClientFacts | None:
    if answer is None:
        return None
    expires = datetime.datetime.fromisoformat(answer["expires"])
    return ClientFacts(
        client_id=str(answer["clientId"]),
        expires=int(expires.timestamp()),
        disabled=bool(answer.get("disabled")),
        scopes=tuple(str(scope) for scope in answer.get("scopes", ())),
        expanded=tuple(str(scope) for scope in answer.get("expandedScopes") or answer.get("scopes", ())),
    )


def _unless_forbidden(call: Callable[..., Any], *arguments: str) -> Any:
    from taskcluster.exceptions import TaskclusterRestFailure

    try:
        return call(*arguments)
    except TaskclusterRestFailure as error:
        if error.status_code == 403:
            return None
        raise


@contextmanager
def _missing_is_none() -> Iterator[None]:
    from taskcluster.exceptions import TaskclusterRestFailure

    try:
        yield
    except TaskclusterRestFailure as error:
        if error.status_code != 404:
            raise


def _message(error: Any) -> str:
    """The service's own first sentence, made fit for a terminal."""
    body = error.body if isinstance(error.body, dict) else {}
    text = str(body.get("message") or error)
    return printable(text.split("\n")[0])[:300]


def _reason(error: BaseException | None) -> str:
    """The innermost cause in words, without the address noise of the HTTP library."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return printable(error.strerror)
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if inner is None and error.args and isinstance(error.args[0], BaseException):
            inner = error.args[0]
        if not isinstance(inner, BaseException) or inner is error:
            return printable(str(error))[:200]
        error = inner
    return "no answer"
