"""`tcenv init --prompt`: the prompt shows the loaded profile, and the mark of a subshell follows the session in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.shells.test_in_a_terminal import start
from tests.shells.test_subshell import STARTUP
from tests.terminal import Terminal
from tests.world import make_env, read_session_fields, sign_in, tcenv

PROJECT = Path(__file__).parents[2]
# What gives a shell a prompt of the user's own.
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


def last(terminal: Terminal) -> str:
    """The last line on the screen: the prompt."""
    lines = [line for line in terminal.read_screen().splitlines() if line.strip()]
    # Without what stands at the right.
    return lines[-1].strip().partition("   ")[0] if lines else ""


@pytest.mark.parametrize("shell", OWN)
def test_the_prompt_shows_what_is_loaded(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    with start(shell, tmp_path, env, before=OWN[shell], options=("--prompt",)) as terminal:
        terminal._ready = ""
        terminal.wait(lambda: last(terminal) == "own>", "the prompt")
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        profile = read_session_fields(env)["TCENV_PROFILE"]
        terminal.wait(lambda: last(terminal) == f"(tcenv:{profile}) own>", "the mark")
        terminal.press("Enter")
        terminal.wait(lambda: terminal.read_screen().count(f"(tcenv:{profile}) own>") >= 2, "the next prompt")
        assert last(terminal) == f"(tcenv:{profile}) own>"
        # Another window signs out.
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
        terminal.press("Enter")
        terminal.wait_for("signed out elsewhere")
        terminal.press("Enter")
        terminal.wait(lambda: last(terminal) == "own>", "the prompt without a mark")


@pytest.mark.parametrize("shell", ["bash", "zsh", "ksh", "mksh", "fish", "tcsh"])
def test_a_prompt_is_no_place_for_commands(shell: str, tmp_path: Path, home: Path) -> None:
    env = make_env(TCENV_PROFILE="$(touch owned)`touch owned`%n\x1b[31m", TASKCLUSTER_ACCESS_TOKEN="x" * 44)
    with start(shell, tmp_path, env, before=OWN[shell], options=("--prompt",)) as terminal:
        terminal.wait_for("own>")
        terminal.press("Enter")
        terminal.wait(lambda: terminal.read_screen().count("own>") >= 2, "the next prompt")
        assert not (home / "owned").exists()


@pytest.mark.parametrize("shell", STARTUP)
def test_the_subshells_mark_follows_what_is_loaded(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    """With the start-up text in the user's own file, `--prompt` included: one mark, and no profile in it after a logout."""
    env = sign_in(deployment)
    path, text = STARTUP[shell]
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    init = tcenv("init", {"yash": "sh"}.get(shell, shell), "--prompt", env=env).stdout
    (home / path).write_text(f"{text.replace('export TASKCLUSTER_CLIENT_ID=from-rc', 'export')}\n{init}\n")
    profile = read_session_fields(env)["TCENV_PROFILE"]
    with Terminal([require("bash"), "--norc", "--noprofile"], {**env, "PS1": "outer> "}, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait(lambda: last(terminal).startswith(f"(tcenv:{profile}) own"), "the mark")
        terminal.type("tcenv logout")
        terminal.wait_for("Signed out of")
        terminal.wait(lambda: last(terminal).startswith("(tcenv) own"), "the mark without a profile")


def test_a_zsh_theme_that_comes_last_has_the_mark_too(deployment: Sandbox, tmp_path: Path) -> None:
    """As powerlevel10k does: it makes PROMPT anew, and puts its own function behind all others."""
    env = sign_in(deployment)
    theme = "theme() { PROMPT='own> '; precmd_functions=(${precmd_functions:#theme} theme) }; precmd_functions=(theme)"
    with start("zsh", tmp_path, env, before=theme, options=("--prompt",)) as terminal:
        terminal.wait(lambda: last(terminal) == "own>", "the prompt")
        terminal.type("tcenv env")
        mark = f"(tcenv:{read_session_fields(env)['TCENV_PROFILE']}) own>"
        for count in range(1, 4):
            terminal.wait(lambda count=count: terminal.read_screen().count(mark) == count, f"mark {count}")  # type: ignore[misc]
            terminal.press("Enter")
        terminal.type("tcenv logout --keep-client")
        terminal.wait_for("Signed out")
        terminal.wait(lambda: last(terminal) == "own>", "the prompt without a mark")


# What powerlevel10k's instant prompt does: it holds back all output until its first precmd, and complains about any.
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


def test_an_instant_prompt_hears_of_an_ended_session_at_its_second_prompt(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    with start("zsh", tmp_path, env) as terminal:
        terminal.type("tcenv env")
        inherited = terminal.read_environment()
    assert tcenv("logout", "--keep-client", "--shell", "sh", env=env).returncode == 0
    inherited = {name: value for name, value in inherited.items() if not name.startswith("TMUX")}
    assert inherited["TCENV_LOADED"]
    second = tmp_path / "second"
    second.mkdir()
    with start("zsh", second, inherited, before=INSTANT_PROMPT) as terminal:
        terminal.wait(lambda: last(terminal) == "own>", "the prompt")
        assert "WARNING" not in terminal.read_screen()
        assert "signed out" not in terminal.read_screen()
        assert "TASKCLUSTER_ACCESS_TOKEN" not in terminal.read_environment()
        terminal.wait_for("signed out elsewhere")
        terminal.press("Enter")
        terminal.wait(lambda: terminal.read_screen().count("own>") > 2, "the next prompt")
        assert terminal.read_screen().count("signed out elsewhere") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_virtual_environment_comes_and_goes(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    """With the real `activate` and `deactivate`: one mark, and none after the logout."""
    env = sign_in(deployment)
    subprocess.run([require("python3"), "-m", "venv", "--without-pip", home / "venv"], check=True)
    profile = read_session_fields(env)["TCENV_PROFILE"]
    with start(shell, tmp_path, env, before=OWN[shell], options=("--prompt",)) as terminal:
        terminal.type("tcenv env")
        terminal.wait(lambda: last(terminal) == f"(tcenv:{profile}) own>", "the mark")
        terminal.type(f". {home}/venv/bin/activate")
        terminal.wait(lambda: last(terminal) == f"(venv) (tcenv:{profile}) own>", "both")
        terminal.type("tcenv logout --keep-client")
        terminal.wait(lambda: last(terminal) == "(venv) own>", "the environment alone")
        terminal.type("deactivate")
        terminal.wait(lambda: last(terminal) == "own>", "the user's own prompt")


def test_a_bash_integration_that_wraps_the_prompt_leaves_one_mark(deployment: Sandbox, tmp_path: Path) -> None:
    """As those of VS Code, iTerm2 and kitty do."""
    env = sign_in(deployment)
    wrap = 'wrap() { [[ $PS1 == "$W" ]] || { W="\\[\\e[1m\\]$PS1\\[\\e[0m\\]"; PS1=$W; }; }; PROMPT_COMMAND=wrap'
    mark = f"(tcenv:{read_session_fields(env)['TCENV_PROFILE']}) own>"
    with start("bash", tmp_path, env, before=f"{OWN['bash']}\n{wrap}", options=("--prompt",)) as terminal:
        terminal.type("tcenv env")
        for count in range(1, 5):
            terminal.wait(lambda count=count: terminal.read_screen().count(mark) == count, "the mark")  # type: ignore[misc]
            terminal.press("Enter")
        terminal.wait(lambda: terminal.read_screen().count(mark) == 5, "the last mark")
        # One look at the screen: between two, the shell may draw a prompt.
        screen = terminal.read_screen()
        assert screen.count("(tcenv:") == screen.count(mark)
        terminal.type("tcenv logout --keep-client")
        terminal.wait(lambda: last(terminal) == "own>", "the prompt without a mark")


def test_the_documented_segment_of_powerlevel10k_shows_the_profile() -> None:
    """With a stand-in for `p10k segment`, which expands its text only where -e says so."""
    block = (PROJECT / "docs/prompt.md").read_text().partition("function prompt_tcenv")[2].partition("```")[0]
    stand_in = """
        p10k() {
          local -A o; local expand=0
          while (( $# )); do case $1 in (-e) expand=1; shift ;; (-[a-z]) o[$1]=$2; shift 2 ;; (*) shift ;; esac; done
          (( expand )) && print -r -- "${(e)o[-t]}" || print -r -- "$o[-t]"
        }
    """
    script = f"{stand_in}\nfunction prompt_tcenv{block}\nprompt_tcenv"
    done = subprocess.run(
        [require("zsh"), "-f", "-c", script],
        env=make_env(TCENV_PROFILE="community"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "tc:community\n"


KITTY = Path("/usr/lib/kitty/shell-integration")
POWERLEVEL9K = Path("/usr/share/powerlevel9k/powerlevel9k.zsh-theme")
# The real integrations, as their own documentation loads them, before our line and after it.
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
    with start(shell, tmp_path, env, before=lines["before"], after=lines["after"], options=("--prompt",)) as terminal:
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
