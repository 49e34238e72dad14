"""The function and the prompt hook in a real terminal: what a person with two windows sees."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tcenv.deployment.credentials import Credentials
from tcenv.sandbox import Sandbox
from tcenv.sessions import session_file as sessionfile
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.session import Session
from tests.fake_clock import FakeClock
from tests.programs import require
from tests.terminal import Terminal
from tests.world import (
    NAME,
    TCENV,
    VARIABLES,
    evaluate,
    find_session_file,
    make_env,
    make_init_text,
    make_loaded_value,
    read_session_fields,
    tcenv,
)

PROGRAMS = {
    "bash": "bash",
    "zsh": "zsh",
    "fish": "fish",
    "ksh": "ksh93",
    "mksh": "mksh",
    "tcsh": "tcsh",
    "elvish": "elvish",
    "nu": "nu",
    "xonsh": "xonsh",
    "powershell": "pwsh",
}
# Which can tell the time without a process.
CLOCKED = [name for name in PROGRAMS if name != "elvish"]
# Ahead of tcenv's text and after it, where libfaketime does not reach the shell itself: nushell is linked statically, bash has
# a `getenv` of its own, and tcsh reads the time of a file. A child, or the clock's file, tells the test's time.
_CLOCKS = {
    "nu": ('def "date now" [] {{ ^date +%s | into int | $in * 1_000_000_000 | into datetime }}', ""),
    "bash": ("unset EPOCHSECONDS", "PROMPT_COMMAND='EPOCHSECONDS=$(date +%s)'$'\\n'$PROMPT_COMMAND"),
    "tcsh": ("set tty = ..{clock}", ""),
}


# Which have the function and no hook, beside those above.
FUNCTION_SHELLS = ("bash", "zsh", "fish", "sh", "busybox", "yash", "ksh", "mksh")
# Whose prompts are traced for processes.
TRACED = ("bash", "zsh", "fish", "ksh", "mksh", "tcsh")


def start(
    shell: str,
    folder: Path,
    env: dict[str, str],
    before: str = "",
    after: str = "",
    options: tuple[str, ...] = (),
    program: str | None = None,
    clock: FakeClock | None = None,
) -> Terminal:
    """An interactive shell whose start-up file has the text of `tcenv init` in it. `program` is another version of it, `clock`
    tells it the time."""
    text = make_init_text(shell, *options, env=env)
    rc = folder / f"rc.{shell}"
    rc.write_text(f"{before}\n{text}\n{text if shell not in ('nu',) else ''}\n{after}\n")
    program = program or require(PROGRAMS[shell])
    if shell == "bash":
        arguments = [program, "--noprofile", "--rcfile", str(rc)]
    elif shell == "zsh":
        rc.rename(folder / ".zshrc")
        env = {**env, "ZDOTDIR": str(folder)}
        arguments = [program, "-d"]
    elif shell == "fish":
        arguments = [program, "--no-config", "--init-command", f"source {rc}"]
    elif shell in ("ksh", "mksh"):
        env = {**env, "ENV": str(rc)}
        arguments = [program, "-i"]
    elif shell == "tcsh":
        (Path(env["HOME"]) / ".tcshrc").write_text(rc.read_text())
        arguments = [program]
    elif shell == "elvish":
        arguments = [program, "-rc", str(rc)]
    elif shell == "nu":
        config = folder / "config.nu"
        config.write_text(f"$env.config.show_banner = false\n$env.PROMPT_COMMAND_RIGHT = ''\n{rc.read_text()}")
        arguments = [program, "--config", str(config), "--env-config", "/dev/null"]
    elif shell == "powershell":
        profile = Path(env["HOME"]) / ".config/powershell/profile.ps1"
        profile.parent.mkdir(parents=True, exist_ok=True)
        profile.write_text(rc.read_text())
        arguments = [program, "-NoLogo"]
    else:
        arguments = [program, "--rc", str(rc)]
    if clock:
        # Not for tmux.
        arguments = ["env", *(f"{name}={value}" for name, value in clock.variables.items()), *arguments]
    # What is typed ahead of these shells' first prompt is lost.
    ready = {"nu": ">", "powershell": ">", "xonsh": "@#" if os.geteuid() == 0 else "@"}.get(shell, "")
    return Terminal(arguments, env, folder, ready=ready)


def loaded(env: dict[str, str]) -> dict[str, str | None]:
    return {name: env.get(name) for name in VARIABLES}


def unloaded(env: dict[str, str], before: dict[str, str]) -> bool:
    """Whether nothing of tcenv's is left, and the root URL is what it was before."""
    left = {name: env[name] for name in VARIABLES if env.get(name)}
    return left == {"TASKCLUSTER_ROOT_URL": before["TASKCLUSTER_ROOT_URL"]}


