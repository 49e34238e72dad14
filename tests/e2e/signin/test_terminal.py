"""Sign in on a real terminal: messages stay on the screen, and typed keys reach the right program."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require, run_program
from tests.terminal import Terminal
from tests.world import TCENV, make_env

TOKEN = "sEcReT-" + "x" * 37


class SignIn:
    """A sign-in in a terminal. The test is its browser."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self.terminal = terminal
        self.seen = folder / "url"

    def start(self, *arguments: str, env: str = "") -> None:
        words = " ".join(arguments)
        self.terminal.type(f"{env} {TCENV} login --shell sh {words} >/dev/null; echo status $?".strip())

    def wait(self) -> str:
        """Wait until the sign-in waits for the browser. Return the callback's address."""
        self.terminal.wait(lambda: self.seen.exists() and self.seen.read_text().endswith("\n"), "the browser")
        self.terminal.wait_for("Waiting for the browser")
        return parse_qs(urlsplit(self.url).query)["callback_url"][0]

    @property
    def url(self) -> str:
        return self.seen.read_text().splitlines()[-1]

    def wait_for_ticks(self, count: int = 2) -> None:
        """Wait until the countdown has changed `count` times."""
        for _ in range(count):
            before = self.countdown()
            self.terminal.wait(lambda before=before: self.countdown() not in ("", before), "another second")  # type: ignore[misc]

    def countdown(self) -> str:
        found = re.findall(r"· ([^·]*) left", self.terminal.read_screen())
        return found[-1] if found else ""

    def approve(self) -> None:
        done = run_program(sys.executable, "-m", "tcenv.sandbox.approve", self.url)
        assert done.returncode == 0, done.stderr

    def end(self, status: int = 0) -> str:
        """Wait for the end. Return the screen."""
        self.terminal.wait_for(f"status {status}\n")
        self.terminal.wait(
            lambda: self.terminal.read_screen().rstrip("\n").splitlines()[-1].startswith("$"), "the prompt"
        )
        return self.terminal.read_screen()


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>{tmp_path}/url\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def sign_in(deployment: Sandbox, browser: Path, tmp_path: Path) -> Iterator[SignIn]:
    env = make_env(deployment, BROWSER=f"{browser} %s", PS1="$ ", TCENV_TIMEOUT="5m")
    with Terminal([require("bash"), "--norc", "--noprofile"], env, tmp_path) as terminal:
        terminal.wait_for("$ ")
        yield SignIn(terminal, tmp_path)


def test_a_warning_during_the_wait_stays_on_the_screen(sign_in: SignIn) -> None:
    sign_in.start()
    sign_in.wait()
    sign_in.terminal.type("http://localhost:1/typed?clientId=a&accessToken=nothing")
    sign_in.terminal.wait_for("not the address")
    sign_in.wait_for_ticks()
    assert sign_in.terminal.read_screen().count("not the address") == 1
    sign_in.approve()
    screen = sign_in.end()
    assert screen.count("not the address") == 1
    assert "Waiting for the browser" not in screen


def test_an_outage_message_stays_on_the_screen(sign_in: SignIn, deployment: Sandbox) -> None:
    deployment.fail("hang-up", path="/api/")
    sign_in.start()
    sign_in.wait()
    sign_in.terminal.wait_for("cannot be reached")
    sign_in.wait_for_ticks()
    assert sign_in.terminal.read_screen().count("cannot be reached") == 1
    sign_in.terminal.press("C-c")
    assert sign_in.end(130).count("cannot be reached") == 1


