"""What the sign-in page cannot say, since it calls nobody back where it fails: asked of the deployment while the person is busy
in the browser, in a thread of its own, so that no browser waits for a network."""

from __future__ import annotations

import threading
import time

from tcenv.config.profile import Profile
from tcenv.errors import DeploymentError
from tcenv.text import duration

# Past this the deployment refuses signatures, and its page does not know who the user is (seconds).
_SKEW = 15 * 60


class Probe:
    """`news` are sentences for the person, each to be taken once; `taken` the names that the deployment turned out to have."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._news: list[str] = []
        self.taken: set[str] = set()

    def start(self, name: str, client_id: str | None) -> None:
        """Begin to ask: for the clock, and, where the user's prefix is known, for the client `client_id` called `name`."""
        threading.Thread(target=self._ask, args=(name, client_id), daemon=True).start()

    def news(self) -> list[str]:
        """What has been found out since the last time."""
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
            return  # private: only the page knows
        except DeploymentError as error:
            self._news.append(f"{error.message} The page in the browser cannot work either as long as that lasts.")
