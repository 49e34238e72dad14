"""Every option of each shell, the other way than it is by itself, before the start-up text is read and after it: the hook and the
function do what they do otherwise, say nothing of their own, and leave the option as it is."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from shlex import quote, split

import pytest

from tcenv.shells import load_shell
from tests.programs import require
from tests.reliability.record import scale
from tests.shells.hooks import PROMPTED
from tests.world import TCENV, make_env, tcenv

TOKEN = "t" * 44
# Options with which a shell runs nothing, ends, or becomes another one; or which only a shell with a terminal has.
NO_OPTIONS = {
    "zsh": {
        "exec",
        "singlecommand",
        "restricted",
        "privileged",
        "interactive",
        "shinstdin",
        "zle",
        "login",
        "monitor",
        "stdin",
        "onecmd",
    },
    "bash": {"noexec", "onecmd", "restricted_shell", "login_shell", "privileged"},
    "ksh": {
        "exec",
        "noexec",
        "restricted",
        "privileged",
        "interactive",
        "login_shell",
        "rc",
        "stdin",
        "onecmd",
        "monitor",
    },
    "mksh": {"noexec", "restricted", "privileged", "interactive", "login", "stdin", "inherit-xtrace"},
    "sh": {"noexec", "interactive", "stdin", "privileged", "monitor"},
    "busybox": {"noexec", "interactive", "stdin", "privileged", "monitor"},
    "yash": {"exec", "noexec", "cmdline", "interactive", "monitor", "login", "stdin", "posixlycorrect"},
}
# The shell itself shows what it reads or runs, and the harness is among it.
SHOWN = {"xtrace", "verbose", "printexitvalue", "showcmd"}
PROGRAMS = {
    "zsh": ["zsh", "-f"],
    "bash": ["bash", "--norc"],
    "ksh": ["ksh93"],
    "mksh": ["mksh"],
    "sh": ["dash"],
    "busybox": ["busybox", "sh"],
    "yash": ["yash", "--norcfile"],
}
# Which options are on.
STATE = {"zsh": "$(\\builtin setopt)", "bash": "$(\\set +o; \\shopt -p)"}
# Many options in one process.
FORKING = ("zsh", "bash")
# What a prompt runs.
PROMPT = {
    "zsh": '\\builtin eval "${(j:;:)precmd_functions}"',
    "bash": '\\builtin eval "$PROMPT_COMMAND"',
    "ksh": '\\eval "x=\\"$PS1\\""',
    "mksh": '\\eval "x=\\"$PS1\\""',
}
TURNS = {"": ("set -o", "set +o"), "setopt": ("setopt", "unsetopt"), "shopt": ("shopt -s", "shopt -u")}
# Every option, as `name state`.
LIST = {
    "zsh": 'for name state in ${(kv)options}; do print -r -- "setopt $name $state"; done',
    "bash": "shopt | sed 's/^/shopt /'; set -o ",
}


def options(shell: str) -> Iterator[tuple[str, str, str]]:
    """Yield each option with the statements that turn it the other way and back."""
    listing = LIST.get(shell, "set -o")
    done = subprocess.run(
        [require(PROGRAMS[shell][0]), *PROGRAMS[shell][1:], "-c", listing], capture_output=True, text=True
    )
    assert done.returncode == 0
    for kind, name, state in re.findall(r"(setopt |shopt )?([\w-]+)\s+(on|off)\b", done.stdout):
        if name in NO_OPTIONS[shell]:
            continue
        on, off = TURNS[kind.strip()]
        on, off = f"\\{on} {name}", f"\\{off} {name}"
        yield name, *((on, off) if state == "off" else (off, on))


def text_of(shell: str, folder: Path) -> str:
    """Write a stand-in for the program, which takes a millisecond, and return a start-up text that runs it."""
    stub = folder / "bin" / "tcenv"
    stub.parent.mkdir()
    name = {"busybox": "sh"}.get(shell, shell)
    statements = load_shell(name).export
    stub.write_text(
        "#!/bin/sh\ncase $1 in hook) cat <<'END' ;;\n"
        + statements({"HEALED": "yes", "TASKCLUSTER_CERTIFICATE": None, "TCENV_LOADED": "x"})
        + "END\n *) cat <<'END' ;;\n"
        + statements({"APPLIED": "yes", "TASKCLUSTER_CERTIFICATE": None})
        + "END\nesac\n"
    )
    stub.chmod(0o755)
    text = tcenv("init", name, "--prompt", env=make_env()).stdout.replace(TCENV, str(stub))
    (folder / "text").write_text(text)
    return text


def environment(folder: Path, **more: str) -> dict[str, str]:
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


def case(shell: str, name: str, before: str, after: str) -> str:
    """Return what runs the text, a prompt and the function, with statements before and after; in a subshell of its own if
    the shell's function takes that for the live shell."""
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
\\eval "$SAYING"
{end}"""


def complaints(shell: str, cases: Iterable[tuple[str, str, str]], folder: Path) -> dict[str, str]:
    """Run the cases in one process; return what each said but for its result, or its lack of one."""
    text = text_of(shell, folder)
    quiet = {"zsh": "\\builtin emulate -R zsh; \\builtin unsetopt xtrace verbose"}.get(shell, "\\set +evxf 2>/dev/null")
    saying = f'{quiet}; \\test "$STATE" = "$LATER" || \\echo changed; \\echo "done ${{HEALED-}} ${{APPLIED-}}"'
    env = environment(folder, TEXT=text, SAYING=saying)
    scripts = [case(shell, *each) for each in cases]
    # Linux takes 128 KiB in one word.
    size = 200 if shell in FORKING else 1
    output = "".join(run(shell, "".join(scripts[at : at + size]), env) for at in range(0, len(scripts), size))
    found = {}
    for part in output.split("@@@ ")[1:]:
        name, _, said = part.partition("\n")
        lines = said.strip("\n").split("\n")
        shown = SHOWN & set(name.split())
        if not said.rstrip().endswith(wanted(shell)) or (len(lines) > 1 and not shown) or TOKEN in said:
            found[name] = said
    return found


def wanted(shell: str) -> str:
    return "done yes yes" if shell in PROMPT else "done  yes"


def run(shell: str, script: str, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        [require(PROGRAMS[shell][0]), *PROGRAMS[shell][1:], "-c", script],
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=250,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


@pytest.mark.parametrize("shell", PROGRAMS)
def test_every_option(shell: str, tmp_path: Path) -> None:
    known = list(options(shell))
    assert len(known) > 5
    before = [(f"before {name}", turned, "") for name, turned, _ in known]
    after = [(f"after {name}", "", turned) for name, turned, _ in known]
    assert complaints(shell, [("nothing", "", ""), *before, *after, *EMULATIONS.get(shell, ())], tmp_path) == {}


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
    """Any five, two of them behind the text; `make fuzz` goes through more."""
    known = [each for each in options(shell) if each[0] not in SHOWN]
    chance = random.Random(24)
    cases = []
    for _ in range(scale(2000)):
        some = chance.sample(known, 5)
        turned = [turn for _, turn, _ in some]
        cases.append((" ".join(name for name, _, _ in some), "\n".join(turned[:3]), "\n".join(turned[3:])))
    assert complaints(shell, cases, tmp_path) == {}


# What people call their aliases, and every word that our texts may begin a command with.
WORDS = split(
    "tcenv local command builtin case esac if then elif else fi for do done while in eval export unset typeset declare return "
    "exec set shift printf print echo read trap test [ [[ { function emulate setopt zle autoload zmodload whence type shopt env"
)


@pytest.mark.parametrize("shell", PROGRAMS)
def test_aliases(shell: str, tmp_path: Path) -> None:
    """No alias of the user gets into the text, a prompt, or what the program prints."""
    expanding = "shopt -s expand_aliases\n" if shell == "bash" else ""
    cases = []
    for word in WORDS:
        defined = f"{expanding}\\alias {quote(f'{word}=echo aliased')} 2>/dev/null"
        # No shell takes all of them for names.
        cases.append((f"alias {word}", f"{defined} || \\eval '\\echo {wanted(shell)}; exit'", ""))
    assert complaints(shell, cases, tmp_path) == {}


# tcsh lists its variables nowhere.
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
    text_of("tcsh", tmp_path)
    read = f"source {tmp_path / 'text'}"
    for option in TCSH:
        for lines in ([f"set {option}", read], [read, f"set {option}"]):
            script = [*lines, "eval precmd", "eval tcenv env", 'echo "done $HEALED $APPLIED"']
            said = prompted("tcsh", script, tmp_path, HEALED="no", APPLIED="no")
            shown = option in ("echo", "verbose", "printexitvalue", "time=0")
            if said[-1:] != ["done yes yes"] or (len(said) > 1 and not shown):
                found[f"{option} {lines[0] == read}"] = said
    assert found == {}


def test_every_feature_of_fish(tmp_path: Path) -> None:
    text_of("fish", tmp_path)
    features = subprocess.run(
        [require("fish"), "--no-config", "-c", "status features"], capture_output=True, text=True
    ).stdout
    found = {}
    read = f"source {tmp_path / 'text'}"
    for feature, state, *_ in map(str.split, features.splitlines()):
        script = [read, "emit fish_prompt", "tcenv env", 'echo "done $HEALED $APPLIED"']
        name = f"{'no-' if state == 'on' else ''}{feature}"
        said = prompted("fish", script, tmp_path, fish_features=name)
        if said != ["done yes yes"]:
            found[name] = said
    for before, after in (("set -g fish_trace 1", ""), ("", "set -g fish_trace 1")):
        script = [before, read, after, "emit fish_prompt", "tcenv env", 'echo "done $HEALED $APPLIED"']
        assert prompted("fish", script, tmp_path)[-1] == "done yes yes"
    assert found == {}


def prompted(name: str, script: list[str], folder: Path, **more: str) -> list[str]:
    """Return the lines that a process says which has the token; none shows it."""
    env = environment(folder, **more)
    shell = next(shell for shell in PROMPTED if shell.name == name)
    (folder / "script").write_text("\n".join(script) + "\n")
    done = shell.run(f"source {folder / 'script'}", env, timeout=60)
    assert TOKEN not in done.stdout + done.stderr
    return [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
