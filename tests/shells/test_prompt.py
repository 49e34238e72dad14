"""`tcenv init --prompt` marks the prompt with the loaded profile, and a subshell's mark follows its session."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.shells.interactive import start_outer_shell, start_shell
from tests.shells.real import BY_NAME
from tests.shells.test_subshell import STARTUP
from tests.terminal import Terminal
from tests.world import make_env, make_init_text, read_session_fields, sign_in, tcenv

PROJECT = Path(__file__).parents[2]
# A line that sets the user's own prompt.
OWN = {
    "bash": "PS1='own> '",
    "zsh": "PROMPT='own> '",
    "ksh": "PS1='own> '",
    "mksh": "PS1='own> '",
    "fish": "function fish_prompt; echo -n 'own> '; end",
    "tcsh": "set prompt = 'own> '",
    "elvish": "set edit:prompt = { put 'own> ' }",
    "nu": "$env.PROMPT_COMMAND = {|| 'own' }; $env.PROMPT_INDICATOR = '> '",
    "xonsh": "$PROMPT = 'own> '",
}


def read_prompt(terminal: Terminal) -> str:
    """Return the last line on the screen, without what stands at its right."""
    lines = [line for line in terminal.read_screen().splitlines() if line.strip()]
    return lines[-1].strip().partition("   ")[0] if lines else ""


@pytest.mark.parametrize("shell", OWN)
def test_the_prompt_shows_the_loaded_profile(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    with start_shell(shell, tmp_path, env, before=OWN[shell], options=("--prompt",)) as terminal:
        terminal._ready = ""
        terminal.wait(lambda: read_prompt(terminal) == "own>", "the prompt")
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        profile = read_session_fields(env)["TCENV_PROFILE"]
        terminal.wait(lambda: read_prompt(terminal) == f"(tcenv:{profile}) own>", "the mark")
        terminal.press("Enter")
        terminal.wait(lambda: terminal.read_screen().count(f"(tcenv:{profile}) own>") >= 2, "the next prompt")
        assert read_prompt(terminal) == f"(tcenv:{profile}) own>"
        # Another terminal signs out.
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
        terminal.press("Enter")
        terminal.wait_for("signed out elsewhere")
        terminal.press("Enter")
        terminal.wait(lambda: read_prompt(terminal) == "own>", "the prompt without a mark")


@pytest.mark.parametrize("shell", ["bash", "zsh", "ksh", "mksh", "fish", "tcsh"])
def test_no_command_in_a_profile_runs(shell: str, tmp_path: Path, home: Path) -> None:
    env = make_env(TCENV_PROFILE="$(touch owned)`touch owned`%n\x1b[31m", TASKCLUSTER_ACCESS_TOKEN="x" * 44)
    with start_shell(shell, tmp_path, env, before=OWN[shell], options=("--prompt",)) as terminal:
        terminal.wait_for("own>")
        terminal.press("Enter")
        terminal.wait(lambda: terminal.read_screen().count("own>") >= 2, "the next prompt")
        assert not (home / "owned").exists()


@pytest.mark.parametrize("shell", STARTUP)
def test_the_subshells_mark_follows_the_session(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    """The user's start-up file has the text of `tcenv init --prompt`, and yet there is one mark."""
    env = sign_in(deployment)
    path, text = STARTUP[shell]
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    init = make_init_text({"yash": "sh"}.get(shell, shell), "--prompt", env=env)
    (home / path).write_text(f"{text.replace('export TASKCLUSTER_CLIENT_ID=from-rc', 'export')}\n{init}\n")
    profile = read_session_fields(env)["TCENV_PROFILE"]
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait(lambda: read_prompt(terminal).startswith(f"(tcenv:{profile}) own"), "the mark")
        terminal.type("tcenv logout")
        terminal.wait_for("Signed out of")
        terminal.wait(lambda: read_prompt(terminal).startswith("(tcenv) own"), "the mark without a profile")


