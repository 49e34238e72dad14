"""Carry out `tcenv proxy`: run a signing proxy in the foreground."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, NamedTuple

from tcenv import paths
from tcenv.cli import proxied_run
from tcenv.cli.acquire import SessionOptions
from tcenv.cli.terminal import job_control, messages
from tcenv.cli.terminal.command_line import READ, list_option_words
from tcenv.cli.terminal.shell_output import render_statements, warn_if_others_can_read
from tcenv.config.profile import Overrides
from tcenv.errors import Hint, UsageError
from tcenv.output import write_unbuffered
from tcenv.proxy.held_port import SessionPort
from tcenv.sessions.profile_names import get_display_name
from tcenv.signals import handle_ending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcenv.cli.parsing import options as o
    from tcenv.cli.parsing import proxy_options as p

# Seconds between two notes of when the session that signs ends.
_NOTE_SECONDS = 15.0


class Options(NamedTuple):
    """Run a signing proxy in the foreground, for programs that need no token. Prints the statements that make a shell use it.

    Examples:
        tcenv proxy --output ~/proxy.env
        tcenv proxy --read-only --log calls.log --output ~/proxy.env
    """

    profile: o.ProfileArgument = None
    root_url: o.RootUrl = None
    scopes: o.CutScopes = ()
    purpose: o.As = None
    duration: o.For = None
    no_login: o.NoLogin = False
    port: p.ProxyPort = None
    output: p.ProxyOutput = None
    listen: p.Listen = None
    log: p.Log = None
    read_only: p.ReadOnly = False
    unsigned: p.Unsigned = False
    allow_credentials: p.AllowCredentials = False
    shell: o.Shell = None


def run(options: Options) -> int:
    """Run a proxy in the foreground until Ctrl-C, and print the statements that make a shell use it."""
    job_control.require_foreground("proxy")
    if options.output is None and os.isatty(1):
        raise UsageError(
            "The output contains the run's token, so tcenv does not print it to a terminal.", _make_output_hint(options)
        )
    if options.output is not None and os.path.lexists(options.output):
        raise UsageError(f"{options.output} already exists.", "Name a new file: it is removed at the end.")
    render_statements({}, options.shell)
    proxy_run = proxied_run.prepare(
        SessionOptions(
            options.profile,
            Overrides(root_url=options.root_url),
            options.scopes,
            options.duration,
            options.purpose,
            options.no_login,
        ),
        proxied_run.ProxyOptions(
            listen=options.listen,
            log=options.log,
            read_only=options.read_only,
            unsigned=options.unsigned,
            allow_credentials=options.allow_credentials,
        ),
        port=options.port or 0,
        run_only=False,
    )
    ended = threading.Event()
    # Hold the port before anybody learns of it.
    port = SessionPort(proxy_run.prepared.sockets, proxy_run.opened.session.expires)
    handle_ending(lambda *_: ended.set())
    text = render_statements(proxy_run.prepared.change, options.shell)
    with contextlib.ExitStack() as stack:
        if options.output is None:
            warn_if_others_can_read(proxy_run.prepared.change)
            write_unbuffered(text)
            # `source <(tcenv proxy)` waits for the end of the statements.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        else:
            stack.enter_context(_write_new_file(options.output, text))
        proxy_run.background.start()
        session, root_url = proxy_run.opened.session, proxy_run.prepared.sockets.root_url
        messages.note(
            f"A signing proxy for {get_display_name(session.profile, session.root_url)} at {root_url}, until Ctrl-C."
        )
        if options.output is not None:
            messages.hint("To use it in a shell:", (READ, os.path.abspath(options.output)))
        while not ended.wait(_NOTE_SECONDS):
            port.note(proxy_run.background.session_end)
    port.note(proxy_run.background.session_end)
    proxy_run.background.stop()
    port.end()
    return 0


def _make_output_hint(options: Options) -> Hint:
    """Return a hint with the same command and a new output file, and with the line that reads this file in another
    terminal."""
    directory = os.environ.get("XDG_RUNTIME_DIR") or paths.home()
    number = 1
    while os.path.lexists(path := os.path.join(directory, f"tcenv-proxy{number if number > 1 else ''}.env")):
        number += 1
    keys = [key for key in Options._fields if key not in ("profile", "output")]
    profile = [options.profile] if options.profile else []
    command = ("tcenv", "proxy", *profile, *list_option_words(options, keys), "--output", path)
    return Hint("Write it to a file:", command, ". In another terminal:", (READ, path))


@contextlib.contextmanager
def _write_new_file(path: str, text: bytes) -> Iterator[None]:
    """Write `text` into a new file of this user alone, whole, and remove it at the end. Raises UsageError."""
    part = os.path.join(os.path.dirname(path), f".{os.path.basename(path)[:200]}.{os.urandom(6).hex()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                made = os.fstat(file.fileno())
            # A link, unlike a rename, replaces nothing.
            os.link(part, path)
        finally:
            os.unlink(part)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Name a new file: --output FILE") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            # Keep a file that somebody else has put there since. It may have the same inode number as this one.
            found = os.lstat(path)
            if os.path.samestat(found, made) and found.st_mtime_ns == made.st_mtime_ns:
                os.unlink(path)
