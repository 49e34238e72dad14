"""Provide the sandbox to Python programs: a look-alike deployment that runs during a `with` block."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from tcenv.sandbox.deployment import Deployment, parse_client
from tcenv.sandbox.faults import Faults, Options
from tcenv.sandbox.http_server import Server
from tcenv.sandbox.records import Client, format_timestamp, make_token
from tcenv.sandbox.site import Site

USER = "mozilla-auth0/ad|Mozilla-LDAP|sandbox"
VARIANTS = ("create", "new")
# One hook of the group `sandbox` may create its task, no other hook there.
DEFAULT_ROLES = {
    "hook-id:sandbox/allowed": [
        "queue:create-task:highest:proj-sandbox/*",
        "queue:create-task:project:none",
        "queue:scheduler-id:*",
    ]
}


def default_scopes(user: str, *, public: bool = True) -> list[str]:
    """Return the scopes of an ordinary developer: all of their own clients, and a part of everything else.

    On a private deployment they include the right to read one's own scopes, because nobody can sign in on the page
    without it."""
    own = [f"auth:{verb}-client:{user}/*" for verb in ("create", "delete", "disable", "enable", "update")]
    return [
        *own,
        *(
            []
            if public
            else ["auth:current-scopes", "queue:get-artifact:public/*", "queue:list-artifacts:*", "queue:status:*"]
        ),
        f"auth:reset-access-token:{user}/*",
        "hooks:trigger-hook:sandbox/*",
        "index:insert-task:sandbox.*",
        "queue:create-task:highest:proj-sandbox/*",
        "queue:create-task:project:none",
        "queue:get-artifact:private/sandbox/*",
        "queue:get-task:*",
        "queue:route:index.sandbox.*",
        "queue:scheduler-id:*",
        "secrets:get:project/sandbox/*",
        "secrets:set:project/sandbox/*",
    ]


class Sandbox:
    """A running look-alike, as a context manager. `root_url` is `http://localhost:PORT`.

    `public` lets everybody look at clients, as public deployments do. `user` is the clientId of the person who is
    signed in on the pages, `user_scopes` are that person's scopes. A page knows the user `signed_in_after` seconds
    after it was loaded, and shows a sign-in dialog first if `signed_in` is false. `roles` maps a roleId to scopes, in
    addition to the roles of a hook and of everybody (`anonymous`). `clock` returns the deployment's time (seconds since
    the epoch), to which `clock_offset` is added. `any_time` accepts signatures of any age, for tests that simulate days
    and sign with real clocks. `token_factory` makes access tokens. `variant` chooses the sign-in page: create, new or
    both.

    For tests: `clients`, `requests` and `approvals` tell what happened. `create_client`, `disable`, `delete` and
    `purge` change clients. Any thread may use it."""

    def __init__(
        self,
        *,
        port: int = 0,
        public: bool = True,
        user: str = USER,
        user_scopes: Sequence[str] | None = None,
        roles: Mapping[str, Sequence[str]] | None = None,
        signed_in: bool = True,
        signed_in_after: float = 0.0,
        clock: Callable[[], float] = time.time,
        any_time: bool = False,
        token_factory: Callable[[], str] = make_token,
        variant: str = "both",
    ) -> None:
        self._deployment = Deployment(
            user=user,
            user_scopes=default_scopes(user, public=public) if user_scopes is None else user_scopes,
            roles={**DEFAULT_ROLES, **(roles or {})},
            public=public,
            clock=clock,
            token_factory=token_factory,
            any_time=any_time,
            signed_in=signed_in,
            signed_in_after=signed_in_after,
        )
        self.user = user
        # You may change these.
        self.roles = self._deployment.roles
        self.clients = self._deployment.clients
        self.tasks = self._deployment.tasks
        self.secrets = self._deployment.secrets
        self.requests = self._deployment.requests
        self._faults = Faults()
        self._site = Site(self._deployment, self._faults, VARIANTS if variant == "both" else (variant,))
        self._port = port
        self._server: Server | None = None

    def __enter__(self) -> Sandbox:
        self._server = Server(self._site, self._port, self.now)
        self._site.port = self._server.port
        self._deployment.root_url = self.root_url
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.stop()

    @property
    def port(self) -> int:
        """Return the port, the same on both loopback families."""
        return self._site.port

    @property
    def root_url(self) -> str:
        """Return the root URL, for TASKCLUSTER_ROOT_URL."""
        return f"http://localhost:{self.port}"

    @property
    def user_scopes(self) -> Sequence[str]:
        """Return the user's scopes, without those that roles and everybody's scopes add. You may set them."""
        return self._deployment.user_scopes

    @user_scopes.setter
    def user_scopes(self, scopes: Sequence[str]) -> None:
        self._deployment.user_scopes = tuple(scopes)

    @property
    def approvals(self) -> int:
        """Return how often somebody has saved on a page."""
        return self._deployment.approvals

    @property
    def signed_in(self) -> bool:
        """Return whether somebody has signed in to the deployment in the browser. You may set it."""
        return self._deployment.signed_in

    @signed_in.setter
    def signed_in(self, signed_in: bool) -> None:
        self._deployment.signed_in = signed_in

    @property
    def signed_in_after(self) -> float:
        """Return how many seconds a page needs until it knows the user. You may set them."""
        return self._deployment.signed_in_after

    @signed_in_after.setter
    def signed_in_after(self, seconds: float) -> None:
        self._deployment.signed_in_after = seconds

    @property
    def clock_offset(self) -> float:
        """Return by how many seconds the deployment's clock is ahead of `clock`. You may set it."""
        return self._deployment.clock_offset

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._deployment.clock_offset = seconds

    def now(self) -> float:
        """Return the deployment's time, in seconds since the epoch."""
        return self._deployment.now()

    def create_client(
        self,
        client_id: str,
        scopes: Sequence[str] = (),
        *,
        lifetime: float = 86400,
        description: str = "",
        delete_on_expiration: bool = True,
    ) -> Client:
        """Create a client that lasts `lifetime` seconds. Raises ApiError if it exists."""
        fields = parse_client(
            {
                "description": description,
                "expires": format_timestamp(self.now() + lifetime),
                "scopes": list(scopes),
                "deleteOnExpiration": delete_on_expiration,
            }
        )
        return self._deployment.create(client_id, fields)

    def disable(self, client_id: str) -> None:
        """Disable a client, as the deployment does when its owner loses scopes."""
        self.clients[client_id].disabled = True

    def delete(self, client_id: str) -> None:
        """Delete a client."""
        with self._deployment.lock:
            del self.clients[client_id]

    def purge(self) -> None:
        """Delete expired clients now, as the deployment does at midnight (UTC)."""
        self._deployment.purge()

    def fail(
        self,
        fault: str,
        *,
        path: str = "/api/",
        method: str | None = None,
        times: int | None = None,
        seconds: float | None = None,
        **options: Any,
    ) -> None:
        """Make requests fail with `fault` (a name in `FAULTS`) until `heal`.

        It affects requests whose path begins with `path` and whose HTTP method is `method`, the next `times` of them,
        or for `seconds`. If several faults apply, the first added one happens. `options` are the fields of
        `tcenv.sandbox.faults.Options`. `requests` notes an affected request without a clientId, with status 0 if no
        valid answer was sent. Raises KeyError, TypeError."""
        self._faults.add(fault, path, method, times, seconds, Options(**options))

    def heal(self) -> None:
        """Switch all faults off."""
        self._faults.clear()

    def credentials(self, client_id: str) -> dict[str, str]:
        """Return a client's credentials in the form that Taskcluster's clients take."""
        return {"clientId": client_id, "accessToken": self.clients[client_id].access_token}

    def environ(self, client_id: str) -> dict[str, str]:
        """Return the variables that give programs the deployment and a client's credentials."""
        return {
            "TASKCLUSTER_ROOT_URL": self.root_url,
            "TASKCLUSTER_CLIENT_ID": client_id,
            "TASKCLUSTER_ACCESS_TOKEN": self.clients[client_id].access_token,
        }