def test_a_zsh_theme_that_runs_last_keeps_the_mark(deployment: Sandbox, tmp_path: Path) -> None:
    """powerlevel10k sets PROMPT each time, in a function that it puts after all others."""
    env = sign_in(deployment)
    theme = "theme() { PROMPT='own> '; precmd_functions=(${precmd_functions:#theme} theme) }; precmd_functions=(theme)"
    with start_shell("zsh", tmp_path, env, before=theme, options=("--prompt",)) as terminal:
        terminal.wait(lambda: read_prompt(terminal) == "own>", "the prompt")
        terminal.type("tcenv env")
        mark = f"(tcenv:{read_session_fields(env)['TCENV_PROFILE']}) own>"
        for count in range(1, 4):
            terminal.wait(lambda count=count: terminal.read_screen().count(mark) == count, f"mark {count}")  # type: ignore[misc]
            terminal.press("Enter")
        terminal.type("tcenv logout --keep-client")
        terminal.wait_for("Signed out")
        terminal.wait(lambda: read_prompt(terminal) == "own>", "the prompt without a mark")


# powerlevel10k's instant prompt: it holds all output back until its first precmd, and then warns about any.
INSTANT_PROMPT = """\
PROMPT='own> '
typeset -gi __p9k_instant_prompt_active=1
exec {saved_out}>&1 {saved_err}>&2 >$HOME/held 2>&1
held() {
  exec 1>&$saved_out 2>&$saved_err
  unset __p9k_instant_prompt_active
  precmd_functions=(${precmd_functions:#held})
  [[ -s $HOME/held ]] && print 'WARNING: output during initialization'
}
precmd_functions=(held)
"""


