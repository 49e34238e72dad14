"""Report at the end of `--learn`: the smallest set of scopes, the calls that needed them, and the command that saves
them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcenv import verbosity
from tcenv.cli.acquire import OpenedSession
from tcenv.cli.commands.purpose import SetOptions, run_set
from tcenv.cli.terminal import messages
from tcenv.config import config_file
from tcenv.deployment.patterns import MAX_HEADER_LENGTH
from tcenv.errors import TcenvError
from tcenv.proxy.header_length import measure_certificate
from tcenv.text import format_count

if TYPE_CHECKING:
    from tcenv.proxy.learn import LearnResult


def report(learned: LearnResult | None, opened: OpenedSession, save: str | None) -> bool:
    """Print on stderr which scopes the run has learned, and save them as the purpose `save` (None: do not). Returns whether
    that worked."""
    # The user asked for the report, so --quiet leaves it.
    verbosity.set_level()
    if learned is None:
        messages.warn("Nothing was learned: the proxy never ran.")
        return save is None
    _report_needed(learned, opened)
    for scope, calls in sorted(learned.refused.items()):
        messages.warn(f"The session does not hold: {scope} ({_list_calls(calls)}).")
    for call, scopes in sorted(learned.too_many.items()):
        messages.warn(f"Failed because its {len(scopes)} scopes do not fit into a request header: {call}.")
    if learned.unrepeated:
        messages.warn(f"Failed, and the body was too long to send again: {_list_calls(learned.unrepeated)}.")
    if learned.untold:
        messages.warn(
            f"Refused without saying which scopes are missing: {_list_calls(learned.untold)}. A GET request gets the reason."
        )
    for call, statuses in sorted(learned.failed.items()):
        messages.warn(f"Failed in the end: {call} ({', '.join(map(str, sorted(statuses)))}).")
    for scope in learned.one_time_scopes:
        messages.warn(f"This scope names a random id, so the next run may need another one: {scope}.")
    if learned.depending:
        messages.note(f"The answer of {_list_calls(learned.depending)} depends on the scopes of the caller.")
    if save is not None:
        return _save(save, learned, opened)
    if learned.scopes:
        name = opened.purpose or "NAME"
        of = ("--profile", opened.session.profile) if _has_own_purpose(opened, name) else ()
        words = [word for scope in learned.scopes for word in ("--scope", scope)]
        messages.hint("To keep them:", ("tcenv", "purpose", "set", name, *of, *words))
    return True


def _report_needed(learned: LearnResult, opened: OpenedSession) -> None:
    if not learned.scopes:
        if not (learned.refused or learned.too_many or learned.unrepeated or learned.untold or learned.failed):
            messages.confirm("The command needed no scopes.")
        return
    length = measure_certificate(opened.session.credentials.client_id, learned.scopes)
    messages.confirm(
        f"The command needed {format_count(len(learned.scopes), 'scope')}; a request with a certificate for "
        f"{'them' if len(learned.scopes) > 1 else 'it'} has a header of {length:,} characters (at most {MAX_HEADER_LENGTH:,})."
    )
    for scope in learned.scopes:
        calls = {call for needed, by in learned.needed.items() if needed == scope for call in by}
        messages.say(f"  {scope}  {_list_calls(calls) if calls else '(kept)'}")
    if length > MAX_HEADER_LENGTH:
        messages.warn("A certificate with all of them does not fit. Use patterns that end in *.")


def _list_calls(calls: set[str]) -> str:
    return ", ".join(sorted(calls))


def _has_own_purpose(opened: OpenedSession, name: str) -> bool:
    """Return whether the profile has a purpose of its own with this name."""
    return (opened.session.profile, name) in config_file.load().purposes


def _save(name: str, learned: LearnResult, opened: OpenedSession) -> bool:
    """Save the set as a purpose, as `tcenv purpose set` does. Returns whether that worked."""
    if not learned.scopes:
        messages.warn(f"Nothing was learned, so the purpose {name} is unchanged.")
        return True
    try:
        profile = opened.session.profile if _has_own_purpose(opened, name) else None
        return run_set(SetOptions(purpose=name, scopes=tuple(learned.scopes), profile=profile)) == 0
    except TcenvError as failure:
        messages.report_error(failure)
        return False
