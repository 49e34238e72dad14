"""Ask a person for an approval, and wait: open the page, report what tcenv finds out meanwhile, and ask for the next name
if the first one is taken. The first answer counts, for any of the names."""

from __future__ import annotations

import os
import time

from tcenv.config.profile import Profile
from tcenv.deployment.credentials import Credentials
from tcenv.errors import DeploymentError, Hint, make_login_command
from tcenv.sessions import known_clients, name_series
from tcenv.sessions.known_clients import KnownClient
from tcenv.signin import browser
from tcenv.signin.client_names import Names
from tcenv.signin.listener import OTHER_HOST, TLS, Listener
from tcenv.signin.preflight import ADD_AUTHORITY, AUTHORITY, CLOCK, OUTAGE, PRIVATE, Preflight
from tcenv.signin.progress import Progress
from tcenv.signin.request import SigninRequest

# Where Chrome forgets that it has to use https; other browsers do so with the site's data.
_CLEAR_HSTS = "clear HSTS for localhost (Chrome: chrome://net-internals/#hsts)"


def describe_seen(seen: str, *, can_paste: bool) -> str:
    """Say what the listener has refused (such as `listener.STRANGER`), and what to do."""
    if seen == TLS:
        paste = "Paste here the address that it shows, " if can_paste else "To go on, "
        return (
            "The browser insists on https, because another program on localhost requested it (HSTS), but this address is "
            f"http. {paste}{_CLEAR_HSTS}, or open the page in another browser."
        )
    if seen == OTHER_HOST:
        return (
            "The browser's answer named another host than localhost, and was refused. "
            "In the address bar, replace that host with localhost."
        )
    paste = " If your browser ended on a localhost address, paste that address here." if can_paste else ""
    return f"Another user's process on this machine answered in place of your browser, and was refused.{paste}"


def advise_after_timeout(seen: set[str], argument: str, name: str, *, client_id: str = "", outage: str = "") -> Hint:
    """Return what to do after nobody approved in time. `seen` is what the listener and the preflight saw, `name` the client's
    name, `client_id` the whole one or a description of it, `outage` a sentence about a deployment that does not answer."""
    if TLS in seen:
        return Hint(
            f"The browser insists on https for localhost: {_CLEAR_HSTS}, or paste the address that it shows:",
            make_login_command(argument, "--no-browser"),
        )
    if CLOCK in seen:
        return Hint(
            "This machine's clock is wrong. Set the clock (timedatectl set-ntp true), then run:",
            make_login_command(argument),
        )
    if AUTHORITY in seen:
        return Hint(f"{ADD_AUTHORITY} Then run:", make_login_command(argument))
    if OUTAGE in seen:
        return Hint(f"{outage} When it answers again, run:", make_login_command(argument))
    private = f"If the page said “Not Found”, type the whole Client ID there: {client_id}. " if PRIVATE in seen else ""
    return Hint(
        f"{private}If it said “Client already exists”, ask for another name:",
        make_login_command(argument, "--name", f"{name}-new"),
        ". With more time: --timeout 15m. Without a browser on this machine: --no-browser.",
    )


class ApprovalRequest:
    """A sign-in that waits for its approval. `name` and `scopes` are those that were asked for last.

    `names` is None on the older page, which resets an existing client of that name."""

    def __init__(
        self, profile: Profile, flow: str, names: Names | None, listener: Listener, progress: Progress
    ) -> None:
        self._profile = profile
        self._flow = flow
        self.names = names
        self._listener = listener
        self._progress = progress
        self._left = list(names.free) if names is not None else [profile.client_name]
        self._said_taken: set[str] = set()
        self._said_seen: set[str] = set()
        self._can_paste = False
        self._preflight: Preflight | None = None
        self._opening = browser.Opening()
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
            self.names.list_deletion_scopes(self.name, self._profile.scopes, wanted=wanted)
            if self.names is not None
            else ()
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
        self._opening = browser.open_browser(self._request.url, self._profile.browser, launch)
        self.opened = bool(self._opening)
        if self._opening.failures:
            tried = "; ".join(self._opening.failures)
            self._progress.warn(
                f"A browser did not start ({tried}), so tcenv opened another one."
                if self.opened
                else f"No browser started ({tried})."
            )
        return self.opened

    def _describe(self) -> dict[str, str]:
        """Return what `late_approval` needs."""
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

    def show(self, *, pasting: bool, enter: bool) -> None:
        """Tell the person what to do, and ask the deployment what the page does not say. See `Progress.show_request`."""
        self._can_paste = self._can_paste or pasting
        self._progress.show_request(self._request.url, self.opened, pasting, enter, self.name)
        self._preflight = self._preflight or Preflight(self._profile)
        known = self.names is not None and self.name not in self._said_taken
        self._preflight.start(
            self.name, self.names.make_client_id(self.name) if known and self.names is not None else None
        )

    def next(self) -> None:
        """Ask for the next name (Enter, while waiting)."""
        if not self._left:
            if self.names is not None and not self.names.insisted:
                self._progress.warn("There is no other name left. Change the Client ID on the page to any other name.")
            return
        self.name = self._left.pop(0)
        self._asked.append(self.name)
        self._request = self._make_request(self.name)
        self.open()
        self.show(pasting=False, enter=True)

    def tick(self, left: float) -> None:
        """Report what tcenv has found out. The listener calls this about once a second."""
        assert self._preflight is not None, "shown first"
        for text in self._preflight.take_news():
            self._progress.warn(text)
        failure = self._opening.find_failure()
        if failure is not None:
            self._progress.warn(f"The browser did not start ({failure}). Open the address above in another one.")
        if self.name in self._preflight.taken and self.name not in self._said_taken:
            self._said_taken.add(self.name)
            self._progress.warn(
                f"The name {self.name} is taken on this deployment, so the page will say “Client already exists”."
            )
        for seen in sorted(self._listener.seen - self._said_seen):
            self._said_seen.add(seen)
            self._progress.warn(describe_seen(seen, can_paste=self._can_paste))
        self._progress.show_time_left(left, self.next_name)

    def wait(self, end: float, source: object) -> Credentials | None:
        """Return the first right answer, None at `end` (time.monotonic)."""
        return self._listener.wait(end, lambda: self.tick(end - time.monotonic()), source)  # type: ignore[arg-type]

    def note_unconfirmed(self, credentials: Credentials) -> None:
        """Note that this client exists, because its name is taken even if this process is killed."""
        given = name_series.get_name(credentials.client_id, self.name)
        expires = int(time.time()) + self._profile.lifetime
        known_clients.remember(
            self._profile.root_url,
            KnownClient(
                given, credentials.client_id, expires, self._profile.client_name, confirmed=False, process=os.getpid()
            ),
        )

    def reject(self, credentials: Credentials, error: DeploymentError, *, goes_on: bool) -> None:
        """Forget an answer that the deployment rejects, and say so if the wait goes on."""
        known_clients.forget_unconfirmed(self._profile.root_url, credentials.client_id)
        if goes_on:
            self._progress.warn(f"The browser's answer is invalid: {error.message} Still waiting.")

    def advise_after_timeout(self) -> Hint:
        """Return a hint for a sign-in that nobody approved in time, by what the listener and the preflight saw."""
        preflight = self._preflight
        client_id = self.names.make_client_id(self.name) if self.names is not None else None
        return advise_after_timeout(
            self._listener.seen | (preflight.seen if preflight is not None else set()),
            self._profile.argument,
            self._profile.client_name,
            client_id=client_id or f"your own clientId, then /{self.name}",
            outage=preflight.outage if preflight is not None else "",
        )
