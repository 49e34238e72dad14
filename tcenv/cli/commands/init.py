"""Carry out `tcenv init`: print a shell's start-up text, or add it to the start-up file."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tcenv import output, paths
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.command_line import READ, list_option_words
from tcenv.errors import Hint, TcenvError, UsageError
from tcenv.files import rewrite
from tcenv.shells import SHELLS, Shell, load_shell, startup_file
from tcenv.shells.detect import choose_shell
from tcenv.shells.init_text import render_startup_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcenv.cli.parsing import options as o


class Options(NamedTuple):
    """Print the text for a shell's start-up file: the `tcenv` function, the prompt hook and completion.

    Examples:
        tcenv init --install
        tcenv init --install --prompt --yes
        tcenv init --uninstall --all
    """

    shell: o.ShellArgument = None
    no_hook: o.NoHook = False
    no_completion: o.NoCompletion = False
    prompt: o.Prompt = False
    install: o.Install = False
    uninstall: o.Uninstall = False
    everything: o.EveryShell = False
    yes: o.Yes = False


def run(options: Options) -> int:
    """Print the start-up text of a shell, or add or remove the line in its start-up file that evaluates the text."""
    if options.everything:
        if not options.uninstall or options.install or options.shell:
            raise UsageError(
                "--all needs --uninstall, and takes no shell.", Hint(("tcenv", "init", "--uninstall", "--all"))
            )
        return _uninstall_everywhere(options)
    if options.install or options.uninstall:
        return _edit(options)
    if not options.shell:
        raise UsageError(
            "Which shell is it for?",
            Hint(
                *(("tcenv", "init", "bash"), "prints it,"),
                *(("tcenv", "init", "--install"), "adds it for you:"),
                ("tcenv", "init", "--help"),
            ),
        )
    output.write(_render_text(options.shell, options))
    return 0


def _render_text(shell: str, options: Options) -> str:
    hook, completion = not options.no_hook, not options.no_completion
    return render_startup_text(shell, hook=hook, completion=completion, prompt=options.prompt)


def _edit(options: Options) -> int:
    """Add the line to the start-up file of a shell, or remove it, after asking."""
    if options.install and options.uninstall:
        raise UsageError("Use either --install or --uninstall.")
    shell = load_shell(options.shell or choose_shell(None))
    home = paths.home()
    program = startup_file.find_own_program()
    path = shell.find_startup_file(os.environ, home)
    saved_text = _find_saved_text(shell, path)
    if options.uninstall:
        if _rewrite(path, startup_file.remove_line, options):
            _remove(saved_text)
            messages.confirm(f"Removed the line from {path}.")
        else:
            messages.confirm(f"{path} has no line of tcenv init --install.")
        return 0
    given = list_option_words(options, ("no_hook", "no_completion", "prompt"))
    line = startup_file.make_line(shell, saved_text or program, given, home)
    if not _rewrite(path, lambda text: startup_file.add_line(text, line), options, line, always=bool(saved_text)):
        messages.confirm(f"{path} has the line already.")
        return 0
    if saved_text:
        _write(saved_text, _render_text(shell.name, options))
    unread = shell.explain_unread(path, home)
    messages.confirm(f"Wrote {path}. {'New shells' if unread is None else 'Shells that read it'} have it.")
    for text in unread or ():
        messages.note(text)
    _say_how_to_use(shell, program, given, saved_text)
    return 0


def _find_saved_text(shell: Shell, path: str) -> str | None:
    """Return the file beside the start-up file `path` that holds the text; None for a shell that evaluates the program's
    output."""
    return os.path.join(os.path.dirname(path), shell.saved_text) if shell.saved_text else None


def _uninstall_everywhere(options: Options) -> int:
    """Remove the line from the start-up file of every shell. Returns 1 if one of them cannot be written."""
    home = paths.home()
    status, found = 0, False
    for shell in map(load_shell, SHELLS):
        for path in shell.list_startup_files(os.environ, home):
            try:
                is_changed = _rewrite(path, startup_file.remove_line, options)
                if _remove(_find_saved_text(shell, path)) or is_changed:
                    found = True
                    messages.confirm(f"Removed the line from {path}.")
            except UsageError:
                raise
            except TcenvError as error:
                messages.report_error(error)
                status = 1
    if not found and not status:
        messages.confirm("No start-up file has a line of tcenv init --install.")
    return status


def _rewrite(
    path: str, change: Callable[[str], str], options: Options, line: str | None = None, *, always: bool = False
) -> bool:
    """Show what `change` makes of a start-up file, ask, and write it. Returns False if nothing changes (with `always`, asks
    and writes anyway). `line` is the one to add."""
    while True:
        before = _read(path)
        after = change(before)
        if after == before and not always:
            return False
        _confirm_change(path, before, after, options)
        if _write(path, after, line, before=before):
            return True
        messages.note(f"{path} has changed in the meantime: reading it again.")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="", opener=paths.open_regular) as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise TcenvError(f"{path} cannot be read: {error.strerror}.") from None


def _confirm_change(path: str, before: str, after: str, options: Options) -> None:
    """Show the lines that go and those that come, and ask whether to write them. Raises UsageError if the user says no."""
    gone, new = _find_missing_lines(before, after), _find_missing_lines(after, before)
    real = os.path.realpath(path)
    messages.note(f"{path}" + (f" (a link to {real})" if real != os.path.abspath(path) else "") + ":")
    for sign, lines in (("-", gone), ("+", new)):
        for line in lines:
            # Do not wrap it: the user may have to paste it.
            messages.say(f"  {sign} {line}")
    if options.yes:
        return
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            "Nothing was written: there is no terminal to ask on.", "To write it without a question: --yes"
        )
    if messages.ask("Write that? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was written.")


def _find_missing_lines(text: str, other: str) -> list[str]:
    """Return the lines of `text` that `other` does not have, or has less often."""
    return list((Counter(text.splitlines()) - Counter(other.splitlines())).elements())


def _write(path: str, text: str, line: str | None = None, *, before: str | None = None) -> bool:
    """Write a start-up file or the text beside it, through links. Returns False if the file no longer holds `before`. Raises
    TcenvError, also for a file that its user has made read-only."""
    real = os.path.realpath(path)
    hint = f"Add this line where you want it: {line}" if line else "Remove the line yourself."
    try:
        if os.path.exists(real) and not os.stat(real).st_mode & 0o222:
            raise PermissionError(13, "it is read-only")
        if os.path.exists(real) and not os.access(real, os.W_OK):
            raise PermissionError(13, "you cannot write it")
        expected = None if before is None else _encode(before)
        return rewrite(real, _encode(text), before=expected, mode=0o666)
    except OSError as error:
        raise TcenvError(f"{path} cannot be written: {error.strerror}.", hint) from None


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _remove(path: str | None) -> bool:
    """Remove the text beside a start-up file. Returns False if there is none. Raises TcenvError."""
    if path is None:
        return False
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise TcenvError(f"{path} cannot be removed: {error.strerror}.") from None
    return True


def _say_how_to_use(shell: Shell, program: str, given: list[str], saved_text: str | None) -> None:
    """Say how to put tcenv on the PATH, which commands need: the start-up line has its path. Say which line loads the text
    into this shell, if it is the shell that the text is for."""
    import shutil

    name = "tcenv"
    if not shutil.which("tcenv"):
        name, folder = shell.quote_word(program), os.path.dirname(program)
        messages.note(f"tcenv is not on your PATH yet: add {folder} to it (pipx ensurepath, or uv tool update-shell).")
    try:
        if choose_shell(None) != shell.name:
            return
    except UsageError:
        return
    if saved_text:
        messages.hint("To load it in this shell:", (READ, saved_text))
    else:
        line = shell.eval_line.format(" ".join(["init", shell.name, *given]))
        messages.hint(f"To load it in this shell: {line.replace('tcenv', name, 1)}")