@pytest.mark.parametrize("shell", PROGRAMS)
def test_two_terminals_agree(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    caret = "^" if shell == "nu" else ""
    with start(shell, tmp_path, env) as terminal:
        before = terminal.read_environment(caret)
        assert before.get("TASKCLUSTER_ACCESS_TOKEN") is None
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        fields = read_session_fields(env)
        expected = {**{name: fields.get(name) for name in VARIABLES}, "TASKCLUSTER_CERTIFICATE": None}
        expected["TCENV_LOADED"] = make_loaded_value(env, before=env["TASKCLUSTER_ROOT_URL"])
        assert loaded(terminal.read_environment(caret)) == expected

        # Another window resets the token: this one has the new one at its next prompt.
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        terminal.press("Enter")
        healed = loaded(terminal.read_environment(caret))
        assert healed["TASKCLUSTER_ACCESS_TOKEN"] == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert healed["TASKCLUSTER_ACCESS_TOKEN"] != expected["TASKCLUSTER_ACCESS_TOKEN"]

        # The rest of the command line goes through, with its status.
        terminal.type("tcenv exec -- basename /a/thro.ugh .ugh")
        terminal.wait(lambda: "thro" in (line.strip() for line in terminal.read_screen().splitlines()), "the command")

        # Another window signs out: the variables go, with one message.
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
        terminal.press("Enter")
        terminal.wait_for("signed out elsewhere")
        terminal.press("Enter")
        assert unloaded(terminal.read_environment(caret), env)
        assert terminal.read_screen().count("signed out elsewhere") == 1


def craft(env: dict[str, str], **changes: object) -> None:
    """Put another session in the place of the stored one, as a later login would."""
    path = find_session_file(env)
    session = Session.from_parts(*sessionfile.read(str(path.parent), path.stem))  # type: ignore[misc]
    DirectoryStore("runtime", str(path.parent)).save(replace(session, **changes))  # type: ignore[arg-type]


@pytest.mark.linux
@pytest.mark.parametrize("shell", CLOCKED)
def test_the_end_is_announced_once_and_then_unloads(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    caret = "^" if shell == "nu" else ""
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    clock = FakeClock(tmp_path)
    before, after = _CLOCKS.get(shell, ("", ""))
    loading = evaluate("env", env=env)
    with start(shell, tmp_path, loading, before.format(clock=clock.file), after, clock=clock) as terminal:
        terminal.read_environment(caret)
        now = int(time.time())
        craft(env, credentials=Credentials("new/client", "n" * 44), created=now - 3600, expires=now + 3600)
        # Loaded at one prompt, as silently as it stays then.
        terminal.press("Enter")
        terminal.read_environment(caret)
        assert terminal.read_environment(caret)["TASKCLUSTER_ACCESS_TOKEN"] == "n" * 44
        assert "expires in" not in terminal.read_screen()
        clock.advance(3100)
        terminal.press("Enter")
        terminal.wait_for("expires in ")
        terminal.press("Enter")
        assert terminal.read_environment(caret)["TASKCLUSTER_ACCESS_TOKEN"] == "n" * 44
        assert terminal.read_screen().count("expires in") == 1
        clock.advance(3700)
        terminal.press("Enter")
        terminal.wait_for("has expired")
        assert unloaded(terminal.read_environment(caret), env)
        terminal.press("Enter")
        assert unloaded(terminal.read_environment(caret), env)
        assert terminal.read_screen().count("has expired") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "ksh", "mksh", "xonsh"])
def test_what_the_user_sets_and_temporary_credentials_are_left_alone(
    shell: str, deployment: Sandbox, tmp_path: Path
) -> None:
    env = make_env(deployment)
    assign = {"fish": "set -gx {} {}", "xonsh": "${} = '{}'"}.get(shell, "export {}={}")
    with start(shell, tmp_path, env) as terminal:
        terminal.read_environment()
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        terminal.read_environment()
        terminal.type(assign.format("TASKCLUSTER_ACCESS_TOKEN", "my-own"))
        terminal.press("Enter")
        assert terminal.read_environment()["TASKCLUSTER_ACCESS_TOKEN"] == "my-own"
        tcenv("logout", "--shell", "sh", env=env)
        terminal.press("Enter")
        assert terminal.read_environment()["TASKCLUSTER_ACCESS_TOKEN"] == "my-own"
        terminal.type("tcenv login --timeout 20s")
        terminal.wait(
            lambda: terminal.read_screen().count("Signed in as") == 2 or deployment.approvals == 2, "the second login"
        )
        terminal.wait(lambda: len(list(find_session_file(env, "x").parent.glob("*.session"))) == 1, "the session")
        terminal.read_environment()
        terminal.type(assign.format("TASKCLUSTER_CERTIFICATE", "cut"))
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        before = terminal.read_environment()["TASKCLUSTER_ACCESS_TOKEN"]
        assert before != read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "ksh", "mksh", "tcsh", "elvish"])
