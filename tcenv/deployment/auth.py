"""The Taskcluster side: what a deployment says of credentials and clients.

Facts about the API are those of the auth service (version 106) and of the `taskcluster` client 60 to 113; its errors are turned
into tcenv's here. Importing this module is cheap; the client library comes with the first call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tcenv.deployment import answers
from tcenv.deployment.answers import ClientFacts
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.transport import Line, Unreachable, Unusable
from tcenv.errors import CredentialsRejected, DeploymentError, Refused
from tcenv.text import printable
from tcenv.values import dataclass

if TYPE_CHECKING:
    from tcenv.deployment.client import Auth

__all__ = ["ClientFacts", "Deployment", "Vouched"]

_Result = TypeVar("_Result")
# What one method may take altogether (seconds), unless the command's own time is shorter.
_PATIENCE = 30.0


@dataclass(frozen=True)
class Vouched:
    """The deployment has accepted a signature of these credentials. What it would not tell is None: on a private
    deployment a client may look at nothing without the scopes for it.

    `scopes` are the credentials' own. What everybody may do is not among them: no temporary credentials can be given it."""

    scopes: tuple[str, ...] | None
    client: ClientFacts | None


class Deployment:
    """The Auth service at a root URL, over one connection. Every method raises DeploymentError where it cannot be reached
    or gives no usable answer, and CredentialsRejected where it says that the credentials are not good.

    `until` (time.monotonic) is when the command's own time is up; each method takes 30 seconds at most in any case. `argument`
    is what to type behind `tcenv login` to mean this deployment's profile (None: its root URL)."""

    def __init__(self, root_url: str, *, until: float | None = None, argument: str | None = None) -> None:
        self.root_url = root_url
        self._argument = argument or root_url
        self._until = until
        self._line = Line(root_url)

    def vouch(self, credentials: Credentials) -> Vouched:
        """Have the deployment check the signature of a call. 403 is an authenticated answer too."""
        with self._call():
            auth = self._auth(credentials)
            client_id = credentials.client_id
            scopes = client = None
            if credentials.certificate is None:
                client = _unless_forbidden(lambda: answers.client(auth.client(client_id), client_id))
            scopes = client.expanded if client is not None else self._own_scopes(auth)
        return Vouched(scopes, client)

    def _own_scopes(self, auth: Auth) -> tuple[str, ...] | None:
        """What the caller may do, besides what everybody may; None where the deployment does not tell."""
        held = _unless_forbidden(lambda: answers.held_scopes(auth.currentScopes()))
        if held is None:
            return None
        nobody = self._auth(None)
        everybody = _unless_forbidden(lambda: answers.held_scopes(nobody.currentScopes()))
        common = {"assume:anonymous", *(everybody or ())}
        return tuple(scope for scope in held if scope not in common)

    def look(self, client_id: str, credentials: Credentials | None = None) -> ClientFacts | None:
        """What the deployment says of a client, None when there is none. Raises PermissionError where it lets nobody
        (or not these credentials) look."""
        with self._call(), _missing_is_none():
            auth = self._auth(credentials)
            facts = _unless_forbidden(lambda: answers.client(auth.client(client_id), client_id))
            if facts is None:
                raise PermissionError("this deployment does not let these credentials look at clients")
            return facts
        return None

    def reset_token(self, credentials: Credentials, client_id: str) -> str:
        """Give the client a new token: the new accessToken. The old one dies at once.

        Where this raises anything but `Refused`, the old token may be dead all the same."""
        with self._call():
            return answers.new_token(self._auth(credentials).resetAccessToken(client_id), client_id)

    def update_client(
        self, credentials: Credentials, client_id: str, scopes: tuple[str, ...], expires: int, description: str
    ) -> ClientFacts:
        """Change what the client holds and until when (seconds since the epoch): the client as it is then."""
        wanted = {
            "expires": _timestamp(expires),
            "description": description,
            "scopes": list(scopes),
            # Without it the service sets it to false, and the client outlives its end.
            "deleteOnExpiration": True,
        }
        with self._call():
            return answers.client(self._auth(credentials).updateClient(client_id, wanted), client_id)

    def delete_client(self, credentials: Credentials, client_id: str) -> None:
        """Delete a client; there being none is no error."""
        with self._call():
            answers.nothing(self._auth(credentials).deleteClient(client_id))

    def server_time(self) -> float:
        """The deployment's clock, by the Date of an answer (whole seconds since the epoch)."""
        with self._call():
            told = answers.http_date(self._line.exchange("GET", f"{self.root_url}/api/auth/v1/ping", None, {}).date)
            if told is None:
                raise DeploymentError(f"{self.root_url} does not tell its time.")
            return told

    @classmethod
    def glance(cls, root_url: str, *, until: float | None = None) -> float:
        """`server_time` for who asks nothing else, without what all other calls need."""
        there = cls(root_url, until=until)
        there._line = Line(root_url, glance=True)
        return there.server_time()

    def _auth(self, credentials: Credentials | None) -> Auth:
        with _uncollected():
            from tcenv.deployment.client import Auth
        return Auth(self.root_url, credentials, self._line)

    @contextmanager
    def _call(self) -> Iterator[None]:
        """What one method does: its time, and its failures in tcenv's words."""
        end = time.monotonic() + _PATIENCE
        self._line.until = end if self._until is None else min(end, self._until)
        try:
            yield
        except Unreachable as error:
            hint = "Is the network up, and the root URL right?"
            if "CERTIFICATE" in str(error):
                hint = "Where a network has an authority of its own, name its certificate: REQUESTS_CA_BUNDLE=FILE"
            raise DeploymentError(f"{self.root_url} cannot be reached: {error}.", hint) from None
        except Unusable as error:
            raise self._unusable(str(error)) from None
        except (DeploymentError, PermissionError):
            raise
        except Exception as error:
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> Exception:
        from tcenv.deployment.library import taskcluster

        kinds = taskcluster.exceptions
        if isinstance(error, kinds.TaskclusterAuthFailure):
            if answers.code(error.body) == "AuthenticationFailed":
                return self._rejection(_message(error))
            return self._unusable("it is a 401 that is not the service's")
        if isinstance(error, kinds.TaskclusterRestFailure):
            if answers.code(error.body) == "InsufficientScopes":
                return Refused(
                    f"{self.root_url} answered {error.status_code}: {_message(error)}",
                    "The session does not hold the scopes for it.",
                )
            kind = Refused if 400 <= error.status_code < 500 else DeploymentError
            return kind(f"{self.root_url} answered {error.status_code}: {_message(error)}")
        if isinstance(error, kinds.TaskclusterFailure):
            return self._unusable(type(error).__name__)
        return error

    def _unusable(self, why: str) -> DeploymentError:
        return DeploymentError(
            f"{self.root_url} gave an answer that cannot be used: {why}.",
            "Is that a Taskcluster deployment's root URL, and nothing in between (a proxy, a network's sign-in page)?",
        )

    def _rejection(self, message: str) -> CredentialsRejected:
        again = f"Sign in again: tcenv login {self._argument}"
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


@contextmanager
def _uncollected() -> Iterator[None]:
    """Importing the library makes many objects and no garbage: looking for some all the while is an eighth of its time."""
    import gc

    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _timestamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def _unless_forbidden(call: Callable[[], _Result]) -> _Result | None:
    """What `call` returns; None where the deployment knows the caller and says that the scopes do not suffice."""
    from tcenv.deployment.library import taskcluster

    try:
        return call()
    except taskcluster.exceptions.TaskclusterRestFailure as error:
        if error.status_code == 403 and answers.code(error.body) == "InsufficientScopes":
            return None
        raise


@contextmanager
def _missing_is_none() -> Iterator[None]:
    from tcenv.deployment.library import taskcluster

    try:
        yield
    except taskcluster.exceptions.TaskclusterRestFailure as error:
        if error.status_code != 404 or answers.code(error.body) != "ResourceNotFound":
            raise


def _message(error: Any) -> str:
    """The service's own first sentence, made fit for a terminal."""
    return printable(str(error).split("\n")[0])[:300]
