"""Carry out `tcenv login`: sign in, and load the session into the shell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from tcenv import paths
from tcenv.cli import first_run
from tcenv.cli.acquire import SessionOptions, load_session_and_change, resolve_for_sign_in, warn_of_plain_disk
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.command_line import get_option_name, list_option_words, render_command_line
from tcenv.cli.terminal.progress import SignInProgress
from tcenv.cli.terminal.shell_output import print_change, render_statements
from tcenv.config import profile as profiles
from tcenv.config.profile import Overrides
from tcenv.errors import make_login_command
from tcenv.sessions.stores import open_store
from tcenv.signin.flow import ensure_session

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


class Options(NamedTuple):
    """Sign in, and load the session into this shell.

    Reuses an active session without a browser. Else it opens the sign-in page, and stores the new session. Prints the
    statements that load it; the function of `tcenv init` evaluates them for you.

    Examples:
        eval "$(tcenv login)"
        eval "$(tcenv login --scope 'queue:*' --expires 8h)"
        eval "$(tcenv login --reset)"
        eval "$(tcenv login --no-browser)"
    """

    profile: o.ProfileArgument = None
    root_url: o.RootUrl = None
    name: o.Name = None
    scopes: o.Scopes = ()
    purpose: o.As = None
    expires: o.Expires = None
    description: o.Description = None
    reset: o.Reset = False
    flow: o.Flow = None
    port: o.Port = None
    timeout: o.Timeout = None
    browser: o.Browser = None
    no_browser: o.NoBrowser = False
    retry: o.Retry = False
    no_self_delete: o.NoSelfDelete = False
    shell: o.Shell = None


def run(options: Options) -> int:
    """Sign in if there is no session, and print the statements that load it."""
    overrides = Overrides.from_options(options)
    profile = _resolve(options.profile, overrides)
    if options.purpose:
        choice = SessionOptions(
            options.profile,
            overrides._replace(scopes=()),
            options.scopes,
            purpose=options.purpose,
            reset=options.reset,
            retry=options.retry,
        )
        return _load_purpose(choice, options.shell, profile.argument)
    reset = options.reset or bool(profiles.read_flag("TCENV_RESET"))
    retry = options.retry or bool(profiles.read_flag("TCENV_RETRY"))
    return load(profile, overrides, options.shell, reset=reset, retry=retry)


def _resolve(argument: str | None, overrides: Overrides) -> profiles.Profile:
    """Resolve the profile to sign in to. Asks for a deployment if nothing names one and a person can answer."""
    try:
        return profiles.resolve(argument, overrides)
    except profiles.NoDeployment:
        answer = first_run.ask_for_deployment() if first_run.can_ask() else None
        return resolve_for_sign_in(answer, overrides)


def _load_purpose(choice: SessionOptions, shell: str | None, argument: str) -> int:
    """Load temporary credentials for a purpose. Without a session, sign in with just the purpose's scopes."""
    if not os.isatty(1):
        render_statements({}, shell)
    session, change = load_session_and_change(choice)
    if os.isatty(1):
        messages.note_reuse(session.encode_fields())
        messages.hint("To load it in this shell:", make_login_command(argument, "--as", choice.purpose or ""))
    else:
        print_change(change, shell)
    return 0


def load(
    profile: profiles.Profile, overrides: Overrides, shell: str | None, *, reset: bool = False, retry: bool = False
) -> int:
    """Get a session of `profile`, and print the statements that load it. `overrides` are the given options."""
    if not os.isatty(1):
        # Fail before a browser opens if tcenv cannot write statements for the shell.
        render_statements({}, shell)
    progress = SignInProgress(profile)
    store = open_store(profiles.read_store_name(), messages.warn)
    session = ensure_session(profile, store, progress, reset=reset, retry=retry)
    if progress.is_new:
        warn_of_plain_disk(store)
    else:
        _note_options_without_effect(overrides, profile)
    if os.isatty(1):
        if not progress.is_new:
            messages.note_reuse(session.encode_fields())
        line = render_command_line(make_login_command(profile.argument), shell)
        messages.hint(f"To load it in this shell: {line}")
        return 0
    print_change(session.make_loading(file=store.get_path(session.profile)), shell)
    if not progress.is_new and os.isatty(2):
        messages.note_reuse(session.encode_fields())
    if not store.keeps and progress.is_new:
        messages.note(f"The session is not stored, so only this shell has it: {store.reason}.")
        messages.hint(f'To store it in a file, set TCENV_STORE=file, or store = "file" in {paths.config_file()}')
    return 0


# These options only affect a new sign-in.
_SIGN_IN_KEYS = ("expires", "description", "flow", "port", "timeout", "browser", "no_browser", "no_self_delete")


def _note_options_without_effect(overrides: Overrides, profile: profiles.Profile) -> None:
    given = overrides.get_given()
    names = [get_option_name(key) for key in _SIGN_IN_KEYS if key in given]
    if names:
        has, it = ("has", "it") if len(names) == 1 else ("have", "them")
        messages.note(f"{', '.join(names)} {has} no effect on a reused session.")
        words = list_option_words(overrides, _SIGN_IN_KEYS)
        messages.hint(f"For a new token, with {it}:", make_login_command(profile.argument, "--reset", *words))
