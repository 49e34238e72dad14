"""PROMPT_COMMAND as people have it: our parts beside theirs, whatever those begin and end with, and in shells that inherit it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.programs import require
from tests.world import make_env, tcenv

# What people and their tools have there, and what they add before and behind later.
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
    return tcenv("init", "bash", "--prompt", "--no-completion", env=make_env()).stdout


def bash(script: str, text: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require("bash"), "--norc", "-c", script],
        env=make_env(TEXT=text, **more),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def test_thirty_heads_and_tails(text: str) -> None:
    """Nothing is a syntax error, and each of ours runs once, after two evaluations of the text."""
    assert len(PARTS) >= 30
    for part in PARTS:
        for before, after in ((part, ""), ("", part), (part, part)):
            script = "PROMPT_COMMAND=$BEFORE" + SCRIPT.replace(
                'eval "$PROMPT_COMMAND"', "PROMPT_COMMAND+=${AFTER:+$'\\n'$AFTER}; eval \"$PROMPT_COMMAND\""
            )
            done = bash(script, text, BEFORE=before, AFTER=after)
            assert (done.stdout, done.stderr) == ("1 1\n", ""), (before, after)


@pytest.mark.parametrize("head", ["history -a; $PROMPT_COMMAND", "$PROMPT_COMMAND; own", "own; $PROMPT_COMMAND; own"])
def test_a_start_up_file_that_is_read_again(head: str, text: str) -> None:
    """Four times: other lines grow as their writers have it, ours do not."""
    again = f'eval "$TEXT"; PROMPT_COMMAND="{head}"\n' * 4
    done = bash("PROMPT_COMMAND=own\n" + SCRIPT.replace('eval "$TEXT" && eval "$TEXT"', again), text)
    assert (done.stdout, done.stderr) == ("1 1\n", "")


def test_the_status_of_the_users_command(text: str) -> None:
    for form in ("'LAST=$?'", "('LAST=$?' 'OTHER=$?')"):
        script = f'PROMPT_COMMAND={form}\neval "$TEXT"\n' + (
            'for each in "${PROMPT_COMMAND[@]}"; do (exit 7); eval "$each"; done; echo $LAST${OTHER-}'
        )
        done = bash(script, text)
        assert done.stdout in ("7\n", "77\n"), done.stderr


def test_arrays(text: str) -> None:
    script = SCRIPT.replace('eval "$PROMPT_COMMAND"', 'for each in "${PROMPT_COMMAND[@]}"; do eval "$each"; done')
    for array in ("()", "(own)", "('own;' 'own # x')"):
        done = bash(f"PROMPT_COMMAND={array}\n{script}", text)
        assert (done.stdout, done.stderr) == ("1 1\n", ""), array


def test_one_that_cannot_be_changed(text: str) -> None:
    """One line says that this shell will not follow; the function is there all the same."""
    for declared in ("readonly PROMPT_COMMAND=own", "PROMPT_COMMAND=(own); readonly PROMPT_COMMAND"):
        done = bash(f'{declared}\neval "$TEXT"\ntype -t tcenv; echo "${{PROMPT_COMMAND[0]}}"', text)
        assert done.stdout == "function\nown\n", done.stderr
        assert done.stderr == (
            "tcenv: PROMPT_COMMAND is read-only: this shell will not follow a renewal or a logout.\n"
        )


def test_a_shell_that_inherits_the_variable_and_not_the_functions(text: str, tmp_path: Path) -> None:
    """`bash --norc` below, `sudo -E`: silent at each prompt, and a failing command is still one for the user's own part."""
    inner = tmp_path / "inner"
    inner.write_text('false; eval "$PROMPT_COMMAND"; echo "last=$LAST"; eval "$PROMPT_COMMAND"\n')
    for every in ("", "set -a;"):
        done = bash(f"{every} export PROMPT_COMMAND='LAST=$?'\neval \"$TEXT\"\n__tcenv_hook\nbash --norc {inner}", text)
        assert (done.stdout, done.stderr) == ("last=1\n", "")


# How other tools come into PROMPT_COMMAND, before our line or after it; each counts its calls.
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
        done = bash(script, text)
        assert (done.stdout, done.stderr) == ("1 1 1\n", ""), (before, after)


def test_thirty_heads_in_a_subshell_of_tcenv() -> None:
    """Its start-up file puts a mark behind what the user has there."""
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
    done = bash(script, "")
    assert (done.stdout.split(), done.stderr) == (["1"] * len(PARTS), "")
