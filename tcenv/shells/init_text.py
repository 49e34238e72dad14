"""Build the text of `tcenv init SHELL`: the shell's template from `shell/`, followed by its completion from
`completions/`."""

from __future__ import annotations

import os

from tcenv import resources
from tcenv.errors import UsageError
from tcenv.shells import EVALUATED, SHELLS, Shell, Unrepresentable, environment, load_shell, startup_file

_HOOK = "# --- hook\n"
_PROMPT = "# --- prompt\n"
# The part of a completion file after this line is for users who do not load the start-up text.
_STANDALONE = "# --- without the start-up text\n"


def render_startup_text(name: str, *, hook: bool = True, completion: bool = True, prompt: bool = False) -> str:
    """Return the text that the start-up file of the shell `name` evaluates. `prompt` adds the mark that shows the
    loaded profile. Raises UsageError for an unknown shell, and for one without start-up files."""
    shell = load_shell(name)
    if shell.template is None:
        known = [name for name in SHELLS if load_shell(name).template]
        raise UsageError(f"{shell.name} has no start-up file.", f"tcenv init supports: {', '.join(known)}.")
    text = resources.read("shell", shell.template)
    if text is None:
        raise UsageError(
            f"The start-up text of {shell.name} is missing from this installation.", "Install tcenv again."
        )
    if shell.sourcing_line is not None:
        line = shell.sourcing_line.replace("@HOOK@", str(int(hook))).replace("@PROMPT@", str(int(prompt)))
        return _fill_in(line, shell)
    text, mark, rest = text.partition(_PROMPT)
    if not hook:
        text = text.partition(_HOOK)[0]
    if prompt:
        text += mark + rest
    text = _fill_in(text, shell).replace("@COMPLETER@", shell.completer if completion else "")
    more = resources.read("completions", shell.completion) if completion and shell.completion else None
    if more:
        text += f"\n# --- completion\n{more.partition(_STANDALONE)[0]}"
    return shell.guard(text, os.environ)


def _fill_in(text: str, shell: Shell) -> str:
    """Replace the marks in `text` by their values, quoted for the shell."""
    places = {
        # With slashes also on Windows, where every shell takes them.
        "@SHELL@": resources.find_folder("shell").replace(os.sep, "/"),
        # Used while no directory on the PATH has tcenv.
        "@PROGRAM@": startup_file.find_own_program(),
    }
    text = text.replace("@EVALUATED@", shell.make_pattern(EVALUATED)).replace("@TOO_OLD@", shell.explain_too_old())
    text = text.replace("@VARIABLES@", shell.make_word_list(environment.VARIABLES))
    # Put NULs around each mark first, since a value may hold the text of a mark but never a NUL.
    for mark in places:
        text = text.replace(mark, f"\0{mark}\0")
    for mark, value in places.items():
        try:
            text = text.replace(f"\0{mark}\0", shell.quote(value))
        except Unrepresentable:
            text = text.replace(f"\0{mark}\0", shell.quote(""))
    return text
