"""The function and the prompt hook in a real terminal, while another terminal changes the session."""

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
from tcenv.sessions import session_file
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.session import Session
from tests.fake_clock import FakeClock
from tests.programs import require
from tests.shells.interactive import WITH_CLOCK, WITH_HOOK, is_unloaded, start_shell
from tests.shells.real import BY_NAME
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

# Lines before tcenv's text and after it, for shells that libfaketime does not reach: nushell is linked statically, bash has its
# own `getenv`, and tcsh reads the time of a file. A child, or the clock's file, tells them the test's time. xonsh spins under
# libfaketime for half a minute, so only its children run under it.
_CLOCKS = {
    "nu": ('def "date now" [] {{ ^date +%s | into int | $in * 1_000_000_000 | into datetime }}', ""),
    "bash": ("unset EPOCHSECONDS", "PROMPT_COMMAND='EPOCHSECONDS=$(date +%s)'$'\\n'$PROMPT_COMMAND"),
    "tcsh": ("set tty = ..{clock}", ""),
    "xonsh": (
        "$LD_PRELOAD = '{preload}'\n"
        "import time; system_time = time.time; time.time = lambda: system_time() + int(open('{clock}').read())",
        "",
    ),
}
# The shells that have the function, without a hook or with one.
WITH_FUNCTION = ("bash", "zsh", "fish", "sh", "busybox", "yash", "ksh", "mksh")
# The shells whose hook starts no process, which strace shows.
FORKLESS = ("bash", "zsh", "fish", "ksh", "mksh", "tcsh")


def select_variables(env: dict[str, str]) -> dict[str, str | None]:
    return {name: env.get(name) for name in VARIABLES}


@pytest.mark.parametrize("shell", WITH_HOOK)
def test_a_shell_follows_another_terminal(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    caret = BY_NAME[shell].caret
    with start_shell(shell, tmp_path, env) as terminal:
        before = terminal.read_environment(caret)
        assert before.get("TASKCLUSTER_ACCESS_TOKEN") is None
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        fields = read_session_fields(env)
        expected = {**{name: fields.get(name) for name in VARIABLES}, "TASKCLUSTER_CERTIFICATE": None}
        expected["TCENV_LOADED"] = make_loaded_value(env, before=env["TASKCLUSTER_ROOT_URL"])
        assert select_variables(terminal.read_environment(caret)) == expected

        # Another terminal resets the token, and this one loads it at its next prompt.
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        terminal.press("Enter")
        token = terminal.read_environment(caret)["TASKCLUSTER_ACCESS_TOKEN"]
        assert token == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert token != expected["TASKCLUSTER_ACCESS_TOKEN"]

        # The function passes the words of other commands on.
        terminal.type("tcenv exec -- basename /a/thro.ugh .ugh")
        terminal.wait(lambda: "thro" in (line.strip() for line in terminal.read_screen().splitlines()), "the command")

        # Another terminal signs out, and this one unsets the variables and says so once.
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
        terminal.press("Enter")
        terminal.wait_for("signed out elsewhere")
        terminal.press("Enter")
        assert is_unloaded(terminal.read_environment(caret), env)
        assert terminal.read_screen().count("signed out elsewhere") == 1


def change_session(env: dict[str, str], **changes: object) -> None:
    """Store a changed session, as a later login would."""
    path = find_session_file(env)
    session = Session.from_parts(*session_file.read(str(path.parent), path.stem))  # type: ignore[misc]
    DirectoryStore("runtime", str(path.parent)).save(replace(session, **changes))  # type: ignore[arg-type]


@pytest.mark.linux
@pytest.mark.parametrize("shell", WITH_CLOCK)
def test_the_hook_announces_the_end_once_and_then_unloads(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    caret = BY_NAME[shell].caret
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    clock = FakeClock(tmp_path)
    before, after = _CLOCKS.get(shell, ("", ""))
    before = before.format(clock=clock.file, preload=clock.variables["LD_PRELOAD"])
    loading = evaluate("env", env=env)
    with start_shell(shell, tmp_path, loading, before, after, clock=clock) as terminal:
        terminal.read_environment(caret)
        now = int(time.time())
        change_session(env, credentials=Credentials("new/client", "n" * 44), created=now - 3600, expires=now + 3600)
        # The hook loads it at one prompt, and prints nothing.
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
        assert is_unloaded(terminal.read_environment(caret), env)
        terminal.press("Enter")
        assert is_unloaded(terminal.read_environment(caret), env)
        assert terminal.read_screen().count("has expired") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "ksh", "mksh", "xonsh"])
