"""Each option of each shell, turned before the shell reads the start-up text and after it: the hook and the function work
as usual, print nothing, and leave the option as it is."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from shlex import quote, split

import pytest

from tcenv.shells import load_shell
from tests.reliability.record import scale
from tests.shells.real import BY_NAME
from tests.world import TCENV, make_env, make_init_text

TOKEN = "t" * 44
# Options with which a shell runs nothing, ends or becomes another one, and those that only a shell in a terminal has.
NO_OPTIONS = {
    "zsh": "exec singlecommand restricted privileged interactive shinstdin zle login monitor stdin onecmd",
    "bash": "noexec onecmd restricted_shell login_shell privileged",
    "ksh": "exec noexec restricted privileged interactive login_shell rc stdin onecmd monitor",
    "mksh": "noexec restricted privileged interactive login stdin inherit-xtrace",
    "sh": "noexec interactive stdin privileged monitor",
    "busybox": "noexec interactive stdin privileged monitor",
    "yash": "exec noexec cmdline interactive monitor login stdin posixlycorrect",
}
# Options with which the shell prints what it reads or runs.
TRACES = {"xtrace", "verbose", "printexitvalue", "showcmd"}
# The options that are on.
STATE = {"zsh": "$(\\builtin setopt)", "bash": "$(\\set +o; \\shopt -p)"}
# Shells whose function changes a subshell too, so that one process tests many options.
FORKING = ("zsh", "bash")
# The code that a prompt runs.
PROMPT = {
    "zsh": '\\builtin eval "${(j:;:)precmd_functions}"',
    "bash": '\\builtin eval "$PROMPT_COMMAND"',
    "ksh": '\\eval "x=\\"$PS1\\""',
    "mksh": '\\eval "x=\\"$PS1\\""',
}
TURNS = {"": ("set -o", "set +o"), "setopt": ("setopt", "unsetopt"), "shopt": ("shopt -s", "shopt -u")}
# List every option with its state.
LIST = {
    "zsh": 'for name state in ${(kv)options}; do print -r -- "setopt $name $state"; done',
    "bash": "shopt | sed 's/^/shopt /'; set -o ",
}


def list_options(shell: str) -> Iterator[tuple[str, str, str]]:
    """Yield each option with the statements that turn it the other way and back."""
    listing = LIST.get(shell, "set -o")
    done = BY_NAME[shell].run(listing, os.environ)
    assert done.returncode == 0
    for kind, name, state in re.findall(r"(setopt |shopt )?([\w-]+)\s+(on|off)\b", done.stdout):
        if name in NO_OPTIONS[shell].split():
            continue
        on, off = TURNS[kind.strip()]
        on, off = f"\\{on} {name}", f"\\{off} {name}"
        yield name, *((on, off) if state == "off" else (off, on))


def write_text(shell: str, folder: Path) -> str:
    """Write a start-up text whose program is a stub, which takes a millisecond. Return the text."""
    stub = folder / "bin" / "tcenv"
    stub.parent.mkdir()
    name = BY_NAME[shell].init
    statements = load_shell(name).export
    stub.write_text(
        "#!/bin/sh\ncase $1 in hook) cat <<'END' ;;\n"
        + statements({"HEALED": "yes", "TASKCLUSTER_CERTIFICATE": None, "TCENV_LOADED": "x"})
        + "END\n *) cat <<'END' ;;\n"
        + statements({"APPLIED": "yes", "TASKCLUSTER_CERTIFICATE": None})
        + "END\nesac\n"
    )
    stub.chmod(0o755)
    text = make_init_text(name, "--prompt", env=make_env()).replace(TCENV, str(stub))
    (folder / "text").write_text(text)
    return text


def make_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a shell whose session has been replaced since it was loaded."""
    session = folder / "p.session"
    session.write_text("GENERATION=other\n")
    env = make_env(
        TCENV_LOADED=f"p https://tc.example.com own {session} -",
        TASKCLUSTER_ACCESS_TOKEN=TOKEN,
        TCENV_PROFILE="p",
        PS1="me> ",
        **more,
    )
    return {**env, "PATH": f"{folder / 'bin'}:/usr/bin:/bin"}


def make_script(shell: str, name: str, before: str, after: str) -> str:
    """Return a script that runs the text, a prompt and the function, with statements before and after the text."""
    prompt, state = PROMPT.get(shell, ":"), STATE.get(shell, "$(\\set +o)")
    start, end = ("(", ")") if shell in FORKING else ("", "")
    return f"""
\\echo '@@@ {name}'
{start}
{before}
\\eval "$TEXT"
{after}
STATE={state}
{prompt}
tcenv env
LATER={state}
\\eval "$REPORT"
{end}"""


def find_failures(shell: str, cases: Iterable[tuple[str, str, str]], folder: Path) -> dict[str, str]:
    """Run the cases (a name, statements before the text and after it) in few processes. Return the output of each that
    prints anything but its result."""
    text = write_text(shell, folder)
    quiet = {"zsh": "\\builtin emulate -R zsh; \\builtin unsetopt xtrace verbose"}.get(shell, "\\set +evxf 2>/dev/null")
    report = f'{quiet}; \\test "$STATE" = "$LATER" || \\echo changed; \\echo "done ${{HEALED-}} ${{APPLIED-}}"'
    env = make_environment(folder, TEXT=text, REPORT=report)
    scripts = [make_script(shell, *each) for each in cases]
    # Linux limits one argument to 128 KiB.
    size = 200 if shell in FORKING else 1
    printed = "".join(run(shell, "".join(scripts[at : at + size]), env) for at in range(0, len(scripts), size))
    found = {}
    for part in printed.split("@@@ ")[1:]:
        name, _, output = part.partition("\n")
        lines = output.strip("\n").split("\n")
        traces = TRACES & set(name.split())
        if not output.rstrip().endswith(get_result(shell)) or (len(lines) > 1 and not traces) or TOKEN in output:
            found[name] = output
    return found