def test_an_instant_prompt_gets_the_message_at_its_second_prompt(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    with start_shell("zsh", tmp_path, env) as terminal:
        terminal.type("tcenv env")
        inherited = terminal.read_environment()
    assert tcenv("logout", "--keep-client", "--shell", "sh", env=env).returncode == 0
    inherited = {name: value for name, value in inherited.items() if not name.startswith("TMUX")}
    assert inherited["TCENV_LOADED"]
    second = tmp_path / "second"
    second.mkdir()
    with start_shell("zsh", second, inherited, before=INSTANT_PROMPT) as terminal:
        terminal.wait(lambda: read_prompt(terminal) == "own>", "the prompt")
        assert "WARNING" not in terminal.read_screen()
        assert "signed out" not in terminal.read_screen()
        assert "TASKCLUSTER_ACCESS_TOKEN" not in terminal.read_environment()
        terminal.wait_for("signed out elsewhere")
        terminal.press("Enter")
        terminal.wait(lambda: terminal.read_screen().count("own>") > 2, "the next prompt")
        assert terminal.read_screen().count("signed out elsewhere") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_mark_stays_with_a_virtual_environment(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    env = sign_in(deployment)
    subprocess.run([require("python3"), "-m", "venv", "--without-pip", home / "venv"], check=True)
    profile = read_session_fields(env)["TCENV_PROFILE"]
    with start_shell(shell, tmp_path, env, before=OWN[shell], options=("--prompt",)) as terminal:
        terminal.type("tcenv env")
        terminal.wait(lambda: read_prompt(terminal) == f"(tcenv:{profile}) own>", "the mark")
        terminal.type(f". {home}/venv/bin/activate")
        terminal.wait(lambda: read_prompt(terminal) == f"(venv) (tcenv:{profile}) own>", "both")
        terminal.type("tcenv logout --keep-client")
        terminal.wait(lambda: read_prompt(terminal) == "(venv) own>", "the environment alone")
        terminal.type("deactivate")
        terminal.wait(lambda: read_prompt(terminal) == "own>", "the user's own prompt")


def test_a_bash_integration_that_wraps_the_prompt_leaves_one_mark(deployment: Sandbox, tmp_path: Path) -> None:
    """The integrations of VS Code, iTerm2 and kitty wrap it."""
    env = sign_in(deployment)
    wrap = 'wrap() { [[ $PS1 == "$W" ]] || { W="\\[\\e[1m\\]$PS1\\[\\e[0m\\]"; PS1=$W; }; }; PROMPT_COMMAND=wrap'
    mark = f"(tcenv:{read_session_fields(env)['TCENV_PROFILE']}) own>"
    with start_shell("bash", tmp_path, env, before=f"{OWN['bash']}\n{wrap}", options=("--prompt",)) as terminal:
        terminal.type("tcenv env")
        for count in range(1, 5):
            terminal.wait(lambda count=count: terminal.read_screen().count(mark) == count, "the mark")  # type: ignore[misc]
            terminal.press("Enter")
        terminal.wait(lambda: terminal.read_screen().count(mark) == 5, "the last mark")
        # Read the screen once, because the shell may draw a prompt between two reads.
        screen = terminal.read_screen()
        assert screen.count("(tcenv:") == screen.count(mark)
        terminal.type("tcenv logout --keep-client")
        terminal.wait(lambda: read_prompt(terminal) == "own>", "the prompt without a mark")


def test_the_documented_segment_of_powerlevel10k_shows_the_profile() -> None:
    """A stub takes the place of `p10k segment`, which expands its text only with -e."""
    block = (PROJECT / "docs/prompt.md").read_text().partition("function prompt_tcenv")[2].partition("```")[0]
    stub = """
        p10k() {
          local -A o; local expand=0
          while (( $# )); do case $1 in (-e) expand=1; shift ;; (-[a-z]) o[$1]=$2; shift 2 ;; (*) shift ;; esac; done
          (( expand )) && print -r -- "${(e)o[-t]}" || print -r -- "$o[-t]"
        }
    """
    script = f"{stub}\nfunction prompt_tcenv{block}\nprompt_tcenv"
    done = BY_NAME["zsh"].run(script, make_env(TCENV_PROFILE="community"))
    assert done.stdout == "tc:community\n"


KITTY = Path("/usr/lib/kitty/shell-integration")
POWERLEVEL9K = Path("/usr/share/powerlevel9k/powerlevel9k.zsh-theme")
# The real integrations, loaded as their documentation says, before tcenv's line and after it.
REAL = {
    "kitty in bash": ("bash", KITTY / "bash/kitty.bash", "KITTY_SHELL_INTEGRATION=enabled; . {}"),
    "kitty in zsh": (
        "zsh",
        KITTY / "zsh/kitty-integration",
        "export KITTY_SHELL_INTEGRATION=enabled; autoload -Uz -- {0}; kitty-integration; unfunction kitty-integration",
    ),
    "powerlevel9k in zsh": ("zsh", POWERLEVEL9K, "POWERLEVEL9K_LEFT_PROMPT_ELEMENTS=(dir); . {}"),
}


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("name", REAL)
def test_one_mark_with_a_real_integration(name: str, order: str, deployment: Sandbox, tmp_path: Path) -> None:
    shell, file, load = REAL[name]
    if not file.exists():
        pytest.skip(f"{file} is not on this machine; .ci/install installs it")
    env = sign_in(deployment)
    lines = {"before": "", "after": "", order: load.format(file)}
    lines["before"] = f"{OWN[shell]}\n{lines['before']}"
    mark = f"(tcenv:{read_session_fields(env)['TCENV_PROFILE']})"
    with start_shell(
        shell, tmp_path, env, before=lines["before"], after=lines["after"], options=("--prompt",)
    ) as terminal:
        terminal.type("tcenv env; echo loa''ded")
        terminal.wait_for("loaded")
        for count in range(1, 5):
            terminal.wait(lambda: terminal.read_screen().count(mark) >= count, "the mark")  # noqa: B023
            terminal.press("Enter")
        prompts = [line for line in terminal.read_screen().splitlines() if mark in line]
        assert all(line.count(mark) == 1 for line in prompts), prompts
        terminal.type("tcenv logout --keep-client; echo g''one")
        terminal.wait_for("gone")
        terminal.wait(lambda: terminal.read_screen().rpartition("gone")[2].strip(), "the next prompt")
        assert "tcenv:" not in terminal.read_screen().rpartition("gone")[2]
