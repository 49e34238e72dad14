"""Opens a browser that can neither write to our stdout nor hold it open.

`BROWSER` means what Python's `webbrowser` documents: commands separated by `os.pathsep`, `%s` for the URL (appended where
it is missing), a trailing `&`, or the name of a browser that `webbrowser` knows."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

# They draw in the terminal, which is ours: without a display they count as no browser.
_IN_TERMINAL = frozenset({"www-browser", "lynx", "links", "elinks", "w3m", "links2"})
_DESKTOP = ("xdg-open", "gio open", "x-www-browser", "firefox", "chromium", "google-chrome")
# How long a launcher may take to fail (seconds); one that is still at work then has found something to open.
_PATIENCE = 0.25


def open_browser(url: str, command: str | None = None) -> bool:
    """Start a browser at `url`; `command` goes before `BROWSER`, and that before the desktop's own. False when none could
    be started: the user has the URL, and the wait goes on."""
    named = command or os.environ.get("BROWSER")
    if named:
        return any(_start(_command_line(entry, url)) for entry in named.split(os.pathsep) if entry.strip())
    if sys.platform == "darwin":
        return _start(["/usr/bin/open", url])
    if os.name == "nt":
        os.startfile(url)  # type: ignore[attr-defined,unused-ignore]
        return True
    if _is_wsl() and (shutil.which("wslview") or shutil.which("explorer.exe")):
        return _start(["wslview" if shutil.which("wslview") else "explorer.exe", url])
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return any(_start([*entry.split(), url]) for entry in _DESKTOP if shutil.which(entry.split()[0]))


def _is_wsl() -> bool:
    return bool(os.environ.get("WSL_DISTRO_NAME"))


def _command_line(entry: str, url: str) -> list[str] | None:
    try:
        words = shlex.split(entry)
    except ValueError:
        return None
    if words and words[-1] == "&":
        words.pop()
    if not words or os.path.basename(words[0]) in _IN_TERMINAL:
        return None
    if len(words) == 1 and "%s" not in entry and not shutil.which(words[0]):
        return _registered(words[0], url)
    if any("%s" in word for word in words[1:]):
        return [words[0], *(word.replace("%s", url) for word in words[1:])]
    return [*words, url]


def _registered(name: str, url: str) -> list[str] | None:
    """A browser that `webbrowser` knows under a name that is no command (`chrome`, `macosx`, `windows-default`): opened by
    that module in a process of its own, so that its output is nobody's."""
    import webbrowser

    try:
        webbrowser.get(name)
    except webbrowser.Error:
        return None
    program = "import sys, webbrowser; sys.exit(not webbrowser.get(sys.argv[1]).open(sys.argv[2]))"
    return [sys.executable, "-c", program, name, url]


def _start(arguments: list[str] | None) -> bool:
    if not arguments:
        return False
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=True,
            # Ctrl-C in our terminal is meant for us, and a closing terminal must not close the browser.
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        return process.wait(_PATIENCE) == 0
    except subprocess.TimeoutExpired:
        process.returncode = 0  # it outlives us; nobody is to wait for it
        return True
