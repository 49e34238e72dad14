"""Ask which deployment to sign in to, on a first run in a terminal. Never asks if no person has typed the command."""

from __future__ import annotations

import os

from tcenv.cli.terminal import messages
from tcenv.config import config_file
from tcenv.deployment.rooturl import parse_root_url
from tcenv.errors import UsageError
from tcenv.sessions.profile_names import is_configurable_name
from tcenv.signin.interactivity import is_interactive

# The public deployments: the name that a profile gets, what people call it, and its root URL.
_KNOWN = (
    ("community", "Community", "https://community-tc.services.mozilla.com"),
    ("fx", "Firefox CI", "https://firefox-ci-tc.services.mozilla.com"),
)


def can_ask() -> bool:
    """Return whether a person can answer a question: standard input and standard error are the terminal that they type in."""
    return os.isatty(0) and os.isatty(2) and is_interactive()


def ask_for_deployment() -> str | None:
    """Return what the user answers: a profile that they let tcenv keep, or a root URL. None if they give no answer."""
    messages.say("Which deployment do you want to sign in to?")
    for number, (_, title, root_url) in enumerate(_KNOWN, 1):
        messages.say(f"  {number}  {title:12} {root_url}")
    messages.say(f"  {len(_KNOWN) + 1}  another address")
    while answer := messages.ask("Number or address: ").strip():
        if answer == str(len(_KNOWN) + 1):
            answer = messages.ask("Root URL: ").strip()
        known = next((entry for number, entry in enumerate(_KNOWN, 1) if answer in (str(number), entry[0])), None)
        try:
            root_url = parse_root_url(known[2] if known else answer if "://" in answer else f"https://{answer}")
        except UsageError as error:
            messages.say(error.message)
            continue
        host = root_url.partition("://")[2].partition("/")[0].partition(":")[0]
        names = {entry[2]: entry[0] for entry in _KNOWN}
        return _offer_profile(root_url, names.get(root_url, host.partition(".")[0]))
    return None


def _offer_profile(root_url: str, name: str) -> str:
    """Keep the root URL as the default profile if the user wants that. Return the profile's name, or the root URL."""
    if not is_configurable_name(name):
        name = "taskcluster"
    if messages.ask(f"Save it as your default profile, {name}? [Y/n] ").strip().lower() not in ("", "y", "yes"):
        return root_url
    config_file.edit({"root_url": root_url}, name, default=True)
    config_file.load()
    messages.confirm(f"Saved the profile {name}.")
    return name
