"""The one line in a start-up file that makes a shell evaluate `tcenv init`: what it says in each shell, in which file it stands,
and a file's text with and without it. It names the program by its path, since start-up files are read before the PATH is whole,
and does nothing where that is gone. Reads and writes no file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from tcenv.errors import UsageError
from tcenv.shells import dialect

# The end of the line, by which it is found again.
MARK = "# tcenv init --install"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@%,")
_POSIX = ("bash", "zsh", "sh", "ksh", "mksh", "yash")


def program() -> str:
    """The path by which this tcenv was called, links and all: what it leads to may change with an upgrade."""
    called = sys.argv[0]
    if os.path.basename(called).partition(".")[0] == "tcenv":
        found: str | None = called
        if not os.path.dirname(called):
            import shutil

            found = shutil.which(called)
        if found and os.access(found, os.X_OK):
            return os.path.abspath(found)
    import sysconfig

    return os.path.join(sysconfig.get_path("scripts"), "tcenv")


def line(shell: str, path: str, options: Sequence[str], home: str) -> str:
    """The line for `shell` (canonical) that evaluates what the program at `path` prints, with `options` of `tcenv init`."""
    words = " ".join(["init", shell, *options])
    quoted = dialect(shell).quote(path)
    if shell in _POSIX:
        rest = path.removeprefix(home.rstrip("/") + "/")
        word = f'"$HOME"/{rest}' if rest != path and not set(rest) - _PLAIN else quoted
        text = f'[ ! -x {word} ] || eval "$({word} {words})"'
    elif shell == "fish":
        text = f"test -x {quoted}; and {quoted} {words} | source"
    elif shell == "tcsh":
        # Also read by scripts, which have no use for it.
        text = f"set __tcenv_program = {quoted}; if ( $?prompt && -x $__tcenv_program:q ) " + (
            f'eval "`$__tcenv_program:q {words}`"'
        )
    elif shell == "elvish":
        run = f"(external {quoted}) {words}"
        text = f"use path; if (path:is-regular &follow-symlink=$true {quoted}) {{ eval ({run} | slurp) }}"
    elif shell == "nu":
        # It evaluates nothing at run time: `path` is the text, written beside its configuration.
        text = f"source (if ({quoted} | path exists) {{ {quoted} }} else {{ null }})"
    elif shell == "xonsh":
        text = f"__import__('os').access({quoted}, 1) and execx($(@({quoted}) {words}))"
    else:
        raise UsageError(
            f"tcenv does not edit the start-up file of {shell}.",
            "Add it yourself: tcenv init powershell | Out-String | Invoke-Expression",
        )
    return f"{text} {MARK}"


def place(shell: str, environ: Mapping[str, str], home: str) -> str:
    """The path of the start-up file of `shell` (canonical) for this user. Raises UsageError where there is none to name."""
    config = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):
        config = os.path.join(home, ".config")
    if shell == "tcsh":
        names = (".tcshrc", ".cshrc")
        return os.path.join(home, next((name for name in names if os.path.lexists(os.path.join(home, name))), names[0]))
    if shell == "zsh":
        return os.path.join(environ.get("ZDOTDIR") or home, ".zshrc")
    if shell in ("sh", "ksh", "mksh") and os.path.isabs(environ.get("ENV", "")):
        return environ["ENV"]
    if shell == "xonsh" and not os.path.lexists(os.path.join(home, ".xonshrc")):
        return os.path.join(config, "xonsh", "rc.xsh")
    found = {
        "bash": os.path.join(home, ".bashrc"),
        "ksh": os.path.join(home, ".kshrc"),
        "mksh": os.path.join(home, ".mkshrc"),
        "yash": os.path.join(home, ".yashrc"),
        "fish": os.path.join(config, "fish", "config.fish"),
        "elvish": os.path.join(config, "elvish", "rc.elv"),
        "nu": os.path.join(config, "nushell", "config.nu"),
        "xonsh": os.path.join(home, ".xonshrc"),
    }.get(shell)
    if found is None:
        raise UsageError(
            f"{shell} has no start-up file that tcenv could find.",
            "POSIX shells read the file that ENV names: set it, or add the line where you want it."
            if shell == "sh"
            else "Add the text where you want it: tcenv init SHELL",
        )
    return found


def with_line(text: str, wanted: str) -> str:
    """`text` with the line: in the place of a former one, else at the end."""
    lines = text.splitlines(keepends=True)
    ours = [number for number, one in enumerate(lines) if _is_ours(one)]
    if ours:
        lines[ours[0]] = wanted + "\n"
        return "".join(one for number, one in enumerate(lines) if number not in ours[1:])
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join(lines) + wanted + "\n"


def without_line(text: str) -> str:
    """`text` without the line; all else is as it was."""
    return "".join(one for one in text.splitlines(keepends=True) if not _is_ours(one))


def evaluates(text: str, shell: str) -> bool:
    """Whether a start-up file with this text evaluates `tcenv init`, by our line or by one that the user has written."""
    lines = [one.strip() for one in text.splitlines()]
    return any(
        _is_ours(one) or (not one.startswith("#") and (f"tcenv init {shell}" in one or "tcenv.nu" in one))
        for one in lines
    )


def _is_ours(one: str) -> bool:
    return one.rstrip().endswith(MARK) and not one.lstrip().startswith("#")
