"""Record docs/terminal.svg, the README's animation (`make pictures`): a real session with two shells in tmux, a sandbox, and
keys at the speed of a person. The recording is an asciicast, which svg-term draws."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.world import BIN

PROJECT = Path(__file__).parent.parent.parent
PICTURE = PROJECT / "docs" / "terminal.svg"
_COLUMNS, _ROWS = 92, 29
# Seconds between two keys, and between two lines.
_KEY, _THOUGHT = 0.03, 1.6
# A text that could be an accessToken.
TOKEN_LIKE = re.compile(r"(?<![\w-])[\w-]{22,66}(?![\w-])")
# Words of the SVG that are as long.
_STYLE = {"animation-timing-function", "animation-iteration-count"}
# The path of the callback, which has been used.
_CALLBACK = re.compile(r"(?<=%2F)[0-9a-f]{40}\b")
_OTHER_PANE = "\x02o"  # tmux's prefix, and its key for the next pane


class Recording:
    """A terminal that records its output with times."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self._child = pexpect.spawn(command[0], command[1:], env=env, dimensions=(_ROWS, _COLUMNS), encoding="utf-8")
        self._start = time.monotonic()
        self.events: list[tuple[float, str]] = []

    def watch(self, seconds: float) -> None:
        """Record the output for `seconds`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                text = self._child.read_nonblocking(65536, timeout=left)
            except pexpect.TIMEOUT:
                return
            self.events.append((time.monotonic() - self._start, text))

    def watch_for(self, text: str, seconds: float) -> None:
        """Record the output until it shows `text`, for `seconds` at most."""
        before = len(self.events)
        end = time.monotonic() + seconds
        while time.monotonic() < end and text not in "".join(shown for _, shown in self.events[before:]):
            self.watch(0.2)

    def press(self, keys: str) -> None:
        self._child.send(keys)

    def type(self, line: str, seconds: float = _THOUGHT) -> None:
        """Type a line, press Enter, and record the output for `seconds`."""
        for character in line:
            self.press(character)
            self.watch(_KEY)
        self.watch(0.3)
        self.press("\r")
        self.watch(seconds)

    def find(self, text: str) -> float:
        """Return when the terminal first showed `text`, in seconds from the start."""
        seen = ""
        for at, shown in self.events:
            seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
            if text in seen:
                return at
        raise ValueError(f"the picture does not show {text!r}")

    def close(self) -> None:
        # Without another event, the animation would not show the last one.
        self.events.append((time.monotonic() - self._start, "\x1b[0m"))
        self._child.close(force=True)

    def render(self) -> Iterator[str]:
        """Yield the lines of an asciicast, version 2."""
        yield json.dumps({"version": 2, "width": _COLUMNS, "height": _ROWS})
        for at, text in self.events:
            yield json.dumps([round(at, 3), "o", text])


def record(folder: Path) -> str:
    """Play the session in a new home. Return the asciicast."""
    (folder / "run").mkdir(mode=0o700)
    (folder / "bashrc").write_text("PS1='\\[\\e[32m\\]$\\[\\e[0m\\] '\n" + 'eval "$(tcenv init bash)"\n')
    (folder / "tmux.conf").write_text(
        "set -g status off\nset -g default-terminal tmux-256color\nset -g pane-border-style fg=brightblack\n"
        "set -g pane-active-border-style fg=brightblack\nset -g escape-time 0\n"
    )
    shell = f"{require('bash')} --noprofile --rcfile {folder / 'bashrc'}"
    with Sandbox(user="github/42|jane") as sandbox:
        env = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "SHELL": require("bash"),
            "TASKCLUSTER_ROOT_URL": sandbox.root_url,
            "TCENV_DESCRIPTION": "tcenv",
            "BROWSER": f"{sys.executable} -m tcenv.sandbox.approve --wait 0.3 %s",
        }
        tmux = [require("tmux"), "-L", f"tcenv-{os.getpid()}", "-f", str(folder / "tmux.conf")]
        terminal = Recording(
            [*tmux, "new-session", shell, ";", "split-window", "-l", "17", shell, ";", "select-pane", "-U"], env
        )
        try:
            terminal.watch(2)
            # Show the output of the shells' start as one event.
            terminal.events = [(0.0, "".join(text for _, text in terminal.events))]
            terminal._start = time.monotonic() - 0.3
            terminal.type("tcenv login", 0)
            terminal.watch_for("Signed in", 20)
            terminal.watch(0.4)
            terminal.press(_OTHER_PANE)
            terminal.watch(0.2)
            terminal.type("tcenv login    # another terminal: the same session, no browser", 2)
            terminal.press(_OTHER_PANE)
            terminal.watch(0.4)
            terminal.type("tcenv login --reset    # a new token for the same client", 3)
            terminal.press(_OTHER_PANE)
            terminal.watch(0.6)
            terminal.type("tcenv status    # this one has the new token already", 0)
            terminal.watch_for("expires", 20)
            terminal.watch(4)
        finally:
            terminal.close()
            subprocess.run([*tmux, "kill-server"], capture_output=True, env=env)
    first, second = terminal.find("tcenv"), terminal.find("#")
    if first > 1 or second > 5:
        raise ValueError(
            f"the picture begins too late: the first command after {first:.1f} s, the second terminal {second:.1f} s"
        )
    return "\n".join(terminal.render()) + "\n"


def draw(cast: str) -> str:
    """Return the picture that svg-term makes of an asciicast."""
    program = PROJECT / ".tools/svg-term/node_modules/.bin/svg-term"
    command = [program, "--window", "--no-cursor", "--width", str(_COLUMNS), "--height", str(_ROWS), "--padding", "12"]
    done = subprocess.run(command, input=cast, capture_output=True, text=True, timeout=100, check=True)  # type: ignore[arg-type]
    # Keep the length, so that the lines stay in place.
    picture = _CALLBACK.sub("." * 40, done.stdout)
    # Make each frame as wide as the window: in a font with wider letters than svg-term assumes, a full line would show in the
    # next frame.
    picture = re.sub(r'<svg x="(\d+)">', rf'<svg x="\1" width="{_COLUMNS}">', picture)
    picture = picture.replace('font-size="1.67"', 'font-size="1.66"')
    found = find_token_like(picture)
    if found:
        raise ValueError(
            f"{len(found)} texts in the picture could be tokens: {', '.join(text[:6] + '…' for text in found)}"
        )
    return picture


def find_token_like(picture: str) -> set[str]:
    """Return the texts in the picture that could be an accessToken."""
    return set(TOKEN_LIKE.findall(picture)) - _STYLE


def main() -> int:
    """Write the picture."""
    with tempfile.TemporaryDirectory(prefix="tcenv-picture-", ignore_cleanup_errors=True) as folder:
        cast = record(Path(folder))
    PICTURE.write_text(draw(cast))
    print(f"{PICTURE.relative_to(PROJECT)}: {PICTURE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
