"""`tcenv shell` in a real terminal: start-up files, the mark, job control, leaving."""

from __future__ import annotations

import random
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.terminal import Terminal
from tests.world import NAME, TCENV, read_session_fields, sign_in, tcenv

# shell -> its start-up file below the home folder, a line that sets a variable there, the prompt's last characters
STARTUP = {
    "bash": (".bashrc", "export TASKCLUSTER_CLIENT_ID=from-rc MINE=1; PS1='own> '"),
    "zsh": (".zshrc", "export TASKCLUSTER_CLIENT_ID=from-rc MINE=1; PROMPT='own> '"),
    "fish": (
        ".config/fish/config.fish",
        "set -gx TASKCLUSTER_CLIENT_ID from-rc; set -gx MINE 1; function fish_prompt; echo -n 'own> '; end",
    ),
    "ksh": (".kshrc", "export TASKCLUSTER_CLIENT_ID=from-rc MINE=1; PS1='own> '"),
    "mksh": (".mkshrc", "export TASKCLUSTER_CLIENT_ID=from-rc MINE=1; PS1='own> '"),
    "yash": (".yashrc", "export TASKCLUSTER_CLIENT_ID=from-rc MINE=1; PS1='own> '"),
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


def outer(env: dict[str, str], folder: Path) -> Terminal:
    """The terminal's first shell, in which the subshell is started."""
    return Terminal([require("bash"), "--norc", "--noprofile"], {**env, "PS1": "outer> "}, folder)


def state_of(*arguments: str) -> str | None:
    """The state of the process with this command line (S sleeping, T stopped), None where there is none."""
    wanted = "\0".join(arguments) + "\0"
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_text(errors="replace") == wanted:
                return (folder / "stat").read_text().rpartition(")")[2].split()[0]
    return None


@pytest.mark.parametrize("shell", STARTUP)
def test_the_session_comes_after_the_start_up_files_and_the_mark_survives_them(
    shell: str, deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    env = sign_in(deployment)
    path, text = STARTUP[shell]
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(text + "\n")
    profile = read_session_fields(env)["TCENV_PROFILE"]
    caret = "^" if shell == "nu" else ""
    with outer(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait_for(f"(tcenv:{profile}) own")
        inner = terminal.read_environment(caret)
        assert inner["MINE"] == "1"
        assert inner["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"
        assert inner["TASKCLUSTER_ACCESS_TOKEN"] == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert "__TCENV_LOAD" not in inner
        assert inner.get("ZDOTDIR") is None
        terminal.type("tcenv shell" if shell != "nu" else "^tcenv shell")
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
    with outer(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait_for("(tcenv:")
        # A length of its own, by which its process is found among others'.
        length = f"100.{random.randrange(10**9)}"
        terminal.type(f"sleep {length}")
        terminal.wait(lambda: state_of("sleep", length) == "S", "the job")
        terminal.press("C-z")
        terminal.wait(lambda: state_of("sleep", length) == "T", "the stopped job")
        terminal.type("fg")
        terminal.wait(lambda: state_of("sleep", length) == "S", "the job again")
        terminal.press("C-c")
        terminal.wait(lambda: state_of("sleep", length) is None, "the end of the job")
        terminal.type("echo still''-here")
        terminal.wait_for("still-here")
        terminal.resize(101, 33)
        # The new size is on its way.
        terminal.type('sh -c \'until test "$(stty size)" = "33 101"; do sleep 0.05; done; echo resi""zed\'')
        terminal.wait_for("resized")
        assert terminal.read_environment()["TCENV_SUBSHELL"]
        terminal.type("exit")
        terminal.wait_for("outer>")


def test_a_note_on_leaving_when_the_token_was_reset(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    with outer(env, tmp_path) as terminal:
        terminal.type("tcenv shell --shell bash")
        terminal.wait_for("(tcenv:")
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        terminal.type("exit")
        terminal.wait_for("was reset in the meantime")


def test_a_subshell_can_hold_less(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    with outer(env, tmp_path) as terminal:
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
    with outer(env, tmp_path) as terminal:
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


# What a theme, a virtual environment and a terminal's integration do to the prompt.
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
def test_one_mark_whatever_makes_the_prompt(kind: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    shell, path, text = WRAPPED[kind]
    env = sign_in(deployment)
    mark = f"(tcenv:{read_session_fields(env)['TCENV_PROFILE']}) own>"
    (home / path).write_text(text)
    with outer(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait(lambda: terminal.read_screen().rstrip().endswith(mark), "the mark")
        for count in range(2, 5):
            terminal.press("Enter")
            terminal.wait(lambda count=count: terminal.read_screen().count(mark) >= count, "the next prompt")  # type: ignore[misc]
        # One look at the screen: between two, the shell may draw a prompt.
        screen = terminal.read_screen()
        assert screen.count("(tcenv:") == screen.count(mark)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_virtual_environment_comes_and_goes(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    """With the real `activate` and `deactivate`: one mark, and no profile in it after the logout."""
    env = sign_in(deployment)
    path, text = STARTUP[shell]
    (home / path).write_text(
        text.replace("TASKCLUSTER_CLIENT_ID=from-rc ", "") + f"\n{tcenv('init', shell, env=env).stdout}"
    )
    subprocess.run([require("python3"), "-m", "venv", "--without-pip", home / "venv"], check=True)
    profile = read_session_fields(env)["TCENV_PROFILE"]
    with outer(env, tmp_path) as terminal:
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


def test_a_bash_below_is_silent_about_what_it_inherits(deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    (home / ".bashrc").write_text("export PROMPT_COMMAND='history -a; '\nPS1='own> '\n")
    with outer(sign_in(deployment), tmp_path) as terminal:
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
def test_no_trace_of_input_shows_the_token(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    """`set -v` in the user's start-up file stays on, but for the moment in which the session is loaded."""
    env = sign_in(deployment)
    path, text = STARTUP[shell]
    (home / path).write_text(f"{text}\nset -v\n")
    with outer(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait(lambda: terminal.read_screen().rstrip().endswith("own>"), "the prompt")
        terminal.type("case $- in *v*) echo still''-on ;; esac")
        terminal.wait_for("still-on")
        assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in terminal.read_screen()