def test_the_sandbox_in_the_background(shell: str, tmp_path: Path) -> None:
    """The first line of the tour, in each shell that has an `&`: the prompt is there again, and the sandbox is."""
    kept = tmp_path / "url"
    with socket.create_server(("localhost", 0)) as server, start(shell, tmp_path, make_env()) as terminal:
        port = server.getsockname()[1]
        terminal.read_environment()
        if shell == "fish":
            # fish would wait for its function, deaf to Ctrl-C.
            terminal.type("tcenv sandbox &")
            terminal.wait_for(": command tcenv sandbox &")
            # In a pipeline it is at home there.
            terminal.type(f"tcenv sandbox --port {port} | cat; echo that is $pipestatus")
            terminal.wait_for("that is 1 0")
            assert terminal.read_screen().count("in the background") == 1
        server.close()
        command = "command tcenv sandbox" if shell == "fish" else "tcenv sandbox"
        terminal.type(f"{command} --port {port} > {kept} &")
        try:
            terminal.wait_for("A public Taskcluster sandbox")
            terminal.wait(lambda: kept.exists() and kept.read_text() == f"http://localhost:{port}\n", "its root URL")
            assert terminal.read_environment()["PATH"]
        finally:
            end_those_with(f"--port\0{port}\0")


def end_those_with(words: str) -> None:
    """End the processes with `words` in their command line."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if words in (process / "cmdline").read_text(errors="replace"):
                os.kill(int(process.name), signal.SIGTERM)


@pytest.mark.parametrize(
    ("shell", "before", "after"),
    [
        ("bash", "set -u; alias local=false builtin=false export=false", ""),
        ("bash", "PROMPT_COMMAND='MINE=$?'", ""),
        ("bash", "PROMPT_COMMAND=('MINE=$?' 'OTHER=1')", ""),
        ("bash", "PROMPT_COMMAND='MINE=$?; '", ""),
        ("bash", "set -o noclobber; IFS=:", ""),
        ("bash", "alias case=false if=false '[['=false return=false tcenv=false", ""),
        ("zsh", "setopt ksh_arrays no_unset sh_word_split no_clobber; alias emulate=false", "unsetopt no_unset"),
        ("zsh", "precmd() { MINE=$? }", ""),
        ("zsh", "IFS=:", ""),
        ("zsh", "emulate sh; setopt ignore_braces", ""),
        ("zsh", "alias case=false if=false '[['=false tcenv=false", ""),
        ("fish", "function __mine --on-event fish_prompt; set -g MINE $status; end", ""),
        ("ksh", "set -u", "set +u"),
        ("mksh", "set -u", "set +u"),
    ],
)
def test_a_good_guest(shell: str, before: str, after: str, deployment: Sandbox, tmp_path: Path) -> None:
    """Strict options, aliases over builtins and other people's hooks: $? stays, nothing is printed, and it works."""
    env = make_env(deployment)
    with start(shell, tmp_path, env, before, after) as terminal:
        terminal.type("echo re''ady")
        terminal.wait_for("ready")
        assert "tcenv" not in terminal.read_screen()
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        terminal.type("sh -c 'exit 7'")
        terminal.type("echo status=$status." if shell == "fish" else "echo status=$?.")
        terminal.wait_for("status=7.")
        if "MINE" in before:
            terminal.type("sh -c 'exit 9'")
            terminal.type("echo mine=$MINE.")
            terminal.wait_for("mine=9.")
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        terminal.press("Enter")
        token = terminal.read_environment()["TASKCLUSTER_ACCESS_TOKEN"]
        assert token == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert "rror" not in terminal.read_screen()
        assert "command not found" not in terminal.read_screen()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "ksh", "mksh", "tcsh"])
