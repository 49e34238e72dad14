"""tcenv's parts of PROMPT_COMMAND work beside any parts of the user and of other tools, and in shells that inherit it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.programs import require
from tests.shells.real import BY_NAME
from tests.world import make_env, make_init_text

# Parts that people and their tools have in PROMPT_COMMAND, or add to it before and after tcenv's line.
PARTS = [
    "",
    "history -a",
    "history -a;",
    "history -a; ",
    "history -a ; history -n ;  ",
    "history -a &",
    "history -a & ",
    "  ",
    "\t",
    "\n",
    "own\n",
    "own\n\n",
    "own # a comment",
    "# a comment alone",
    "own; # a comment\n",
    "_powerline_update_prompt\n",
    "own;own",
    "own || :",
    "own && own",
    "{ own; }",
    "( own )",
    "if own; then own; fi",
    "[[ $? == 0 ]] || own",
    "for i in 1; do own; done",
    "case x in x) own ;; esac",
    "own 'a;b' \"c # d\"",
    'printf "\\033]0;%s\\007" "$PWD" >/dev/null',
    "own \\\n  continued",
    "own >/dev/null 2>&1;",
    "eval own",
    "LAST=$?; own",
    "own $(echo '#')",
]
SCRIPT = """
own() { :; }; _powerline_update_prompt() { :; }; OLD=$PROMPT_COMMAND
eval "$TEXT" && eval "$TEXT"
counted=0; __tcenv_hook() { local s=$?; ((counted++)); return $s; }
marked=0; __tcenv_prompt() { ((marked++)); }
eval "$PROMPT_COMMAND"
wait
echo "$counted $marked"
"""


@pytest.fixture
def text() -> str:
    """Return the start-up text."""
    return make_init_text("bash", "--prompt", "--no-completion", env=make_env())


def run_bash(script: str, text: str, **more: str) -> subprocess.CompletedProcess[str]:
    return BY_NAME["bash"].run(script, make_env(TEXT=text, **more))


def test_each_part_of_tcenv_runs_once_beside_any_other_part(text: str) -> None:
    """The shell evaluates the text twice. No combination is a syntax error."""
    assert len(PARTS) >= 30
    for part in PARTS:
        for before, after in ((part, ""), ("", part), (part, part)):
            script = "PROMPT_COMMAND=$BEFORE" + SCRIPT.replace(
                'eval "$PROMPT_COMMAND"', "PROMPT_COMMAND+=${AFTER:+$'\\n'$AFTER}; eval \"$PROMPT_COMMAND\""
            )
            done = run_bash(script, text, BEFORE=before, AFTER=after)
            assert (done.stdout, done.stderr) == ("1 1\n", ""), (before, after)


@pytest.mark.parametrize("head", ["history -a; $PROMPT_COMMAND", "$PROMPT_COMMAND; own", "own; $PROMPT_COMMAND; own"])
def test_a_start_up_file_that_is_read_four_times_adds_each_part_once(head: str, text: str) -> None:
    again = f'eval "$TEXT"; PROMPT_COMMAND="{head}"\n' * 4
    done = run_bash("PROMPT_COMMAND=own\n" + SCRIPT.replace('eval "$TEXT" && eval "$TEXT"', again), text)
    assert (done.stdout, done.stderr) == ("1 1\n", "")


def test_the_users_part_sees_the_status_of_the_command(text: str) -> None:
    for form in ("'LAST=$?'", "('LAST=$?' 'OTHER=$?')"):
        script = f'PROMPT_COMMAND={form}\neval "$TEXT"\n' + (
            'for each in "${PROMPT_COMMAND[@]}"; do (exit 7); eval "$each"; done; echo $LAST${OTHER-}'
        )
        done = run_bash(script, text)
        assert done.stdout in ("7\n", "77\n"), done.stderr


def test_PROMPT_COMMAND_can_be_an_array(text: str) -> None:
    script = SCRIPT.replace('eval "$PROMPT_COMMAND"', 'for each in "${PROMPT_COMMAND[@]}"; do eval "$each"; done')
    for array in ("()", "(own)", "('own;' 'own # x')"):
        done = run_bash(f"PROMPT_COMMAND={array}\n{script}", text)
        assert (done.stdout, done.stderr) == ("1 1\n", ""), array


def test_a_read_only_PROMPT_COMMAND(text: str) -> None:
    """One line says that this shell will not follow the session. The function works."""
    for declared in ("readonly PROMPT_COMMAND=own", "PROMPT_COMMAND=(own); readonly PROMPT_COMMAND"):
        done = run_bash(f'{declared}\neval "$TEXT"\ntype -t tcenv; echo "${{PROMPT_COMMAND[0]}}"', text)
        assert done.stdout == "function\nown\n", done.stderr
        assert done.stderr == (
            "tcenv: PROMPT_COMMAND is read-only: this shell will not follow a renewal or a logout.\n"
        )


def test_a_shell_that_inherits_the_variable_without_the_functions(text: str, tmp_path: Path) -> None:
    """A nested `bash --norc` and `sudo -E` print nothing, and the user's part sees the status of the command."""
    inner = tmp_path / "inner"
    inner.write_text('false; eval "$PROMPT_COMMAND"; echo "last=$LAST"; eval "$PROMPT_COMMAND"\n')
    for every in ("", "set -a;"):
        done = run_bash(
            f"{every} export PROMPT_COMMAND='LAST=$?'\neval \"$TEXT\"\n__tcenv_hook\nbash --norc {inner}", text
        )
        assert (done.stdout, done.stderr) == ("last=1\n", "")