def test_the_hook_leaves_other_credentials_alone(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    assign = {"fish": "set -gx {} {}", "xonsh": "${} = '{}'"}.get(shell, "export {}={}")
    with start_shell(shell, tmp_path, env) as terminal:
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
    """The tour begins with this line. The prompt comes back, and the sandbox runs."""
    output = tmp_path / "url"
    with socket.create_server(("localhost", 0)) as server, start_shell(shell, tmp_path, make_env()) as terminal:
        port = server.getsockname()[1]
        terminal.read_environment()
        if shell == "fish":
            # fish would wait for its function, deaf to Ctrl-C.
            terminal.type("tcenv sandbox &")
            terminal.wait_for(": command tcenv sandbox &")
            # In a pipeline, fish runs its function as usual.
            terminal.type(f"tcenv sandbox --port {port} | cat; echo that is $pipestatus")
            terminal.wait_for("that is 1 0")
            assert terminal.read_screen().count("in the background") == 1
        server.close()
        command = "command tcenv sandbox" if shell == "fish" else "tcenv sandbox"
        terminal.type(f"{command} --port {port} > {output} &")
        try:
            terminal.wait_for("A public Taskcluster sandbox")
            terminal.wait(
                lambda: output.exists() and output.read_text() == f"http://localhost:{port}\n", "its root URL"
            )
            assert terminal.read_environment()["PATH"]
        finally:
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    if f"--port\0{port}\0" in (process / "cmdline").read_text(errors="replace"):
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
def test_the_hook_works_with_other_options_aliases_and_hooks(
    shell: str, before: str, after: str, deployment: Sandbox, tmp_path: Path
) -> None:
    """It keeps $? and prints nothing."""
    env = make_env(deployment)
    with start_shell(shell, tmp_path, env, before, after) as terminal:
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
def test_the_prompt_survives_an_interrupted_command(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    """Ctrl-C ends a command with a special status, which the hook keeps."""
    with start_shell(shell, tmp_path, make_env(deployment)) as terminal:
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


@pytest.mark.parametrize("shell", WITH_FUNCTION)
def test_the_function_keeps_statuses_and_substitutions(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    rc = tmp_path / "rc"
    rc.write_text(make_init_text(shell, "--no-hook", env=env))
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
    done = BY_NAME[shell].run(script, env)
    assert done.stdout.split() == [
        *("a=3", "b=2", "c=42", "d=0", f"{deployment.user}/{NAME}", "e=0", "tcenv", "0.1.0", "f=0", "g=0", "x"),
    ], done.stderr


@pytest.mark.parametrize("shell", FORKLESS)
def test_twenty_prompts_start_no_process(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    """While nothing changes, the hook works in the shell itself. strace watches the shell."""
    env = make_env(deployment)
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    env = evaluate("env", env=env)
    trace = tmp_path / "trace"
    # fish's own prompt and title run programs.
    own = "function fish_prompt; echo '> '; end; function fish_title; end" if shell == "fish" else ""
    with start_shell(shell, tmp_path, env, after=own) as terminal:
        terminal.read_environment()
        terminal.type("echo at-the-pro''mpt")
        terminal.wait_for("at-the-prompt")
        pid = terminal._run("display-message", "-p", "-t", "t", "#{pane_pid}").strip()
        strace = subprocess.Popen(
            [require("strace"), "-f", "-qq", "-e", "trace=clone,clone3,fork,vfork,execve", "-o", str(trace), "-p", pid],
            stderr=subprocess.PIPE,
        )
        status = Path(f"/proc/{pid}/status")
        terminal.wait(lambda: "TracerPid:\t0\n" not in status.read_text(), "the tracer")
        for _ in range(20):
            before = terminal.read_screen()
            terminal.press("Enter")
            terminal.wait(lambda: terminal.read_screen() != before, "the next prompt")  # noqa: B023
        terminal.type("echo twenty-pro''mpts")
        terminal.wait_for("twenty-prompts")
        strace.terminate()
        strace.communicate(timeout=60)
        assert terminal.read_environment()["TASKCLUSTER_ACCESS_TOKEN"] == env["TASKCLUSTER_ACCESS_TOKEN"]
    calls = [line for line in trace.read_text().splitlines() if not re.search("resumed|SIGTERM|CLONE_THREAD", line)]
    assert calls == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "sh"])
def test_an_eval_twice_under_strict_flags(shell: str) -> None:
    script = f'set -euC; eval "$({TCENV} init {shell})"; eval "$({TCENV} init {shell})"; echo fine'
    done = BY_NAME[shell].run(script, make_env())
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_the_table_in_the_documentation_is_current() -> None:
    from tests.shells_table import PAGE, replace_table

    assert PAGE.read_text() == replace_table(PAGE.read_text()), "run: python -m tests.shells_table"