def get_result(shell: str) -> str:
    """Return the line that a case without a failure prints."""
    return "done yes yes" if shell in PROMPT else "done  yes"


def run(shell: str, script: str, env: Mapping[str, str]) -> str:
    """Run a script. Return its output and errors in their order."""
    done = subprocess.run(
        [*BY_NAME[shell].command, "-c", script],
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=250,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


@pytest.mark.parametrize("shell", NO_OPTIONS)
def test_every_option(shell: str, tmp_path: Path) -> None:
    known = list(list_options(shell))
    assert len(known) > 5
    before = [(f"before {name}", turned, "") for name, turned, _ in known]
    after = [(f"after {name}", "", turned) for name, turned, _ in known]
    assert find_failures(shell, [("nothing", "", ""), *before, *after, *EMULATIONS.get(shell, ())], tmp_path) == {}


EMULATIONS = {
    "zsh": [
        case
        for name in ("sh", "ksh", "csh")
        for case in (
            (f"before emulate {name}", f"emulate {name}", ""),
            (f"after emulate {name}", "", f"emulate {name}"),
        )
    ]
}


@pytest.mark.parametrize("shell", FORKING)
def test_options_together(shell: str, tmp_path: Path) -> None:
    """Turn any five, two of them after the text. `make fuzz` tries more."""
    known = [each for each in list_options(shell) if each[0] not in TRACES]
    chance = random.Random(24)
    cases = []
    for _ in range(scale(2000)):
        some = chance.sample(known, 5)
        turned = [turn for _, turn, _ in some]
        cases.append((" ".join(name for name, _, _ in some), "\n".join(turned[:3]), "\n".join(turned[3:])))
    assert find_failures(shell, cases, tmp_path) == {}


# The words that begin a command in the start-up texts.
WORDS = split(
    "tcenv local command builtin case esac if then elif else fi for do done while in eval export unset typeset declare return "
    "exec set shift printf print echo read trap test [ [[ { function emulate setopt zle autoload zmodload whence type shopt env"
)


@pytest.mark.parametrize("shell", NO_OPTIONS)
def test_aliases(shell: str, tmp_path: Path) -> None:
    """No alias of the user changes the text, a prompt or the statements."""
    expanding = "shopt -s expand_aliases\n" if shell == "bash" else ""
    cases = []
    for word in WORDS:
        defined = f"{expanding}\\alias {quote(f'{word}=echo aliased')} 2>/dev/null"
        # No shell takes all of them for names.
        cases.append((f"alias {word}", f"{defined} || \\eval '\\echo {get_result(shell)}; exit'", ""))
    assert find_failures(shell, cases, tmp_path) == {}


# tcsh cannot list the variables that change it.
TCSH = split(
    "addsuffix ampm anyerror autocorrect autoexpand autolist autologout=60 autorehash backslash_quote cdtohome color colorcat "
    "compat_expr complete=enhance continue correct=cmd csubstnonl dextract dunique echo echo_style=both edit ellipsis "
    "fignore=.o globdot globstar histchars=@# histdup=all histlit ignoreeof implicitcd inputmode=insert killdup=all listflags=xA "
    "listjobs listlinks loginsh matchbeep=never nobeep noclobber noding noglob nokanji nonomatch nostat notify "
    "printexitvalue pushdsilent pushdtohome recexact recognize_only_executables rmstar rprompt=x savedirs savehist=10 showdots "
    "symlinks=chase time=0 tperiod=1 unset=x verbose visiblebell wordchars=_ who=x"
)


def test_every_option_of_tcsh(tmp_path: Path) -> None:
    found = {}
    write_text("tcsh", tmp_path)
    read = f"source {tmp_path / 'text'}"
    for option in TCSH:
        for lines in ([f"set {option}", read], [read, f"set {option}"]):
            script = [*lines, "eval precmd", "eval tcenv env", 'echo "done $HEALED $APPLIED"']
            printed = run_script("tcsh", script, tmp_path, HEALED="no", APPLIED="no")
            traces = option in ("echo", "verbose", "printexitvalue", "time=0")
            if printed[-1:] != ["done yes yes"] or (len(printed) > 1 and not traces):
                found[f"{option} {lines[0] == read}"] = printed
    assert found == {}


def test_every_feature_of_fish(tmp_path: Path) -> None:
    write_text("fish", tmp_path)
    features = BY_NAME["fish"].run("status features", os.environ).stdout
    found = {}
    read = f"source {tmp_path / 'text'}"
    for feature, state, *_ in map(str.split, features.splitlines()):
        script = [read, "emit fish_prompt", "tcenv env", 'echo "done $HEALED $APPLIED"']
        name = f"{'no-' if state == 'on' else ''}{feature}"
        printed = run_script("fish", script, tmp_path, fish_features=name)
        if printed != ["done yes yes"]:
            found[name] = printed
    for before, after in (("set -g fish_trace 1", ""), ("", "set -g fish_trace 1")):
        script = [before, read, after, "emit fish_prompt", "tcenv env", 'echo "done $HEALED $APPLIED"']
        assert run_script("fish", script, tmp_path)[-1] == "done yes yes"
    assert found == {}


def run_script(name: str, script: list[str], folder: Path, **more: str) -> list[str]:
    """Run a script in a shell that has the token, which it must not print. Return the lines that it prints."""
    (folder / "script").write_text("\n".join(script) + "\n")
    done = BY_NAME[name].run(f"source {folder / 'script'}", make_environment(folder, **more))
    assert TOKEN not in done.stdout + done.stderr
    return [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
