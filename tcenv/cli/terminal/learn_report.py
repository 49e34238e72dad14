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


def report(result: LearnResult | None, opened: OpenedSession, save: str | None) -> bool:
    """Print on stderr which scopes the run has learned, and save them as the purpose `save` (None: do not). Returns whether
    that worked."""
    # The user asked for the report, so --quiet leaves it.
    verbosity.set_level()
    if result is None:
        messages.warn("Nothing was learned: the proxy never ran.")
        return save is None
    _report_needed(result, opened)
    for scope, calls in sorted(result.refused.items()):
        messages.warn(f"The session does not hold: {scope} ({_list_calls(calls)}).")
    for call, scopes in sorted(result.too_many.items()):
        messages.warn(f"Failed because its {len(scopes)} scopes do not fit into a request header: {call}.")
    if result.not_repeatable:
        messages.warn(f"Failed, and the body was too long to send again: {_list_calls(result.not_repeatable)}.")
    if result.refused_without_reason:
        messages.warn(
            f"Refused without saying which scopes are missing: {_list_calls(result.refused_without_reason)}. "
            "A GET request gets the reason."
        )
    for call, statuses in sorted(result.failed.items()):
        messages.warn(f"Failed in the end: {call} ({', '.join(map(str, sorted(statuses)))}).")
    for scope in result.one_time_scopes:
        messages.warn(f"This scope names a random id, so the next run may need another one: {scope}.")
    if result.scope_dependent:
        messages.note(f"The answer of {_list_calls(result.scope_dependent)} depends on the scopes of the caller.")
    if save is not None:
        return _save(save, result, opened)
    if result.scopes:
        name = opened.purpose or "NAME"
        of = ("--profile", opened.session.profile) if _has_own_purpose(opened, name) else ()
        words = [word for scope in result.scopes for word in ("--scope", scope)]
        messages.hint("To keep them:", ("tcenv", "purpose", "set", name, *of, *words))
    return True


def _report_needed(result: LearnResult, opened: OpenedSession) -> None:
    if not result.scopes:
        if not (
            result.refused or result.too_many or result.not_repeatable or result.refused_without_reason or result.failed
        ):
            messages.confirm("The command needed no scopes.")
        return
    length = measure_certificate(opened.session.credentials.client_id, result.scopes)
    messages.confirm(
        f"The command needed {format_count(len(result.scopes), 'scope')}; a request with a certificate for "
        f"{'them' if len(result.scopes) > 1 else 'it'} has a header of {length:,} characters (at most {MAX_HEADER_LENGTH:,})."
    )
    for scope in result.scopes:
        calls = {call for needed, by in result.needed.items() if needed == scope for call in by}
        messages.say(f"  {scope}  {_list_calls(calls) if calls else '(kept)'}")
    if length > MAX_HEADER_LENGTH:
        messages.warn("A certificate with all of them does not fit. Use patterns that end in *.")


def _list_calls(calls: set[str]) -> str:
    return ", ".join(sorted(calls))


def _has_own_purpose(opened: OpenedSession, name: str) -> bool:
    """Return whether the profile has a purpose of its own with this name."""
    return (opened.session.profile, name) in config_file.load().purposes


def _save(name: str, result: LearnResult, opened: OpenedSession) -> bool:
    """Save the set as a purpose, as `tcenv purpose set` does. Returns whether that worked."""
    if not result.scopes:
        messages.warn(f"Nothing was learned, so the purpose {name} is unchanged.")
        return True
    try:
        profile = opened.session.profile if _has_own_purpose(opened, name) else None
        return run_set(SetOptions(purpose=name, scopes=tuple(result.scopes), profile=profile)) == 0
    except TcenvError as failure:
        messages.report_error(failure)
        return False
