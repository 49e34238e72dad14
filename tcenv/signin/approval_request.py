"""Ask a person for an approval, and wait: open the page, say what is found out meanwhile, and ask for the next name where the
first one is taken. The first answer counts, whichever name it is for."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tcenv.config.profile import Profile
from tcenv.deployment.credentials import Credentials
from tcenv.errors import DeploymentError
from tcenv.sessions import known_clients
from tcenv.sessions.known_clients import KnownClient
from tcenv.signin import browser
from tcenv.signin.client_names import Names
from tcenv.signin.listener import Listener
from tcenv.signin.progress import Display
from tcenv.signin.request import SigninRequest

if TYPE_CHECKING:
    from tcenv.signin.preflight import Preflight


class ApprovalRequest:
    """A sign-in that waits for its approval. `name` and `scopes` are those that were asked for last.

    `names` is None on the older page, which resets an existing client of that name."""

    def __init__(self, profile: Profile, flow: str, names: Names | None, listener: Listener, display: Display) -> None:
        self._profile = profile
        self._flow = flow
        self.names = names
        self._listener = listener
        self._display = display
        self._left = list(names.free) if names is not None else [profile.client_name]
        self._said_taken: set[str] = set()
        self._strangers = 0
        self._preflight: Preflight | None = None
        self.opened = False
        self.name = self._left.pop(0)
        self._asked = [self.name]
        self._request = self._make_request(self.name)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that are asked for, with the right to delete the client."""
        return self._request.scopes

    @property
    def deletion_scopes(self) -> tuple[str, ...]:
        """The scopes among them with which the client may delete itself."""
        wanted = not self._profile.no_self_delete
        return (
            self.names.deletion_scopes(self.name, self._profile.scopes, wanted=wanted) if self.names is not None else ()
        )

    @property
    def next_name(self) -> str | None:
        """The name that Enter asks for, None if there is no other."""
        return self._left[0] if self._left else None

    def _make_request(self, name: str) -> SigninRequest:
        return SigninRequest(
            root_url=self._profile.root_url,
            flow=self._flow,
            name=name,
            description=self._profile.description,
            scopes=(*self._profile.scopes, *self.deletion_scopes),
            expires=self._profile.expires,
            callback_url=self._listener.callback_url,
        )

    def open(self, launch: browser.Launch | None = None) -> bool:
        """Start the browser at the page. Return False if one is wanted and none starts.

        Has the port held first, so that no other user gets it while the page can answer, whatever ends this process."""
        self._listener.hold(**self._describe())
        if self._profile.no_browser:
            return True
        self.opened = browser.open_browser(self._request.url, self._profile.browser, launch)
        return self.opened

    def _describe(self) -> dict[str, str]:
        """Return what `late_approval` has to know."""
        profile = self._profile
        return {
            "profile": profile.name,
            "root_url": profile.root_url,
            "argument": profile.argument,
            "flow": self._flow,
            "series": profile.client_name,
            "names": "\n".join(self._asked),
            "prefix": (self.names.prefix if self.names is not None else None) or "",
            "lifetime": str(profile.lifetime),
        }

    def show(self, pasting: bool) -> None:
        """Tell the person what to do, and ask the deployment what the page does not say."""
        self._display.ask(self._request.url, self.opened, pasting, self.name)
        if self._flow == "new" and self._profile.flow == "new":
            self._display.note(
                "Today's deployments have no such page: if it says “Client not found”, leave out --flow new."
            )
        from tcenv.signin.preflight import Preflight

        self._preflight = self._preflight or Preflight(self._profile)
        known = self.names is not None and self.name not in self._said_taken
        self._preflight.start(self.name, self.names.client_id(self.name) if known and self.names is not None else None)

    def next(self) -> None:
        """Ask for the next name (Enter, while waiting)."""
        if not self._left:
            if self.names is not None and not self.names.insisted:
                self._display.warn(
                    "There is no other name in this series. Change the Client ID on the page: any will do."
                )
            return
        self.name = self._left.pop(0)
        self._asked.append(self.name)
        self._request = self._make_request(self.name)
        self.open()
        self.show(pasting=False)

    def tick(self, left: float) -> None:
        """Say what has been found out. Called about once a second."""
        assert self._preflight is not None, "shown first"
        for text in self._preflight.news():
            self._display.warn(text)
        if self.name in self._preflight.taken and self.name not in self._said_taken:
            self._said_taken.add(self.name)
            self._display.warn(
                f"The name {self.name} is taken on this deployment, so the page will say “Client already exists”."
            )
        if self._listener.strangers > self._strangers:
            self._strangers = self._listener.strangers
            self._display.warn(
                "Somebody else's process on this machine answered in place of your browser, and was refused. If your page has "
                "ended on an address of localhost, paste that address here."
            )
        self._display.tick(left, self.next_name)

    def wait(self, end: float, source: object) -> Credentials | None:
        """Return the first right answer, None at `end` (time.monotonic)."""
        return self._listener.wait(end, lambda: self.tick(end - time.monotonic()), source)  # type: ignore[arg-type]

    def note_unconfirmed(self, credentials: Credentials) -> None:
        """Note that this client exists, because its name is taken even if this process is killed."""
        given = known_clients.name_of(credentials.client_id, self.name)
        expires = int(time.time()) + self._profile.lifetime
        known_clients.remember(
            self._profile.root_url,
            KnownClient(
                given, credentials.client_id, expires, self._profile.client_name, confirmed=False, process=os.getpid()
            ),
        )

    def reject(self, credentials: Credentials, error: DeploymentError) -> None:
        """Forget an answer that the deployment rejects, and say so."""
        known_clients.forget_unconfirmed(self._profile.root_url, credentials.client_id)
        self._display.warn(f"What came from the browser is no good: {error.message} The wait goes on.")
