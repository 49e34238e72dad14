"""The text of `tcenv init SHELL`: shell code from `shell/`, with completion from `completions/` behind it."""

from __future__ import annotations

import shlex

from tcenv import shipped
from tcenv.errors import UsageError
from tcenv.shells import canonical

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
# In a completion file: from here on it is for those who do without the start-up text.
_STANDALONE = "# --- without the start-up text\n"


def startup_text(shell: str, *, hook: bool = True, completion: bool = True) -> str:
    """What the start-up file of `shell` evaluates. Raises UsageError for a shell that tcenv does not know, or that has no
    start-up files (cmd)."""
    name = canonical(shell)
    if name not in _FILES:
        raise UsageError(f"{name} has no start-up file.", f"tcenv init knows: {', '.join(_FILES)}.")
    start, complete = _FILES[name]
    text = shipped.read("shell", start)
    if text is None:
        raise UsageError(f"The start-up text of {name} is missing from this installation.", "Install tcenv again.")
    if "@SHELL_FILES@" in text:
        text = text.replace("@SHELL_FILES@", shlex.quote(str(shipped.folder("shell"))))
    if not hook:
        text = text.partition(_HOOK)[0]
    more = shipped.read("completions", complete) if completion and complete else None
    if more:
        more = more.partition(_STANDALONE)[0]
    return text + (f"\n# --- completion\n{more}" if more else "")
