"""`tcenv shell` in a real terminal: start-up files, the mark in the prompt, job control and the end."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.shells.interactive import find_process_state, start_outer_shell
from tests.shells.real import BY_NAME
from tests.world import NAME, TCENV, make_init_text, read_session_fields, sign_in, tcenv

# Each shell's start-up file below the home folder, and a line that sets a clientId, a variable and a prompt.
STARTUP = {
    "bash": (".bashrc", "export TASKCLUSTER_CLIENT_ID=from-rc MINE=1; PS1='own> '"),
    "zsh": (".zshrc", "export TASKCLUSTER_CLIENT_ID=from-rc MINE=1; PROMPT='own> '"),
    "fish": (
        ".config/fish/config.fish",
        "set -gx TASKCLUSTER_CLIENT_ID from-rc; set -gx MINE 1; function fish_prompt; echo -n 'own> '; end",
    ),
    **{
        name: (f".{name}rc", "export TASKCLUSTER_CLIENT_ID=from-rc MINE=1; PS1='own> '")
        for name in ("ksh", "mksh", "yash")
    },
    "elvish": (
        ".config/elvish/rc.elv",
        "set-env TASKCLUSTER_CLIENT_ID from-rc; set-env MINE 1; set edit:prompt = { put 'own> ' }",
    ),
    "nu": (
        ".config/nushell/config.nu",
        "$env.TASKCLUSTER_CLIENT_ID = 'from-rc'; $env.MINE = '1'; $env.config.show_banner = false;"
        " $env.PROMPT_COMMAND = {|| 'own' }",
    ),
    "xonsh": (".xonshrc", "$TASKCLUSTER_CLIENT_ID = 'from-rc'; $MINE = '1'; $PROMPT = 'own> '"),
}


def write_startup_file(home: Path, shell: str, text: str) -> None:
    """Write the shell's start-up file of STARTUP."""
    path = home / STARTUP[shell][0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("shell", STARTUP)
def test_the_session_and_the_mark_come_after_the_start_up_files(
    shell: str, deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    env = sign_in(deployment)
    write_startup_file(home, shell, STARTUP[shell][1] + "\n")
    profile = read_session_fields(env)["TCENV_PROFILE"]
    caret = BY_NAME[shell].caret
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait_for(f"(tcenv:{profile}) own")
        inner = terminal.read_environment(caret)
        assert inner["MINE"] == "1"
        assert inner["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"
        assert inner["TASKCLUSTER_ACCESS_TOKEN"] == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert "__TCENV_LOAD" not in inner
        assert inner.get("ZDOTDIR") is None
        terminal.type(f"{caret}tcenv shell")
        terminal.wait_for("This is already a tcenv subshell")
        # Some shells lose what you type before the prompt.
        terminal.wait(lambda: "own" in terminal.read_screen().rstrip().splitlines()[-1], "the prompt")
        if shell == "xonsh":
            terminal.type("import sys; sys.exit(5)")
        else:
            terminal.type("exit 5")
        terminal.wait(lambda: terminal.read_screen().rstrip().endswith("outer>"), "the outer prompt")
        terminal.type("echo left=$?.")
        terminal.wait_for("left=5.")
        assert "TASKCLUSTER_ACCESS_TOKEN" not in terminal.read_environment()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_job_control_and_keys(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait_for("(tcenv:")
        # A unique length, by which the test finds the process.
        length = f"100.{random.randrange(10**9)}"
        terminal.type(f"sleep {length}")
        terminal.wait(lambda: find_process_state("sleep", length) == "S", "the job")
        terminal.press("C-z")
        terminal.wait(lambda: find_process_state("sleep", length) == "T", "the stopped job")
        terminal.type("fg")
        terminal.wait(lambda: find_process_state("sleep", length) == "S", "the job again")
        terminal.press("C-c")
        terminal.wait(lambda: find_process_state("sleep", length) is None, "the end of the job")
        terminal.type("echo still''-here")
        terminal.wait_for("still-here")
        terminal.resize(101, 33)
        # The new size arrives later.
        terminal.type('sh -c \'until test "$(stty size)" = "33 101"; do sleep 0.05; done; echo resi""zed\'')
        terminal.wait_for("resized")
        assert terminal.read_environment()["TCENV_SUBSHELL"]
        terminal.type("exit")
        terminal.wait_for("outer>")


def test_a_message_at_the_end_tells_of_a_reset(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type("tcenv shell --shell bash")
        terminal.wait_for("(tcenv:")
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        terminal.type("exit")
        terminal.wait_for("was reset in the meantime")


def test_a_subshell_can_have_fewer_scopes(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type("tcenv shell --shell bash --scope queue:scheduler-id:a --for 5m")
        terminal.wait_for("(tcenv:")
        inner = terminal.read_environment()
        assert "queue:scheduler-id:a" in inner["TASKCLUSTER_CERTIFICATE"]


def test_without_a_terminal_it_reads_its_input(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    for shell in ("bash", "zsh", "fish", "dash"):
        done = subprocess.run(
            [TCENV, "shell", "--shell", shell],
            env=env,
            input='printf %s "$TASKCLUSTER_CLIENT_ID"; exit 3\n',
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.stdout, done.returncode) == (f"{deployment.user}/{NAME}", 3), done.stderr


def test_no_token_in_ps(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    with start_outer_shell(env, tmp_path) as terminal:
        for shell in ("bash", "zsh", "fish"):
            terminal.type(f"tcenv shell --shell {shell}")
            terminal.wait_for("(tcenv:")
            shown = subprocess.run(
                [require("ps"), "-eo", "args", "ww"], capture_output=True, text=True, check=True
            ).stdout
            assert "tcenv shell" in shown
            assert token not in shown
            terminal.type("exit")
            terminal.wait(lambda: terminal.read_screen().rstrip().endswith("outer>"), "the outer prompt")


# Start-up files whose theme or integration changes the prompt.
WRAPPED = {
    "a zsh theme that comes last": (
        "zsh",
        ".zshrc",
        "theme() { PROMPT='own> '; precmd_functions=(${precmd_functions:#theme} theme) }\nprecmd_functions=(theme)\n",
    ),
    "a zsh prompt that is set anew": ("zsh", ".zshrc", "precmd() { PROMPT='own> ' }\n"),
    "a bash integration that wraps": (
        "bash",
        ".bashrc",
        'PS1="own> "\nwrap() { [[ $PS1 == "$W" ]] || { W="\\[\\e[1m\\]$PS1\\[\\e[0m\\]"; PS1=$W; }; }\nPROMPT_COMMAND=wrap\n',
    ),
    "a bash prompt that is set anew": ("bash", ".bashrc", "PROMPT_COMMAND='PS1=\"own> \" # mine'\n"),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_one_mark_with_a_theme_or_an_integration(kind: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    shell, path, text = WRAPPED[kind]
    env = sign_in(deployment)
    mark = f"(tcenv:{read_session_fields(env)['TCENV_PROFILE']}) own>"
    (home / path).write_text(text)
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait(lambda: terminal.read_screen().rstrip().endswith(mark), "the mark")
        for count in range(2, 5):
            terminal.press("Enter")
            terminal.wait(lambda count=count: terminal.read_screen().count(mark) >= count, "the next prompt")  # type: ignore[misc]
        # Read the screen once, because the shell may draw a prompt between two reads.
        screen = terminal.read_screen()
        assert screen.count("(tcenv:") == screen.count(mark)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_mark_stays_with_a_virtual_environment(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    env = sign_in(deployment)
    own = STARTUP[shell][1].replace("TASKCLUSTER_CLIENT_ID=from-rc ", "")
    write_startup_file(home, shell, f"{own}\n{make_init_text(shell, env=env)}")
    subprocess.run([require("python3"), "-m", "venv", "--without-pip", home / "venv"], check=True)
    profile = read_session_fields(env)["TCENV_PROFILE"]
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait(lambda: terminal.read_screen().rstrip().endswith(f"(tcenv:{profile}) own>"), "the mark")
        terminal.type(f". {home}/venv/bin/activate")
        terminal.wait(lambda: terminal.read_screen().rstrip().endswith(f"(venv) (tcenv:{profile}) own>"), "both")
        terminal.type("tcenv logout --keep-client")
        terminal.wait(
            lambda: terminal.read_screen().rstrip().endswith("(venv) (tcenv) own>"), "the mark without a profile"
        )
        terminal.type("deactivate")
        terminal.wait(lambda: terminal.read_screen().rstrip().endswith("\n(tcenv) own>"), "the mark alone")


def test_a_nested_bash_is_silent_about_an_inherited_PROMPT_COMMAND(
    deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    write_startup_file(home, "bash", "export PROMPT_COMMAND='history -a; '\nPS1='own> '\n")
    with start_outer_shell(sign_in(deployment), tmp_path) as terminal:
        terminal.type("tcenv shell --shell bash")
        terminal.wait_for("(tcenv:")
        terminal.type("PS1='below> ' bash --norc")
        terminal.wait_for("below>")
        terminal.type("false")
        terminal.type("echo status=$?.")
        terminal.wait_for("status=1.")
        assert "not found" not in terminal.read_screen()
        assert "rror" not in terminal.read_screen()


@pytest.mark.parametrize("shell", ["bash", "ksh", "mksh"])
def test_set_v_shows_no_token(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    """`set -v` in the user's start-up file is off only while the subshell loads the session."""
    env = sign_in(deployment)
    write_startup_file(home, shell, f"{STARTUP[shell][1]}\nset -v\n")
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait(lambda: terminal.read_screen().rstrip().endswith("own>"), "the prompt")
        terminal.type("case $- in *v*) echo still''-on ;; esac")
        terminal.wait_for("still-on")
        assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in terminal.read_screen()
