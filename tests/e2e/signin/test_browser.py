"""Start a browser: nothing waits for it, and it gets no token and no stream of tcenv."""

from __future__ import annotations

import base64
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.signin import browser as browser_module
from tcenv.signin.browser import PausedLaunch, open_browser
from tests.portholder import wait_until
from tests.programs import require, run_program
from tests.world import login, make_env

URL = "https://tc.example.com/auth/clients/create?name=a%2Bb&scope=x%3A%2A&callback_url=http%3A%2F%2Flocalhost%3A1%2Fs"
OPEN = (
    "import sys; from tcenv.signin.browser import open_browser; sys.exit(not open_browser(sys.argv[1], *sys.argv[2:]))"
)
MakeBrowser = Callable[..., Path]


@pytest.fixture
def make_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBrowser]:
    """Make a fake browser on PATH that writes down its arguments and its process, then does `work`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("sh", "bash", "sleep", "mv", "cat", "env", "readlink"):
        (folder / program).symlink_to(require(program))
    monkeypatch.setenv("PATH", str(folder))

    def make_browser(name: str, work: str = "") -> Path:
        script = folder / name
        seen = tmp_path / f"{name}.seen"
        script.write_text(f'#!{folder}/sh\nprintf "%s\\n" "$$" "$@" > "{seen}.new"; mv "{seen}.new" "{seen}"\n{work}\n')
        script.chmod(0o755)
        return seen

    yield make_browser
    for seen in tmp_path.glob("*.seen"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(seen.read_text().split()[0]), signal.SIGTERM)


@pytest.fixture
def long_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a program to fail, even on a slow machine."""
    for name in ("_LAUNCHER_SECONDS", "_PROGRAM_SECONDS"):
        monkeypatch.setattr(browser_module, name, 60)


def read_arguments(seen: Path) -> list[str]:
    """Wait for the fake browser to start. Return its arguments."""
    wait_until(seen.exists)
    return seen.read_text().splitlines()[1:]


def open_in_a_process(*command: str) -> subprocess.CompletedProcess[str]:
    return run_program(sys.executable, "-P", "-c", OPEN, URL, *command)


def test_a_browser_that_stays_open_holds_no_stream(make_browser: MakeBrowser) -> None:
    seen = make_browser("loud", "echo out; echo err >&2; cat; exec sleep 600")
    process = open_in_a_process("loud")  # returns at the end of file of both streams
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    assert read_arguments(seen) == [URL]
    os.kill(int(seen.read_text().split()[0]), 0)  # still there


def test_command_substitution_returns_while_the_browser_is_open(make_browser: MakeBrowser) -> None:
    make_browser("loud", "echo out; exec sleep 600")
    line = f'x=$({shlex.quote(sys.executable)} -c {shlex.quote(OPEN)} {shlex.quote(URL)} loud); printf "[%s]" "$x"'
    assert run_program("bash", "-c", line).stdout == "[]"


def test_the_browser_is_in_a_session_of_its_own(make_browser: MakeBrowser) -> None:
    seen = make_browser("quiet", "exec sleep 600")
    assert open_browser(URL, "quiet")
    read_arguments(seen)
    process = int(seen.read_text().split()[0])
    assert os.getsid(process) not in (0, os.getsid(0))
    assert os.getpgid(process) == os.getsid(process)
    with pytest.raises(ChildProcessError):
        os.waitpid(process, os.WNOHANG)


def test_a_browser_starts_while_other_threads_import(make_browser: MakeBrowser) -> None:
    """A forked interpreter would keep locks of threads that it does not have."""
    make_browser("quick")
    seen = make_browser("quiet", "exec sleep 600")
    program = (
        "import os, sys, threading\n"
        # Another thread may remove the module during an import.
        "def load():\n    while True:\n        try:\n            import wave; sys.modules.pop('wave', None)\n"
        "        except (ImportError, KeyError):\n            pass\n"
        "for _ in range(4):\n    threading.Thread(target=load, daemon=True).start()\n"
        "def fork():\n    raise AssertionError('forked')\n"
        "os.fork = fork\n"
        "from tcenv.signin.browser import PausedLaunch, open_browser\n"
        f"for _ in range(20):\n    assert open_browser({URL!r}, 'quick')\n"
        f"with PausedLaunch() as still:\n    assert open_browser({URL!r}, 'quiet', still.launch)\n"
        "os._exit(0)\n"
    )
    done = run_program(sys.executable, "-c", program)
    assert (done.returncode, done.stderr) == (0, "")
    assert read_arguments(seen)