# How other tools add to PROMPT_COMMAND, before tcenv's line or after it. Each counts its calls.
TOOLS = {
    "starship and liquidprompt": 'PROMPT_COMMAND="tool;${PROMPT_COMMAND-}"',
    "zoxide": 'PROMPT_COMMAND="${PROMPT_COMMAND:+${PROMPT_COMMAND%;};}tool"',
    "autojump": 'PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND ;} tool"',
    "an own line": 'PROMPT_COMMAND="history -a; ${PROMPT_COMMAND:-}"; PROMPT_COMMAND="${PROMPT_COMMAND%; }"$\'\\n\'tool',
    "powerline": "PROMPT_COMMAND=\"$PROMPT_COMMAND\"$'\\n'tool$'\\n'",
    "systemd's array": 'PROMPT_COMMAND=("${PROMPT_COMMAND[@]}" tool)',
    "direnv": 'eval "$(direnv hook bash)"; tool() { :; }; PROMPT_COMMAND="tool;${PROMPT_COMMAND-}"',
    "bash-preexec": "OWN=${PROMPT_COMMAND-}; PROMPT_COMMAND=$'both\\n'; both() { local s=$?; tool; (exit $s); eval \"$OWN\"; }",
}


@pytest.mark.parametrize("tool", TOOLS)
def test_other_tools_before_and_after(tool: str, text: str) -> None:
    require("direnv")
    for before, after in ((TOOLS[tool], ""), ("", TOOLS[tool])):
        script = f"""
            {before}
            eval "$TEXT"
            {after}
            tools=0; tool() {{ ((++tools)); }}
            hooks=0; __tcenv_hook() {{ local s=$?; ((++hooks)); return $s; }}
            marks=0; __tcenv_prompt() {{ ((++marks)); }}
            for each in "${{PROMPT_COMMAND[@]}}"; do eval "$each"; done
            echo "$hooks $marks $tools"
        """
        done = run_bash(script, text)
        assert (done.stdout, done.stderr) == ("1 1 1\n", ""), (before, after)


def test_a_subshell_runs_its_mark_after_any_part() -> None:
    rc = Path(__file__).parents[2] / "shell/subshell/rc.bash"
    script = "".join(
        f"""(
            own() {{ :; }}; _powerline_update_prompt() {{ :; }}
            PROMPT_COMMAND={shlex.quote(part)}
            . {rc}
            marks=0; __tcenv_mark_subshell() {{ ((++marks)); }}
            eval "$PROMPT_COMMAND"
            wait
            echo $marks
        )
        """
        for part in PARTS
    )
    done = run_bash(script, "")
    assert (done.stdout.split(), done.stderr) == (["1"] * len(PARTS), "")
