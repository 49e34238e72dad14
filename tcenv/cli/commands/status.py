"""Carry out `tcenv status`: show who is signed in, where, until when and with which scopes. In a terminal, it prints a
short form with a bar. Elsewhere, it prints one fact on each line."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tcenv.cli.terminal import messages
from tcenv.cli.terminal.command_line import render_command_line
from tcenv.cli.terminal.json_output import describe_end, print_json
from tcenv.config import index
from tcenv.config import profile as profiles
from tcenv.config.enclosing_proxy import read_enclosing_proxy
from tcenv.config.live_session import find_stored
from tcenv.deployment.credentials import Credentials
from tcenv.errors import CredentialsRejected, DeploymentError, Hint, TcenvError, make_login_command
from tcenv.sessions import known_clients
from tcenv.sessions.profile_names import get_argument, get_display_name, get_stored_argument
from tcenv.sessions.stores import load_session, open_store
from tcenv.shells import environment
from tcenv.text import format_duration, format_time, replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcenv.cli.parsing import options as o
    from tcenv.sessions.session import Session

# Show up to this many scopes without folding.
_MAX_UNFOLDED = 8
_BAR_WIDTH = 20
# The width of the labels (columns).
_LABEL_WIDTH = 14


class Options(NamedTuple):
    """Show who you are, where, until when and with which scopes. Verifies that with the deployment.

    Examples:
        tcenv status
        tcenv status --json | jq -r .expires
    """

    profile: o.ProfileArgument = None
    offline: o.Offline = False
    scopes: o.EveryScope = False
    everything: o.Everywhere = False
    timeout: o.RequestTimeout = None
    as_json: o.Json = False


def run(options: Options) -> int:
    """Show the session. Returns 3 if nobody is signed in (with `--all`: anywhere)."""
    found = _read_all(options) if options.everything else [_read_one(options)]
    if options.as_json:
        sessions = [facts.encode() for facts in found]
        print_json({"sessions": sessions} if options.everything else sessions[0])
    else:
        for number, facts in enumerate(found):
            if number:
                messages.get_stdout().write("")
            _Report(facts, all_scopes=options.scopes).show()
        if not found:
            messages.get_stdout().write("Not signed in anywhere.")
    return 0 if any(facts.signed_in for facts in found) else 3


def _read_one(options: Options) -> _Facts:
    offline = options.offline
    # The session's file is enough, unless a timeout is set: then the full configuration gives the deadline.
    is_enough = offline or (
        options.timeout is None and "TCENV_TIMEOUT" not in os.environ and not index.is_configured("timeout")
    )
    found = find_stored(options.profile, with_token=not offline) if is_enough else None
    if found is not None:
        fields, scopes, store_name = found
        facts = _Facts(fields[environment.PROFILE], fields[environment.ROOT_URL], store_name)
        facts.fill(fields, scopes, offline=offline)
        return facts
    store = open_store(profiles.read_store_name(), messages.warn)
    profile = profiles.resolve(options.profile, profiles.Overrides(timeout=options.timeout))
    session = load_session(store, profile.name, profile.root_url, messages.warn)
    facts = _Facts(profile.name, profile.root_url, store.name, is_kept=store.keeps)
    if session is not None:
        facts.fill_from(session, offline, time.monotonic() + profile.timeout)
    return facts


def _read_all(options: Options) -> list[_Facts]:
    """Return the facts of every stored session. Asks all deployments at once."""
    store = open_store(profiles.read_store_name(), messages.warn)
    found, threads = [], []
    for name in store.list_profiles():
        try:
            session = store.load(name)
        except TcenvError as error:
            messages.warn(error.message)
            continue
        if session is not None:
            facts = _Facts(name, session.root_url, store.name, is_kept=store.keeps)
            deadline = time.monotonic() + profiles.resolve_timeout(session.argument, options.timeout)
            work = (session, options.offline, deadline)
            found.append(facts)
            threads.append(threading.Thread(target=facts.fill_from, args=work, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


class _Facts:
    """The facts about one profile."""

    def __init__(self, profile: str, root_url: str, store: str, *, is_kept: bool = True) -> None:
        self.profile = profile
        self.root_url = root_url
        self.argument = get_argument(profile, root_url)
        self.stored_argument = get_stored_argument(profile, root_url)
        self.store = store
        self.is_kept = is_kept
        self.fields: dict[str, str] | None = None
        self.signed_in = self.verified = False
        self.problem: str | None = "not signed in"
        self.hint: Hint | None = Hint("Sign in:", make_login_command(self.argument))
        self.scopes: Sequence[str] | None = None
        self.expires = 0

    def fill_from(self, session: Session, offline: bool, deadline: float) -> None:
        """Fill in the facts of a session (see `fill`)."""
        fields = session.encode_fields()
        if session.credentials.certificate:
            fields[environment.CERTIFICATE] = session.credentials.certificate
        self.fill(fields, session.scopes, offline=offline, deadline=deadline)

    def fill(
        self, fields: dict[str, str], scopes: Sequence[str] | None, *, offline: bool, deadline: float | None = None
    ) -> None:
        """Read the parts of a session's file (see `session_file.decode`), and ask the deployment unless `offline`. It must
        answer by the `deadline` (time.monotonic)."""
        self.fields, self.scopes, self.expires = fields, scopes, int(fields[environment.EXPIRES])
        self.signed_in = time.time() < self.expires
        state = fields.get("STATE")
        if state == "ended":
            self.problem = "ended: its client was deleted so that the name is free for a new sign-in"
        elif not self.signed_in:
            self.problem = "expired"
        else:
            self.problem = self.hint = None
            if not offline:
                self._verify(fields, deadline)
            elif state:
                self.problem = "not verified: a reset or logout was interrupted"

    def _verify(self, fields: dict[str, str], deadline: float | None) -> None:
        """Ask the deployment. A session that it rejects for good is forgotten, so that the next `login` makes a new one."""
        from tcenv.deployment.auth import Deployment

        credentials = Credentials(
            fields[environment.CLIENT_ID], fields[environment.ACCESS_TOKEN], fields.get(environment.CERTIFICATE)
        )
        try:
            confirmed = Deployment(self.root_url, deadline=deadline, argument=self.argument).confirm(credentials)
        except CredentialsRejected as rejection:
            self.signed_in = False
            self.problem, self.hint = f"{rejection.reason}: {rejection.message}", rejection.hint
            if rejection.reason != "clock":
                self.hint = Hint("Sign in again:", make_login_command(self.argument))
            if rejection.reason in ("expired", "disabled", "deleted", "bad-token"):
                self._forget(credentials, rejection.reason)
            return
        except DeploymentError as error:
            self.problem, self.hint = f"not verified: {error.message}", error.hint
            return
        self.verified = True
        if confirmed.scopes is not None:
            self.scopes = confirmed.scopes
        if confirmed.client is not None:
            self.expires = confirmed.client.expires

    def _forget(self, credentials: Credentials, reason: str) -> None:
        """Forget the session, if the store still has it: another terminal may have renewed it while the deployment was
        asked."""
        try:
            known_clients.note_rejection(self.root_url, credentials.client_id, reason)
            store = open_store(profiles.read_store_name())
            stored = store.load(self.profile)
            if stored is not None and stored.credentials == credentials:
                store.forget(self.profile)
        except TcenvError:
            return

    def describe_loaded(self) -> str:
        """Return what this shell has loaded of the session: `yes`, `no`, `stale` (an older token of it), `temporary`,
        `proxy` (no token, and it calls through a proxy), or `other`."""
        variables = os.environ
        if "TCENV_PROXY" in variables:
            proxy = read_enclosing_proxy()
            if proxy is not None and proxy.has_address(variables.get(environment.ROOT_URL)):
                return "proxy" if proxy.profile == self.profile else "other"
        token = variables.get(environment.ACCESS_TOKEN)
        if not token:
            return "no"
        if variables.get(environment.CERTIFICATE):
            return "temporary" if variables.get(environment.PROFILE) == self.profile else "other"
        if self.fields is not None and token == self.fields[environment.ACCESS_TOKEN]:
            return "yes"
        return "stale" if variables.get(environment.PROFILE) == self.profile else "other"

    def encode(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "signed_in": self.signed_in,
            "profile": self.profile,
            "root_url": self.root_url,
            "store": self.store,
            "verified": self.verified,
            "problem": self.problem,
        }
        if self.fields is not None:
            loaded = self.describe_loaded()
            facts["client_id"] = self.fields[environment.CLIENT_ID]
            facts.update(describe_end(self.expires))
            facts["scopes"] = None if self.scopes is None else list(self.scopes)
            facts["loaded"] = loaded == "yes"
            facts["shell"] = loaded
        if self.hint:
            facts["hint"] = str(self.hint)
        return facts


_LOADED = {
    "yes": "has loaded it",
    "no": "has not loaded it",
    "stale": "has an older token of it; for the new one: {}",
    "temporary": "has temporary credentials of it",
    "proxy": "has no token and calls through a proxy",
    "other": "has other credentials",
}


class _Report:
    """The facts as people read them."""

    def __init__(self, facts: _Facts, *, all_scopes: bool) -> None:
        self._facts = facts
        self._out = messages.get_stdout()
        self._all = all_scopes or not self._out.is_terminal

    def show(self) -> None:
        facts, fields = self._facts, self._facts.fields
        if fields is None:
            where = get_display_name(facts.profile, facts.root_url)
            # A sentence in a terminal; elsewhere the form of all other facts.
            self._write_row("not signed in", f"to {where}" if self._out.is_terminal else where, "yellow")
        else:
            self._write_row("client", fields[environment.CLIENT_ID], "bold")
            self._write_row("deployment", facts.root_url)
            self._write_row("profile", facts.profile)
            self._write_row("kept", f"in the {facts.store} store" if facts.is_kept else "in this shell alone")
            if facts.problem:
                self._write_row("problem", facts.problem, "yellow" if facts.signed_in else "red")
            if facts.signed_in:
                self._show_end(int(fields["CREATED"]), int(fields["RENEW"]))
                self._write_row("state", "verified with the deployment" if facts.verified else "not verified")
            self._write_row("this shell", self._describe_loaded())
            if facts.signed_in:
                self._show_scopes()
        if facts.hint:
            messages.hint(*facts.hint.parts)

    def _write_row(self, label: str, value: str, style: str = "", more: str = "") -> None:
        """Write a label and its value. `more` follows the value unchanged."""
        out, value = self._out, replace_unprintable(value)
        if not out.is_terminal:
            out.write(f"{label}: {value}")
            return
        lead = f"{label:{_LABEL_WIDTH}}"
        if len(lead) + max(map(len, value.split(" "))) > out.width:
            # A word that has no room beside the label goes below it, whole: the user may copy it.
            if label:
                out.write(out.style(label, "dim"))
            out.write(out.wrap(value, "  ", "  ") + more)
            return
        text = out.wrap(value, lead, " " * _LABEL_WIDTH, shown=out.style(lead, "dim"))
        if style and "\n" not in text:
            text = text.removesuffix(value) + out.style(value, style)
        out.write(text + more)

    def _show_end(self, created: int, renew: int) -> None:
        expires = self._facts.expires
        left = expires - time.time()
        value, bar = f"{format_time(expires)} ({format_duration(left)} left)", ""
        if self._out.has_marks and self._out.width >= _LABEL_WIDTH + len(value) + 2 + _BAR_WIDTH:
            share = min(1.0, left / max(1, expires - created))
            full = max(1, round(share * _BAR_WIDTH))
            colour = "green" if time.time() < renew else "yellow"
            # A full bar adds nothing to the time.
            if full < _BAR_WIDTH:
                bar = "  " + self._out.style("█" * full, colour) + self._out.style("░" * (_BAR_WIDTH - full), "dim")
        self._write_row("expires", value, more=bar)

    def _describe_loaded(self) -> str:
        text = _LOADED[self._facts.describe_loaded()]
        if "{}" in text:
            text = text.format(render_command_line(("tcenv", "env", self._facts.stored_argument)))
        return text

    def _show_scopes(self) -> None:
        scopes = self._facts.scopes
        if scopes is None:
            self._write_row("scopes", "the deployment does not say")
        elif not scopes:
            self._write_row("scopes", "none")
        elif not self._out.is_terminal:
            for scope in scopes:
                self._write_row("scope", scope)
        else:
            lines = list(scopes) if self._all or len(scopes) <= _MAX_UNFOLDED else _fold(scopes)
            if len(lines) < len(scopes):
                line = render_command_line(("tcenv", "status", "--scopes", self._facts.stored_argument))
                lines.append(f"all {len(scopes)}: {line}")
            # In one column: beside the label, or below it if one of them is too long for that.
            if _LABEL_WIDTH + max(map(len, lines)) <= self._out.width:
                for number, line in enumerate(lines):
                    self._write_row("" if number else "scopes", line)
            else:
                self._out.write(self._out.style("scopes", "dim"))
                for line in lines:
                    self._out.write(f"  {replace_unprintable(line)}")


def _fold(scopes: Sequence[str]) -> list[str]:
    """Return one line for each service: its one scope, or how many it has."""
    services: dict[str, list[str]] = {}
    for scope in scopes:
        services.setdefault(scope.partition(":")[0], []).append(scope)
    return [held[0] if len(held) == 1 else f"{service}:…  {len(held)}" for service, held in sorted(services.items())]