def test_the_browser_gets_no_token_and_no_descriptor(
    make_browser: MakeBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_CERTIFICATE"):
        monkeypatch.setenv(name, "secret-from-before")
    monkeypatch.setenv("KEPT", "kept")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    make_browser("nosy", f'env > "{tmp_path}/env"; readlink /proc/$$/fd/* > "{tmp_path}/fds"; true')
    assert open_browser(URL, "nosy")
    os.close(descriptor)
    environment = (tmp_path / "env").read_text()
    assert "secret-from-before" not in environment
    assert "KEPT=kept" in environment
    assert str(tmp_path) not in (tmp_path / "fds").read_text().splitlines()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("fake", [URL]),
        ("fake %s", [URL]),
        ("fake --profile 'a b' %s --last", ["--profile", "a b", URL, "--last"]),
        ("fake --url=%s", [f"--url={URL}"]),
        ("fake --new-window", ["--new-window", URL]),
        ("fake %s &", [URL]),
        ("fake &", [URL]),
    ],
)
@pytest.mark.parametrize("by", ["BROWSER", "option"])
def test_the_command_is_read_as_webbrowser_documents(
    make_browser: MakeBrowser, monkeypatch: pytest.MonkeyPatch, entry: str, expected: list[str], by: str
) -> None:
    seen = make_browser("fake")
    if by == "BROWSER":
        monkeypatch.setenv("BROWSER", entry)
        assert open_browser(URL)
    else:
        monkeypatch.setenv("BROWSER", "not-there")
        assert open_browser(URL, entry)
    assert read_arguments(seen) == expected


