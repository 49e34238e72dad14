"""Ask a person for an approval, and wait: open the page, report what tcenv finds out meanwhile, and ask for the next name
if the first one is taken. The first answer counts, for any of the names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tcenv.config.profile import Profile
from tcenv.deployment.credentials import Credentials
from tcenv.errors import DeploymentError, Hint, make_login_command
from tcenv.sessions import known_clients
from tcenv.signin import browser, client_names
from tcenv.signin.client_names import Names
from tcenv.signin.listener import OTHER_HOST, TLS, Listener
from tcenv.signin.preflight import ADD_AUTHORITY, AUTHORITY, CLOCK, OUTAGE, PRIVATE, Preflight
from tcenv.signin.progress import Progress
from tcenv.signin.request import SigninRequest

if TYPE_CHECKING:
    from tcenv.signin.paste import Source

# Makes Chrome forget that localhost needs https. Other browsers forget it with the site's data.
_CLEAR_HSTS = "clear HSTS for localhost (Chrome: chrome://net-internals/#hsts)"


def describe_refusal(refusal: str, *, can_paste: bool) -> str:
    """Say what the listener has refused (TLS and its like), and what to do."""
    if refusal == TLS:
        paste = "Paste here the address that it shows, " if can_paste else "To go on, "
        return (
            "The browser insists on https, because another program on localhost requested it (HSTS), but this address is "
            f"http. {paste}{_CLEAR_HSTS}, or open the page in another browser."
        )
    if refusal == OTHER_HOST:
        return (
            "The browser's answer named another host than localhost, and was refused. "
            "In the address bar, replace that host with localhost."
        )
    paste = " If your browser ended on a localhost address, paste that address here." if can_paste else ""
    return f"Another user's process on this machine answered in place of your browser, and was refused.{paste}"


def advise_after_timeout(
    problems: set[str], argument: str, name: str, *, client_id: str = "", outage: str = ""
) -> Hint:
    """Return the advice after nobody approved in time. `problems` are those of the listener and the preflight. `name` is
    the client's name, `client_id` its clientId or a description of that, and `outage` a sentence about the deployment's
    outage."""
    if TLS in problems:
        return Hint(
            f"The browser insists on https for localhost: {_CLEAR_HSTS}, or paste the address that it shows:",
            make_login_command(argument, "--no-browser"),
        )
    if CLOCK in problems:
        return Hint(
            "This machine's clock is wrong. Set the clock (timedatectl set-ntp true), then run:",
            make_login_command(argument),
        )
    if AUTHORITY in problems:
        return Hint(f"{ADD_AUTHORITY} Then run:", make_login_command(argument))
    if OUTAGE in problems:
        return Hint(f"{outage} When it answers again, run:", make_login_command(argument))
    private = (
        f"If the page said “Not Found”, type the whole Client ID there: {client_id}. " if PRIVATE in problems else ""
    )
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
        self._next_names = list(names.free) if names is not None else [profile.client_name]
        self._reported_names: set[str] = set()
        self._reported_refusals: set[str] = set()
        self._can_paste = False
        self._preflight = Preflight(profile)
        self._start = browser.BrowserStart()
        self.name = self._next_names.pop(0)
        self._asked_names = [self.name]
        self._request = self._make_request(self.name)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The requested scopes, with those to delete the client."""
        return self._request.scopes

    @property
    def deletion_scopes(self) -> tuple[str, ...]:
        """The requested scopes with which the client may delete itself."""
        if self.names is None or self._profile.no_self_delete:
            return ()
        return self.names.list_deletion_scopes(self.name, self._profile.scopes)

    @property
    def next_name(self) -> str | None:
        """The name that Enter asks for, None if there is no other."""
        return self._next_names[0] if self._next_names else None

    @property
    def opened(self) -> bool:
        """Whether a browser has started at the page."""
        return bool(self._start)

    @property
    def _client_id(self) -> str | None:
        """The clientId of a client called `name`, or None until tcenv knows the user's prefix."""
        return self.names.make_client_id(self.name) if self.names is not None else None

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
        """Start the browser at the page. Return False if none starts, unless the user wants none.

        Hands the port to the holder first, so that no other user gets it while the page can answer, even if this process is
        killed."""
        self._listener.hold(**self._list_details())
        if self._profile.no_browser:
            return True
        self._start = browser.open_browser(self._request.url, self._profile.browser, launch)
        if self._start.failures:
            tried = "; ".join(self._start.failures)
            self._progress.warn(
                f"A browser did not start ({tried}), so tcenv opened another one."
                if self.opened
                else f"No browser started ({tried})."
            )
        return self.opened

    def _list_details(self) -> dict[str, str]:
        """Return what `late_approval` needs to know about this sign-in."""
        profile = self._profile
        return {
            "profile": profile.name,
            "root_url": profile.root_url,
            "argument": profile.argument,
            "flow": self._flow,
            "series": profile.client_name,
            "names": "\n".join(self._asked_names),
            "prefix": (self.names.prefix if self.names is not None else None) or "",
            "lifetime": str(profile.lifetime),
        }

    def show(self, *, pasting: bool, enter: bool) -> None:
        """Tell the person what to do, and start the preflight. See `Progress.show_request`."""
        self._can_paste = self._can_paste or pasting
        self._progress.show_request(self._request.url, self.opened, pasting, enter, self.name)
        self._preflight.start(self.name, self._client_id)

    def ask_for_next_name(self) -> None:
        """Open the page for the next name. Called for an empty line during the wait."""
        if not self._next_names:
            if self.names is not None and not self.names.insisted:
                self._progress.warn("There is no other name left. Change the Client ID on the page to any other name.")
            return
        self.name = self._next_names.pop(0)
        self._asked_names.append(self.name)
        self._request = self._make_request(self.name)
        self.open()
        self.show(pasting=False, enter=True)

    def tick(self, left: float) -> None:
        """Show the time that is left, and report new problems. Called about once a second, with the seconds that are left."""
        for text in self._preflight.take_warnings():
            self._progress.warn(text)
        failure = self._start.find_failure()
        if failure is not None:
            self._progress.warn(f"The browser did not start ({failure}). Open the address above in another one.")
        if self.name in self._preflight.taken - self._reported_names:
            self._reported_names.add(self.name)
            self._progress.warn(
                f"The name {self.name} is taken on this deployment, so the page will say “Client already exists”."
            )
        for refusal in sorted(self._listener.refusals - self._reported_refusals):
            self._reported_refusals.add(refusal)
            self._progress.warn(describe_refusal(refusal, can_paste=self._can_paste))
        self._progress.show_time_left(left, self.next_name)

    def wait(self, deadline: float, source: Source | None) -> Credentials | None:
        """Return the credentials of the first right answer, or None at `deadline` (time.monotonic)."""
        return self._listener.wait(deadline, lambda: self.tick(deadline - time.monotonic()), source)

    def note_unconfirmed(self, credentials: Credentials) -> None:
        """Note that this client exists, because its name is taken even if this process is killed."""
        profile = self._profile
        client_names.remember_unconfirmed(
            profile.root_url, credentials.client_id, self.name, profile.client_name, profile.lifetime
        )

    def reject(self, credentials: Credentials, error: DeploymentError, *, goes_on: bool) -> None:
        """Forget an answer that the deployment rejects, and say so if the wait goes on."""
        known_clients.forget_unconfirmed(self._profile.root_url, credentials.client_id)
        if goes_on:
            self._progress.warn(f"The browser's answer is invalid: {error.message} Still waiting.")

    def advise_after_timeout(self) -> Hint:
        """Return the advice after nobody approved this sign-in in time."""
        return advise_after_timeout(
            self._listener.refusals | self._preflight.problems,
            self._profile.argument,
            self._profile.client_name,
            client_id=self._client_id or f"your own clientId, then /{self.name}",
            outage=self._preflight.outage,
        )
