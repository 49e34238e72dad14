"""Ask the deployment what the sign-in page cannot report, because it calls nobody back where it fails: the time, and whether the
name is taken. Runs in a thread beside the browser, which therefore waits for no network."""

from __future__ import annotations

import threading
import time

from tcenv.config.profile import Profile
from tcenv.errors import DeploymentError
from tcenv.text import duration

# With a larger difference (seconds) the deployment refuses signatures, and its page does not know the user.
_SKEW = 15 * 60


class Preflight:
    """Asks in the background. `taken` are the names that the deployment turned out to have."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._news: list[str] = []
        self.taken: set[str] = set()

    def start(self, name: str, client_id: str | None) -> None:
        """Start asking for the time, and for the client `client_id` called `name` where the user's prefix is known."""
        threading.Thread(target=self._ask, args=(name, client_id), daemon=True).start()

    def news(self) -> list[str]:
        """Return the sentences for the person that are new since the last call."""
        news, self._news = self._news, []
        return news

    def _ask(self, name: str, client_id: str | None) -> None:
        from tcenv.deployment.auth import Deployment

        deployment = Deployment(self._profile.root_url, library=True)
        try:
            skew = time.time() - deployment.server_time()
            if abs(skew) > _SKEW:
                self._news.append(
                    f"This machine's clock is {duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the deployment's: its "
                    "page will have no Client ID and answer “Not Found”, and signatures are refused. Set the clock "
                    "(timedatectl set-ntp true), and reload that page."
                )
            if client_id is not None and deployment.look(client_id) is not None:
                self.taken.add(name)
        except PermissionError:
            return  # a private deployment tells only its page
        except DeploymentError as error:
            self._news.append(f"{error.message} The page in the browser cannot work either as long as that lasts.")