@pytest.mark.parametrize(("before", "widths"), [(0, (60, 45, 120, 46, 90)), (30, (60, 31, 120, 24, 90))])
def test_resizing_leaves_no_remains_of_the_progress(before: int, widths: tuple[int, ...], sign_in: SignIn) -> None:
    """The progress may start at the top of the screen, where no line is above it."""
    if before:
        sign_in.terminal.type(f"seq {before}")
        sign_in.terminal.wait_for(f"\n{before}\n")
    sign_in.start()
    sign_in.wait()
    for columns in widths:
        sign_in.terminal.resize(columns, 40)
        sign_in.wait_for_ticks(1)
        assert sign_in.terminal.read_screen().count(" left") == 1, columns
    sign_in.terminal.resize(180, 40)
    sign_in.approve()
    screen = sign_in.end()
    for remains in ("waiting", " left", "already exists", "give up"):
        assert remains not in screen, screen


def test_a_stopped_sign_in_leaves_the_screen_to_the_shell(sign_in: SignIn) -> None:
    sign_in.start()
    sign_in.wait()
    sign_in.terminal.press("C-z")
    sign_in.terminal.wait_for("Stopped")
    assert "waiting" not in sign_in.terminal.read_screen()
    sign_in.terminal.type("fg")
    sign_in.terminal.wait_for("Waiting for the browser")
    sign_in.approve()
    sign_in.terminal.wait_for("Signed in as")
    assert "waiting" not in sign_in.terminal.read_screen()


def test_typed_ahead_keys_reach_the_shell(sign_in: SignIn) -> None:
    sign_in.start()
    sign_in.wait()
    sign_in.terminal.press("e", "c", "h", "o", " ", "a$((40+2))")
    sign_in.approve()
    sign_in.end()
    sign_in.terminal.wait_for("$ echo a$((40+2))")
    sign_in.terminal.press("Enter")
    sign_in.terminal.wait_for("a42\n")


def test_keys_typed_before_the_wait_reach_the_shell(sign_in: SignIn, browser: Path) -> None:
    """The browser types, because it starts before the terminal stops echoing."""
    socket = sign_in.terminal.socket
    browser.write_text(f'{browser.read_text()}env -u TMUX tmux -L {socket} send-keys -t t -l "echo b$((40+2))"\n')
    sign_in.start()
    sign_in.wait()
    sign_in.approve()
    sign_in.end()
    sign_in.terminal.wait_for("$ echo b42")


def test_an_unfinished_address_is_discarded(sign_in: SignIn) -> None:
    sign_in.start()
    callback = sign_in.wait()
    sign_in.terminal.press("-l", f"{callback}?clientId=mozilla&accessToken={TOKEN}")
    sign_in.approve()
    sign_in.end()
    sign_in.terminal.type("echo c$((40+2))")
    sign_in.terminal.wait_for("c42\n")
    assert "accessToken" not in sign_in.terminal.read_screen()


def test_other_typed_lines_are_reported_as_not_run(sign_in: SignIn) -> None:
    sign_in.start()
    callback = sign_in.wait()
    sign_in.terminal.type("make deploy")
    sign_in.terminal.type(callback.replace("localhost:", "localhost:1") + f"?clientId=a&accessToken={TOKEN}")
    sign_in.terminal.type(TOKEN)
    sign_in.terminal.wait_for("not the address")
    assert "make deploy" not in sign_in.terminal.read_screen()
    # tcenv also discards an unfinished line.
    sign_in.terminal.press("-l", "rm -rf rest")
    sign_in.approve()
    screen = sign_in.end()
    assert re.search(r"ot run.*make deploy", screen), screen
    assert "sEcReT" not in screen and "accessToken=" not in screen
    sign_in.terminal.type("echo d$((40+2))")
    sign_in.terminal.wait_for("d42\n")
    assert "rm -rf" not in sign_in.terminal.read_screen()


def test_enter_is_offered_only_if_it_can_be_pressed(sign_in: SignIn) -> None:
    sign_in.start("</dev/null")
    sign_in.wait()
    sign_in.wait_for_ticks(1)
    assert "Press Enter" not in sign_in.terminal.read_screen()
    assert "Client already exists" in sign_in.terminal.read_screen()
    sign_in.approve()
    sign_in.end()
