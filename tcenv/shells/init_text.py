"""The text of `tcenv init SHELL`: shell code from `shell/`, with completion from `completions/` behind it."""

from __future__ import annotations

import os

from tcenv import paths, resources
from tcenv.errors import TcenvError, UsageError
from tcenv.shells import Unrepresentable, canonical, dialect, startup_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# shell -> start-up file, completion file
_FILES = {
    "bash": ("init.bash", "tcenv.bash"),
    "zsh": ("init.zsh", "_tcenv"),
    "sh": ("init.sh", None),
    "yash": ("init.sh", None),
    "ksh": ("init.ksh", None),
    "mksh": ("init.ksh", None),
    "fish": ("init.fish", "tcenv.fish"),
    "tcsh": ("init.tcsh", None),
    "elvish": ("init.elv", "tcenv.elv"),
    "nu": ("init.nu", "tcenv.nu"),
    "xonsh": ("init.xsh", None),
    "powershell": ("init.ps1", "tcenv.ps1"),
}
_HOOK = "# --- hook\n"
_PROMPT = "# --- prompt\n"
# In a completion file: from here on it is for those who do without the start-up text.
_STANDALONE = "# --- without the start-up text\n"
_TCSH = (
    "set __tcenv_shell = @SHELL@; set __tcenv_made = @PROGRAM@; set __tcenv_runtime = @RUNTIME@; "
    "set __tcenv_files = @FILES@; set __tcenv_store = @STORE@; set __tcenv_xdg = @XDG@; set __tcenv_hook = @HOOK@; "
    "set __tcenv_prompts = @PROMPT@; source $__tcenv_shell:q/init.tcsh;\n"
)


def startup_text(
    shell: str, store: str = "auto", *, hook: bool = True, completion: bool = True, prompt: bool = False
) -> str:
    """What the start-up file of `shell` evaluates; `store` is the one in use unless `TCENV_STORE` names another, `prompt` has
    the prompt show what is loaded. Raises UsageError for a shell that tcenv does not know, or without start-up files (cmd)."""
    name = canonical(shell)
    if name not in _FILES:
        raise UsageError(f"{name} has no start-up file.", f"tcenv init knows: {', '.join(_FILES)}.")
    start, complete = _FILES[name]
    text = resources.read("shell", start)
    if text is None:
        raise UsageError(f"The start-up text of {name} is missing from this installation.", "Install tcenv again.")
    if name == "tcsh":
        # Backquotes give it one line: the rest is read from where it is.
        line = _TCSH.replace("@HOOK@", str(int(hook))).replace("@PROMPT@", str(int(prompt)))
        return _filled(line, name, store)
    text, mark, rest = text.partition(_PROMPT)
    if not hook:
        text = text.partition(_HOOK)[0]
    if prompt:
        text += mark + rest
    more = resources.read("completions", complete) if completion and complete else None
    if more:
        more = more.partition(_STANDALONE)[0]
    return _filled(text, name, store) + (f"\n# --- completion\n{more}" if more else "")


def _filled(text: str, shell: str, store: str) -> str:
    """`text` with the places in it, each in the words of the shell."""
    quote = dialect(shell).quote
    places = {
        "@SHELL@": resources.folder("shell"),
        "@RUNTIME@": _own(paths.runtime_directory),
        "@FILES@": _own(paths.file_store_directory),
        "@STORE@": store,
        # Where the PATH finds none: it may not be whole yet, or never be.
        "@PROGRAM@": startup_file.program(),
        # The runtime store's place is known as long as this stays what it was.
        "@XDG@": os.environ.get("XDG_RUNTIME_DIR", ""),
    }
    # A value may read like a mark; none holds a NUL.
    for mark in places:
        text = text.replace(mark, f"\0{mark}\0")
    for mark, value in places.items():
        try:
            text = text.replace(f"\0{mark}\0", quote(value))
        except Unrepresentable:
            text = text.replace(f"\0{mark}\0", quote(""))
    return text


def _own(place: Callable[[], str | None]) -> str:
    """The directory that `place` finds, which need not be there yet; empty where it is open to others, or there is none: then
    hooks have nothing to look for. A shell starts all the same."""
    try:
        directory = place()
        if directory is not None:
            paths.check_directory(directory)
    except (paths.Unsafe, TcenvError, OSError):
        return ""
    return directory or ""
