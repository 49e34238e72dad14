"""Ask the deployment for the time, and whether the name is taken: if the sign-in page fails, it does not report this to
tcenv. Runs in a thread, so that the browser does not wait for the network."""

from __future__ import annotations

import threading
import time

from tcenv.config.profile import Profile
from tcenv.errors import DeploymentError, UnknownAuthority
from tcenv.text import format_duration

# With a larger difference (seconds) the deployment refuses signatures, and its page does not know the user.
_SKEW = 15 * 60
#: Why the page may not work: the deployment does not answer, the clock is wrong, tcenv does not know the authority of the
#: certificate, or not everybody may see their own scopes.
OUTAGE, CLOCK, AUTHORITY, PRIVATE = "outage", "clock", "authority", "private"
ADD_AUTHORITY = (
    "To have tcenv trust the authority of your network, set REQUESTS_CA_BUNDLE=FILE, with its certificate in FILE."
)


class Preflight:
    """Asks in the background. `taken` are the names that the deployment already has, `problems` what may keep its page
    from working (OUTAGE and its like), `outage` the sentence about the last outage."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._warnings: list[str] = []
        self.taken: set[str] = set()
        self.problems: set[str] = set()
        self.outage = ""

    def start(self, name: str, client_id: str | None) -> None:
        """Start to ask for the time, and for the client `client_id` called `name` (None: its clientId is not known yet)."""
        threading.Thread(target=self.check, args=(name, client_id), daemon=True).start()

    def take_warnings(self) -> list[str]:
        """Return the warnings that are new since the last call."""
        warnings, self._warnings = self._warnings, []
        return warnings

    def check(self, name: str, client_id: str | None) -> None:
        """Ask, and wait for the answers (see `start`)."""
        from tcenv.deployment.auth import Deployment

        deployment = Deployment(self._profile.root_url, library=True)
        try:
            skew = time.time() - deployment.ping()
            if abs(skew) > _SKEW:
                self.problems.add(CLOCK)
                self._warnings.append(
                    f"This machine's clock is {format_duration(abs(skew))} "
                    f"{'ahead of' if skew > 0 else 'behind'} the deployment's: its page shows no Client ID and answers "
                    "“Not Found”, and the deployment refuses signatures. Set the clock "
                    "(timedatectl set-ntp true), and reload that page."
                )
            if not deployment.can_everybody_see_scopes():
                self.problems.add(PRIVATE)
            if client_id is not None and deployment.find_client(client_id) is not None:
                self.taken.add(name)
        except PermissionError:
            return  # a private deployment answers only its page
        except UnknownAuthority as error:
            self.problems.add(AUTHORITY)
            self._warnings.append(f"{error.message} Your browser may know the authority. {ADD_AUTHORITY}")
        except DeploymentError as error:
            self.outage = error.message
            self.problems.add(OUTAGE)
            self._warnings.append(f"{error.message} Until it works, the page in the browser does not work either.")