@pytest.mark.parametrize(
    "name", ["My Browser (x86)/it's a browser.exe", 'a "quoted" name', "back\\slash 1", "fake --new-window"]
)
def test_an_executable_with_spaces_in_its_name_is_one_program(
    make_browser: MakeBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    seen = make_browser("fake")
    program = tmp_path / "Program Files" / name
    program.parent.mkdir(parents=True)
    (tmp_path / "bin/fake").rename(program)
    # The program may also be in a folder of the PATH, and have spaces around its name.
    monkeypatch.setenv("PATH", os.pathsep.join([os.environ["PATH"], str(tmp_path / "Program Files")]))
    for entry in (str(program), f" {program} ", *([] if "/" in name else [name])):
        monkeypatch.setenv("BROWSER", os.pathsep.join(["not-there", entry]))
        assert open_browser(URL)
        assert read_arguments(seen) == [URL]
        seen.unlink()
    # With %s, the entry is a line of words.
    assert not open_browser(URL, f"{program} %s")


@pytest.mark.usefixtures("long_watch")
def test_the_list_is_tried_in_order(make_browser: MakeBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    make_browser("fails", "exit 3")
    seen, later = make_browser("works"), make_browser("later")
    monkeypatch.setenv(
        "BROWSER", os.pathsep.join(["", "not-there", "not-there %s", "un'closed", "fails", "works", "later"])
    )
    assert open_browser(URL)
    assert read_arguments(seen) == [URL]
    assert not later.exists()


@pytest.mark.usefixtures("long_watch")
@pytest.mark.parametrize(
    ("browser", "failures"),
    [
        ("fails", ["fails: exit status 3"]),
        ("not-there:fails %s", ["not-there: not found", "fails: exit status 3"]),
        ("lynx", ["lynx: needs this terminal"]),
        ("fails:works", ["fails: exit status 3"]),
        ("works", []),
    ],
)
def test_failed_browsers_are_reported(
    browser: str, failures: list[str], make_browser: MakeBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_browser("fails", "exit 3")
    make_browser("works")
    monkeypatch.setenv("BROWSER", browser)
    for opening in (open_browser(URL, browser), open_browser(URL)):
        assert opening.failures == failures
        assert bool(opening) == browser.endswith("works")


@pytest.mark.usefixtures("long_watch")
def test_only_existing_desktop_programs_are_reported(
    make_browser: MakeBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_browser(URL).failures == ["the desktop's browser: not found"]
    make_browser("xdg-open", "exit 4")
    assert open_browser(URL).failures == ["xdg-open: exit status 4"]
    make_browser("firefox")
    opening = open_browser(URL)
    assert opening and opening.failures == []


@pytest.mark.usefixtures("long_watch")
def test_the_desktops_browser_comes_after_the_variable(
    make_browser: MakeBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = make_browser("xdg-open")
    monkeypatch.setenv("BROWSER", "not-there")
    assert not open_browser(URL), "there is no display"
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert open_browser(URL)
    assert read_arguments(seen) == [URL]
    assert not open_browser(URL, "not-there"), "--browser is this one or none"


def test_without_a_display_no_desktop_browser_is_started(
    make_browser: MakeBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [make_browser(name) for name in ("xdg-open", "x-www-browser", "www-browser", "w3m", "lynx")]
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    assert not open_browser(URL)
    assert not any(file.exists() for file in seen)


@pytest.mark.usefixtures("long_watch")
def test_a_desktop_without_a_browser_starts_none(make_browser: MakeBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    make_browser("xdg-open", "exit 3")
    monkeypatch.setenv("DISPLAY", ":0")
    assert not open_browser(URL)
    seen = make_browser("firefox")
    assert open_browser(URL)
    assert read_arguments(seen) == [URL]


@pytest.mark.parametrize("entry", ["lynx", "w3m %s", "/usr/bin/links", "www-browser", "elinks -no-home"])
def test_a_browser_that_needs_the_terminal_is_not_started(make_browser: MakeBrowser, entry: str) -> None:
    seen = make_browser(entry.split()[0].rpartition("/")[2])
    assert not open_browser(URL, entry)
    assert not seen.exists()


@pytest.mark.usefixtures("long_watch")
def test_an_entry_that_is_not_a_program_starts_no_browser(make_browser: MakeBrowser, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    for entry in (str(plain), str(tmp_path), "not-there", "&", "%s", "   ", ":"):
        assert not open_browser(URL, entry), entry


def test_a_name_that_only_webbrowser_knows_works(
    make_browser: MakeBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # webbrowser takes names in any case, and knows this browser if there is a display.
    seen = make_browser("firefox", "echo out; exec sleep 600")
    monkeypatch.setenv("DISPLAY", ":9")
    # Neither tcenv nor its child imports from the current directory.
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "webbrowser.py").write_text("raise SystemExit('owned')\n")
    monkeypatch.chdir(folder)
    process = open_in_a_process("Firefox")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    assert read_arguments(seen)[-1] == URL


def read_state(process: int) -> str:
    """Return the kernel's letter for the state of a process."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_paused_browser_runs_after_the_pause(make_browser: MakeBrowser, tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.touch()
    end = tmp_path / "end"
    seen = make_browser("busy", f"while [ ! -e {end} ]; do echo >> {count}; done")
    try:
        with PausedLaunch() as pause:
            assert open_browser(URL, "busy", pause.launch)
            wait_until(lambda: read_state(int(seen.read_text().split()[0])) == "T")
            before = count.stat().st_size
        wait_until(lambda: count.stat().st_size > before)
        assert read_arguments(seen) == [URL]
    finally:
        end.touch()


@pytest.mark.usefixtures("long_watch")
def test_a_program_that_fails_at_once_is_not_a_browser(make_browser: MakeBrowser) -> None:
    broken = "/bin/false"
    seen = make_browser("sound")
    with PausedLaunch() as pause:
        assert not open_browser(URL, broken, pause.launch)
        assert not open_browser(URL, "not-there", pause.launch)
        assert open_browser(URL, "sound", pause.launch)  # it has handed the address over, and is done
    assert read_arguments(seen) == [URL]


@pytest.mark.signals
def test_a_paused_browser_continues_when_tcenv_is_killed(make_browser: MakeBrowser) -> None:
    seen = make_browser("slow", "exec sleep 600")
    program = (
        "import os, signal, sys; from tcenv.signin.browser import PausedLaunch, open_browser\n"
        "pause = PausedLaunch(); open_browser(sys.argv[1], 'slow', pause.launch); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, URL], timeout=60).returncode == -signal.SIGKILL
    read_arguments(seen)
    browser = int(seen.read_text().split()[0])
    wait_until(lambda: read_state(browser) == "S")


def test_the_browser_gets_no_token_in_any_form(deployment: Sandbox, tmp_path: Path) -> None:
    seen = tmp_path / "environment"
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\nenv >{seen}\n")
    browser.chmod(0o755)
    token = "T" * 44
    env = make_env(
        deployment,
        BROWSER=f"{browser} %s",
        TASKCLUSTER_ACCESS_TOKEN=token,
        TASKCLUSTER_PROXY_URL="http://localhost:1/a-path-that-nobody-guesses",
        DIRENV_DIFF="eJzT0yMAABAIAg==",
        MY_COPY=f"x{token}y",
        PACKED=base64.b64encode(zlib.compress(f"export TASKCLUSTER_ACCESS_TOKEN={token}".encode())).decode(),
        HEADER="Authorization: Basic " + base64.b64encode(f"me:{token}".encode()).decode(),
        KEPT="yes",
    )
    login(env, "--timeout", "1s")
    given = seen.read_text()
    assert "KEPT=yes" in given
    assert token not in given
    assert not {"TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_PROXY_URL", "DIRENV_DIFF", "PACKED", "HEADER"} & {
        line.partition("=")[0] for line in given.splitlines()
    }