def test_an_interrupted_command_is_nothing_to_the_prompt(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    """Ctrl-C ends a command with a status of its own kind, which the hook hands on. The shell keeps its own prompt."""
    with start(shell, tmp_path, make_env(deployment)) as terminal:
        terminal.type("echo re''ady")
        terminal.wait_for("ready")
        for _ in range(2):
            terminal.type("/bin/sleep 30; echo sl''ept")
            terminal.wait_for_program("sleep")
            terminal.press("C-c")
            # Some shells lose what is typed ahead of the next prompt.
            terminal.wait(lambda: terminal.read_screen().rstrip()[-1:] in "#$%>", "the prompt")
        terminal.type("echo go''es-on")
        terminal.wait_for("goes-on")
        assert "slept" not in terminal.read_screen()


@pytest.mark.parametrize("shell", FUNCTION_SHELLS)
def test_the_function_passes_statuses_and_substitutions(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    rc = tmp_path / "rc"
    rc.write_text(make_init_text(shell, "--no-hook", env=env))
    program = require({"sh": "dash", "ksh": "ksh93"}.get(shell, shell))
    source = f"source {rc}" if shell == "fish" else f". {rc}"
    status = "$status" if shell == "fish" else "$?"
    evaluate = "tcenv env | source" if shell == "fish" else 'eval "$(tcenv env)"'
    script = f"""{source}
tcenv env; echo a={status}
tcenv login --no-such; echo b={status}
tcenv exec -- sh -c 'exit 42'; echo c={status}
tcenv login; echo d={status}
echo $TASKCLUSTER_CLIENT_ID
{evaluate}; echo e={status}
tcenv --version; echo f={status}
tcenv logout; echo g={status}
echo "x$TASKCLUSTER_CLIENT_ID"
"""
    done = subprocess.run(
        [program, *(["sh"] if shell == "busybox" else []), "-c", script],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.split() == [
        *("a=3", "b=2", "c=42", "d=0", f"{deployment.user}/{NAME}", "e=0", "tcenv", "0.1.0", "f=0", "g=0", "x"),
    ], done.stderr


@pytest.mark.parametrize("shell", TRACED)
def test_twenty_prompts_fork_nothing(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    """The steady state of the hook: no process is made. The shell is traced from outside, in a terminal."""
    env = make_env(deployment)
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    env = evaluate("env", env=env)
    trace = tmp_path / "trace"
    # fish's own prompt and title run programs.
    own = "function fish_prompt; echo '> '; end; function fish_title; end" if shell == "fish" else ""
    with start(shell, tmp_path, env, after=own) as plain:
        plain.read_environment()
        plain.type("echo at-the-pro''mpt")
        plain.wait_for("at-the-prompt")
        pid = plain._run("display-message", "-p", "-t", "t", "#{pane_pid}").strip()
        strace = subprocess.Popen(
            [require("strace"), "-f", "-qq", "-e", "trace=clone,clone3,fork,vfork,execve", "-o", str(trace), "-p", pid],
            stderr=subprocess.PIPE,
        )
        status = Path(f"/proc/{pid}/status")
        plain.wait(lambda: "TracerPid:\t0\n" not in status.read_text(), "the tracer")
        for _ in range(20):
            before = plain.read_screen()
            plain.press("Enter")
            plain.wait(lambda: plain.read_screen() != before, "the next prompt")  # noqa: B023
        plain.type("echo twenty-pro''mpts")
        plain.wait_for("twenty-prompts")
        strace.terminate()
        strace.communicate(timeout=60)
        assert plain.read_environment()["TASKCLUSTER_ACCESS_TOKEN"] == env["TASKCLUSTER_ACCESS_TOKEN"]
    calls = [line for line in trace.read_text().splitlines() if not re.search("resumed|SIGTERM|CLONE_THREAD", line)]
    assert calls == []


@pytest.mark.parametrize(
    ("shell", "check"),
    [
        ("bash", ["bash", "-n"]),
        ("zsh", ["zsh", "-n"]),
        ("fish", ["fish", "--no-execute"]),
        ("sh", ["dash", "-n"]),
        ("ksh", ["ksh93", "-n"]),
        ("mksh", ["mksh", "-n"]),
    ],
)
def test_the_text_parses(shell: str, check: list[str], tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text(make_init_text(shell, env=make_env()))
    done = subprocess.run([require(check[0]), *check[1:], str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "sh"])
def test_evaluated_under_strict_flags(shell: str) -> None:
    program = require({"sh": "dash"}.get(shell, shell))
    script = f'set -euC; eval "$({TCENV} init {shell})"; eval "$({TCENV} init {shell})"; echo fine'
    done = subprocess.run([program, "-c", script], env=make_env(), capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_the_table_in_the_documentation_is_what_is_tested() -> None:
    from tests.shells_table import PAGE, replace_table

    assert PAGE.read_text() == replace_table(PAGE.read_text()), "run: python -m tests.shells_table"
