"""Carry out `tcenv doctor`: check this machine, and say how to fix each problem."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tcenv import cli, loopback, paths
from tcenv.cli import conflicts
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.json_output import print_json
from tcenv.config import config_file
from tcenv.config import profile as profiles
from tcenv.deployment.auth import Deployment
from tcenv.errors import Hint, TcenvError, UsageError
from tcenv.sessions.stores import open_store
from tcenv.shells import environment, load_shell, startup_file
from tcenv.shells.detect import choose_shell
from tcenv.signin.browser import is_on_path, split_commands
from tcenv.signin.listener import Listener
from tcenv.text import format_count, format_duration

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o

# Warn early (seconds): the service accepts a clock that is ten minutes off, and refuses one that is an hour off.
_SKEW = 60.0

# How to keep sessions and how to set the clock, on each system.
_STORE_FIXES = {
    "linux": "Log in through a login manager (XDG_RUNTIME_DIR), set up a keyring, or set TCENV_STORE=file.",
    "darwin": "Set TCENV_STORE=keyring for the keychain, or TCENV_STORE=file.",
    "win32": "Set TCENV_STORE=keyring for Credential Manager, or TCENV_STORE=file.",
}
_CLOCK_COMMANDS = {
    "linux": "timedatectl set-ntp true",
    "darwin": "sudo sntp -sS time.apple.com",
    "win32": "w32tm /resync, as an administrator",
}


@dataclass(frozen=True)
class Finding:
    """One check: `state` is good, note or bad; `fix` says what to do."""

    check: str
    state: str
    text: str
    fix: Hint | str | None = None


class Options(NamedTuple):
    """Check this machine, and say how to fix each problem.

    Examples:
        tcenv doctor
        tcenv doctor --json
    """

    timeout: o.RequestTimeout = None
    as_json: o.Json = False


def run(options: Options) -> int:
    """Check this machine. Returns 1 if something is bad."""
    findings = _drop_repeated(finding for name in _CHECKS for finding in _run_check(name, options))
    if options.as_json:
        print_json({"findings": [_encode(finding) for finding in findings]})
    else:
        for finding in findings:
            messages.print_finding(finding.state, f"{finding.check}: {finding.text}", finding.fix)
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def _encode(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "fix": None if finding.fix is None else str(finding.fix)}


def _drop_repeated(findings: Iterable[Finding]) -> list[Finding]:
    """Drop errors that an earlier check has reported: a wrong configuration fails several checks."""
    kept: dict[tuple[str, str, Hint | str | None], Finding] = {}
    for finding in findings:
        kept.setdefault(
            (finding.state, finding.text, finding.fix)
            if finding.state == "bad"
            else (finding.check, finding.text, None),
            finding,
        )
    return list(kept.values())


def _run_check(name: str, options: Options) -> Iterator[Finding]:
    try:
        yield from _CHECKS[name](options)
    except TcenvError as error:
        yield Finding(name, "bad", error.message, error.hint)
    except OSError as error:
        yield Finding(name, "bad", error.strerror or str(error))


def _check_shell(options: Options) -> Iterator[Finding]:
    shell = load_shell(choose_shell(None))
    yield Finding("shell", "good", shell.name)
    home = paths.home()
    try:
        path = shell.find_startup_file(os.environ, home)
    except UsageError as error:
        yield Finding("start-up file", "note", error.message, error.hint)
        return
    try:
        with open(path, encoding="utf-8", errors="replace", opener=paths.open_regular) as file:
            text = file.read()
    except OSError:
        text = ""
    if cli.from_function:
        yield Finding("start-up file", "good", "this shell has the function of tcenv init")
        if shell.line_comes_last and startup_file.is_followed(text, shell):
            why = f"lines follow that of tcenv init in {path}: a prompt that they set removes the hook"
            yield Finding("start-up file", "note", why, "Move the line of tcenv init to the end.")
    elif startup_file.is_evaluated(text, shell):
        why, remedy = shell.explain_unread(path, home) or ("", "Start a new shell, and try tcenv doctor there.")
        text = f"{path} evaluates tcenv init, but this shell has not read it. {why}".rstrip(" .")
        yield Finding("start-up file", "note", text, remedy)
    else:
        fix = Hint("For the function, the hook and completion:", ("tcenv", "init", shell.name, "--install"))
        yield Finding("start-up file", "note", f"{path} does not evaluate tcenv init", fix)


def _check_path(options: Options) -> Iterator[Finding]:
    if not is_on_path("tcenv"):
        folder = os.path.dirname(startup_file.find_own_program())
        yield Finding(
            "PATH",
            "note",
            f"{folder} is not on it: the function of tcenv init finds tcenv, but scripts and direnv do not",
            "pipx ensurepath, or uv tool update-shell; then a new terminal",
        )


def _check_browser(options: Options) -> Iterator[Finding]:
    named = os.environ.get("BROWSER")
    if named:
        programs = [words[0] for words in split_commands(named)]
        found = next(filter(is_on_path, programs), None)
        if found is not None:
            yield Finding("browser", "good", f"BROWSER: {found}")
        else:
            yield Finding(
                "browser", "note", f"BROWSER names no program that is on the PATH: {named}", "Fix it or unset it."
            )
    elif sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        yield Finding(
            "browser", "note", "no display", "tcenv prints the address. Paste the address that the browser ends on."
        )
    else:
        yield Finding("browser", "good", "the desktop's")


def _check_loopback(options: Options) -> Iterator[Finding]:
    with Listener() as listener:
        # An address can be bound while its interface is down.
        reached = [address for address in listener.families if _can_connect(address, listener.port)]
    if len(reached) == len(loopback.FAMILIES):
        yield Finding("loopback", "good", " and ".join(reached))
    elif reached:
        yield Finding("loopback", "note", f"{reached[0]} only: {loopback.describe_missing(reached)}")
    else:
        yield Finding("loopback", "bad", loopback.describe_missing(reached), "ip link set lo up")


def _can_connect(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def _check_store(options: Options) -> Iterator[Finding]:
    problems: list[str] = []
    store = open_store(profiles.read_store_name(), problems.append)
    for text in problems:
        yield Finding("session store", "bad", text, "Ask an administrator to remove it.")
    store.list_profiles()
    if not store.keeps:
        yield Finding(
            "session store",
            "note",
            "none: sessions are not kept",
            _STORE_FIXES.get(sys.platform, _STORE_FIXES["linux"]),
        )
        return
    kept = f"{store.name}, {format_count(len(store.list_profiles()), 'session')}"
    if store.needs_disk_encryption:
        from tcenv import macos

        encrypted = macos.is_disk_encrypted()
        if encrypted is False:
            yield Finding(
                "session store",
                "note",
                f"{kept}: files on the disk, which FileVault does not encrypt",
                "Turn FileVault on, or set TCENV_STORE=keyring.",
            )
            return
        kept += ": files on the disk, which FileVault encrypts" if encrypted else ": files on the disk"
    elif store.asks_after_renewal:
        kept += "; macOS asks for permission again after each renewal"
    yield Finding("session store", "good", kept)


def _check_configuration(options: Options) -> Iterator[Finding]:
    config = config_file.load()
    yield Finding("configuration", "good", f"{paths.config_file()}, {format_count(len(config.profiles), 'profile')}")


def _check_deployment(options: Options) -> Iterator[Finding]:
    profile = profiles.resolve(None, profiles.Overrides(timeout=options.timeout))
    deployment_time = Deployment(profile.root_url, deadline=time.monotonic() + profile.timeout).ping()
    yield Finding("deployment", "good", f"{profile.root_url} answers")
    skew = time.time() - deployment_time
    if abs(skew) > _SKEW:
        way = "ahead of" if skew > 0 else "behind"
        text = (
            f"this machine is {format_duration(abs(skew))} {way} {profile.root_url}, which will refuse its signatures"
        )
        yield Finding(
            "clock", "bad", text, f"Set the clock: {_CLOCK_COMMANDS.get(sys.platform, _CLOCK_COMMANDS['linux'])}"
        )
    else:
        yield Finding("clock", "good", "agrees with the deployment's")


def _check_variables(options: Options) -> Iterator[Finding]:
    environ = os.environ
    if environ.get(environment.CERTIFICATE) and not environ.get(environment.PROFILE):
        yield Finding(
            "variables",
            "bad",
            f"{environment.CERTIFICATE} is set, but not by tcenv; with permanent credentials it breaks every call",
            f"unset {environment.CERTIFICATE}",
        )
    elif environ.get(environment.ACCESS_TOKEN) and not environ.get(environment.PROFILE):
        yield Finding(
            "variables", "note", "this shell has credentials that are not tcenv's", "Does a start-up file set them?"
        )
    else:
        yield Finding("variables", "good", "nothing conflicts")


def _check_other_credentials(options: Options) -> Iterator[Finding]:
    found = False
    for problem, fix in conflicts.find_conflicts():
        found = True
        yield Finding("other credentials", "note", problem, fix)
    if not found:
        yield Finding("other credentials", "good", "none that conflict with tcenv's")


# The checks by the name that a failure is reported under. A wrong configuration comes before what cannot work without it.
_CHECKS: dict[str, Callable[[Options], Iterator[Finding]]] = {
    "configuration": _check_configuration,
    "shell": _check_shell,
    "PATH": _check_path,
    "browser": _check_browser,
    "loopback": _check_loopback,
    "session store": _check_store,
    "deployment": _check_deployment,
    "variables": _check_variables,
    "other credentials": _check_other_credentials,
}
