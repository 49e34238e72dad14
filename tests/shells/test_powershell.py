"""PowerShell with the start-up text: calls arrive as typed, statuses and input pass through, no trace shows a token, and it
works in every mode that people and administrators set."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.shells import load_shell
from tests.programs import require
from tests.shells.powershell import LOAD, make_profile_line, run_each, run_powershell, run_with_profile
from tests.shells.test_statements import NASTY
from tests.terminal import Terminal
from tests.world import NAME, TCENV, make_env, read_session_fields, sign_in, tcenv

CONSTRAINED = "$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'"


@pytest.fixture
def words(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose `tcenv` prints its words as JSON. `fail` fails, and `read` prints its input too."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "tcenv"
    program.write_text(
        "#!/usr/bin/python3\nimport json, sys\n"
        "print(json.dumps(sys.argv[1:]) + (sys.stdin.read() if sys.argv[1:2] == ['read'] else ''))\n"
        "sys.exit(3 if sys.argv[1:2] == ['fail'] else 0)\n"
    )
    program.chmod(0o755)
    (tmp_path / "abc").touch()
    env = make_env()
    return {**env, "PATH": f"{folder}:{env['PATH']}"}


# PowerShell removes the first bare `--` of a call to a script or function.
CALLS = {
    "tcenv exec -- cmd | Out-String": ["exec", "--", "cmd"],
    "'in' | tcenv exec -- cmd": ["exec", "--", "cmd"],
    "$true && (tcenv exec -- cmd)": ["exec", "--", "cmd"],
    "$(tcenv exec -- cmd)": ["exec", "--", "cmd"],
    '"$(tcenv exec -- cmd)"': ["exec", "--", "cmd"],
    "& tcenv exec -- cmd": ["exec", "--", "cmd"],
    "$name = 'tcenv'; & $name exec -- cmd": ["exec", "--", "cmd"],
    "tcenv exec `\n  -- cmd": ["exec", "--", "cmd"],
    "tcenv exec -- cmd 2>$null": ["exec", "--", "cmd"],
    "Invoke-Expression 'tcenv exec -- cmd'": ["exec", "--", "cmd"],
    "if ($true) { tcenv exec -- cmd }": ["exec", "--", "cmd"],
    "& { tcenv exec -- cmd }": ["exec", "--", "cmd"],
    "tcenv exec '--' cmd": ["exec", "--", "cmd"],
    "tcenv exec -- cmd a": ["exec", "--", "cmd", "a"],
    "tcenv exec p --scope 'a b' -- cmd": ["exec", "p", "--scope", "a b", "--", "cmd"],
    "tcenv exec -- git log -- file": ["exec", "--", "git", "log", "--", "file"],
    "foreach ($i in 1) { tcenv exec -- $i }": ["exec", "--", "1"],
    "function f { tcenv exec -- @args }; f a b": ["exec", "--", "a", "b"],
    "$a = 'a', 'b'; tcenv exec -- cmd @a": ["exec", "--", "cmd", "a", "b"],
    "$a = 'a', 'b'; tcenv exec -- cmd $a": ["exec", "--", "cmd", "a", "b"],
    # PowerShell splits these words for any program.
    "tcenv exec -- cmd -x:1 -y": ["exec", "--", "cmd", "-x:", "1", "-y"],
    "tcenv exec -v:1 -- cmd": ["exec", "-v:1", "--", "cmd"],
    "tcenv exec -- cmd $null ''": ["exec", "--", "cmd", ""],
    "tcenv exec -- cmd a,b": ["exec", "--", "cmd", "a,b"],
    "tcenv exec (tcenv a '--' b) -- cmd": ["exec", '["a", "--", "b"]', "--", "cmd"],
    "tcenv status --": ["status", "--"],
    # PowerShell expands nothing and reads no number.
    "tcenv x '*' '~' '[ab]*' abc": ["x", "*", "~", "[ab]*", "abc"],
    "tcenv x '' 'a\"b' 'x\\' '$x' \"it's\"": ["x", "", 'a"b', "x\\", "$x", "it's"],
    "tcenv x 1d 0x10 010 1.50 1kb -5": ["x", "1d", "0x10", "010", "1.50", "1kb", "-5"],
    "tcenv x \"a`nb\" \"\u2018\u2019\" '\u201c' 'é 漢字 🦊'": ["x", "a\nb", "\u2018\u2019", "\u201c", "é 漢字 🦊"],
}


def test_a_call_arrives_as_typed(words: dict[str, str], tmp_path: Path) -> None:
    script = "\n".join(f"Write-Output '=='\n{call}" for call in CALLS)
    output = run_powershell(f"Set-Location {tmp_path}\n{script}", words)
    printed = output.split("==\n")[1:]
    assert len(printed) == len(CALLS), output
    found = {call: lines.strip().splitlines()[-1] for call, lines in zip(CALLS, printed, strict=True)}
    assert {call: json.loads(text) for call, text in found.items()} == CALLS


def test_statuses_and_input_pass_through(words: dict[str, str]) -> None:
    printed = run_powershell(
        """
        tcenv fail; "first $? $LASTEXITCODE"
        tcenv fail && 'deployed'
        tcenv ok > $null && 'went on'
        tcenv fail > $null || 'otherwise'
        'one', 'two' | tcenv read
        'one' | tcenv ok | Out-Null; "last $? $LASTEXITCODE"
        """,
        words,
    )
    assert "first False 3" in printed
    assert "deployed" not in printed
    assert "went on" in printed
    assert "otherwise" in printed
    assert '["read"]one\ntwo\n' in printed
    assert "last True 0" in printed


def test_a_session_is_loaded_and_unloaded(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    printed = run_powershell(
        """
        tcenv env; "env $? $($Env:TASKCLUSTER_ACCESS_TOKEN.Length) $Env:TASKCLUSTER_CLIENT_ID"
        tcenv env | Out-String | Invoke-Expression; "bare $? $($Env:TASKCLUSTER_ACCESS_TOKEN.Length)"
        $text = tcenv env --shell sh; "text $(($text -join '') -match 'export')"
        tcenv exec -- sh -c 'echo "child <$__TCENV_FUNCTION> ${#TASKCLUSTER_ACCESS_TOKEN}"'
        tcenv env nosuch; "failed $? $LASTEXITCODE $($Env:TASKCLUSTER_ACCESS_TOKEN.Length)"
        try { tcenv env nosuch | Out-String | Invoke-Expression } catch { 'thrown by the line' }
        $ErrorActionPreference = 'Stop'
        try { tcenv env nosuch } catch { "thrown $_" }
        $ErrorActionPreference = 'Continue'
        tcenv logout --keep-client; "out $? [$Env:TASKCLUSTER_ACCESS_TOKEN]"
        """,
        env,
    )
    assert f"env True 44 {deployment.user}/{NAME}" in printed
    assert "bare True 44" in printed
    assert "text True" in printed
    assert "child <> 44" in printed
    assert "failed False 2 44" in printed
    assert "thrown by the line" in printed
    assert "thrown tcenv env failed" in printed
    assert "out True []" in printed
    assert token not in printed
    # An error does not show the function's code.
    assert "Line |" not in printed


@pytest.mark.parametrize(
    "trace",
    [
        *(pytest.param(f"Set-PSDebug -Trace {level}", marks=pytest.mark.fuzz) for level in (1, 2)),
        "Set-PSDebug -Trace 2 -Strict",
    ],
)
def test_no_trace_shows_the_token(deployment: Sandbox, trace: str) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    log = Path(env["HOME"]) / "transcript"
    printed = run_powershell(
        f"Start-Transcript {log} | Out-Null\n{trace}\ntcenv env\n$null = prompt\nSet-PSDebug -Off\nStop-Transcript", env
    )
    assert "DEBUG" in printed
    assert token not in printed
    assert token not in log.read_text()


MODES = {
    "strict 1": "Set-StrictMode -Version 1",
    "strict 2": "Set-StrictMode -Version 2",
    "strict latest": "Set-StrictMode -Version Latest",
    "stop": "$ErrorActionPreference = 'Stop'",
    "strict and stop": "Set-StrictMode -Version Latest; $ErrorActionPreference = 'Stop'",
    "native errors": "$PSNativeCommandUseErrorActionPreference = $true",
    "everything": (
        "Set-StrictMode -Version Latest; $ErrorActionPreference = 'Stop'; $PSNativeCommandUseErrorActionPreference = $true"
    ),
    "output separator": "$OFS = ','; [Threading.Thread]::CurrentThread.CurrentCulture = 'tr-TR'",
    "constrained": CONSTRAINED,
}
USE = """
tcenv env; "loaded $? $($Env:TASKCLUSTER_ACCESS_TOKEN.Length)"
$shown = "$(prompt)$(prompt)"
"after the prompt $($Env:TASKCLUSTER_ACCESS_TOKEN.Length)"
tcenv exec '--' sh -c 'echo "<$1><$2>"' x '*' '~'
foreach ($one in $Error) { if ("$one" -notlike '*only on core types*') { "error $one" } }
"""


def test_every_mode_set_before_the_line_or_after_it(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    line = make_profile_line(env, "--prompt")
    scripts = {f"{name} before": f"{mode}\n{line}\n{USE}" for name, mode in MODES.items()}
    scripts |= {f"{name} after": f"{line}\n{mode}\n{USE}" for name, mode in MODES.items()}
    for name, printed in run_each(scripts, env).items():
        assert "loaded True 44" in printed, name
        assert "after the prompt 44" in printed, name
        assert "<*><~>" in printed, name
        assert "error" not in printed.lower(), name
        assert "WARNING" not in printed, name


def test_constrained_language_says_how_to_write_the_dashes(deployment: Sandbox) -> None:
    printed = run_powershell(f"{CONSTRAINED}\n{LOAD.format('')}\ntcenv exec -- true", sign_in(deployment), load=False)
    assert "Write it in quotes: tcenv exec '--'" in printed


PLACES = {
    "twice": "{0}\n{0}",
    "in a function": "function load {{ {0} }}\nload\nload",
    "in a module": "New-Module -Name m {{ {0} }} | Import-Module",
    "dot-sourced": "function load {{ {0} }}\n. load",
}


def test_the_line_works_in_every_place(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    line = make_profile_line(env, "--prompt")
    use = (
        '"kind $((Get-Command tcenv).CommandType)"\ntcenv env\n$text = prompt\n"prompt <$text>"'
        '\n"length $($Env:TASKCLUSTER_ACCESS_TOKEN.Length)"'
    )
    scripts = {name: f"{place.format(line)}\n{use}" for name, place in PLACES.items()}
    for name, printed in run_each(scripts, env).items():
        assert "kind Alias" in printed, name
        assert "length 44" in printed, name
        # One mark, and the user's own prompt after it.
        assert printed.count("(tcenv:") == 1, name
        assert "prompt <PS " in printed, name
        assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in printed, name


def test_a_function_takes_the_place_of_a_script_that_may_not_run(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    text = tcenv("init", "powershell", "--no-completion", env=env).stdout
    assert text.isascii()
    file = Path(env["HOME"]) / "init.ps1"
    file.write_text(text.replace("function.ps1", "refused.ps1"))
    printed = run_powershell(
        f'. {file}\ntcenv env; "length $($Env:TASKCLUSTER_ACCESS_TOKEN.Length)"\ntcenv exec -- false; $LASTEXITCODE',
        env,
        load=False,
    )
    assert printed.count("scripts may not run here") == 1
    assert "length 44" in printed
    assert printed.strip().endswith("1")


PROMPTS = {
    "text": ('function prompt { "<$?|$LASTEXITCODE>" }', "<False|3>"),
    "written by the host": ("function prompt { Write-Host \"<$?|$LASTEXITCODE>\" -NoNewline; ' ' }", "<False|3>"),
    "two lines": ('function prompt { "`n<$?|$LASTEXITCODE>" }', "<False|3>"),
    "two texts": ("function prompt { \"<$?|$LASTEXITCODE>\"; '>' }", "<False|3>"),
    "a number": ("function prompt { if (-not $?) { $LASTEXITCODE } }", "3"),
    "a script": ('${function:prompt} = { "<$?|$LASTEXITCODE>" }', "<False|3>"),
}


def test_the_users_own_prompt_sees_the_last_status(words: dict[str, str]) -> None:
    line = make_profile_line(make_env(), "--prompt")
    use = "tcenv fail > $null\n$text = prompt\n\"=$($text -join '')=\""
    env = {**words, "TCENV_PROFILE": "fx", "TCENV_LOADED": "fx https://tc.example.com 0 - -"}
    scripts = {name: f"{own}\n{line}\n{use}" for name, (own, _) in PROMPTS.items()}
    for name, printed in run_each(scripts, env).items():
        expected = PROMPTS[name][1]
        assert "(tcenv:fx) " in printed, name
        assert expected in printed, name
        # The mark comes first, even if a prompt writes to the host.
        assert printed.index("(tcenv:fx)") < printed.index(expected), name


def test_completion(words: dict[str, str]) -> None:
    lines = {
        "tcenv lo": ["login", "logout"],
        "tcenv login --fl": ["--flow"],
        "tcenv login --flow=": ["--flow=auto", "--flow=create", "--flow=new"],
        "tcenv login --flow=cr": ["--flow=create"],
        "tcenv login --flow n": ["new"],
        "tcenv env --format=j": ["--format=json"],
        "tcenv profile s": ["show", "set"],
        "tcenv profile ": ["list", "show", "set", "remove"],
        "tcenv help logi": ["login"],
        "tcenv init fi": ["fish"],
        "tcenv exec -- Get-ChildIte": ["Get-ChildItem"],
        "tcenv exec -- ls /etc/hostnam": ["/etc/hostname"],
        "tcenv login --scope --": [],
    }
    script = "\n".join(
        f"Write-Output \"= $((TabExpansion2 '{line}' {len(line)}).CompletionMatches.CompletionText -join ' ')\""
        for line in lines
    )
    script += "\n(TabExpansion2 'tcenv login --fl' 16).CompletionMatches[0].ToolTip"
    printed = run_powershell(f"{TCENV} init powershell | Out-String | Invoke-Expression\n{script}", words, load=False)
    found = [line[2:].split() for line in printed.splitlines() if line.startswith("=")]
    assert dict(zip(lines, found, strict=True)) == lines
    assert "Open this sign-in page" in printed


def test_it_is_installed_in_the_profile_of_all_hosts(home: Path) -> None:
    done = tcenv("init", "powershell", "--install", "--yes", env=make_env())
    assert done.returncode == 0, done.stderr
    profile = home / ".config/powershell/profile.ps1"
    assert "# tcenv init --install" in profile.read_text()
    asked = run_with_profile("$PROFILE.CurrentUserAllHosts; (Get-Command tcenv).CommandType")
    assert asked.stdout.splitlines() == [str(profile), "Alias"]
    # Without tcenv, the profile prints nothing.
    profile.write_text(profile.read_text().replace(TCENV, "/no/such/tcenv"))
    quiet = run_with_profile("1")
    assert (quiet.stdout, quiet.stderr) == ("1\n", "")
    profile.write_text(profile.read_text().replace("/no/such/tcenv", TCENV))
    assert tcenv("init", "powershell", "--uninstall", "--yes", env=make_env()).returncode == 0
    assert profile.read_text() == ""


def test_a_subshell_has_the_session_after_the_profile_and_a_mark(
    deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    env = sign_in(deployment)
    profile = home / ".config/powershell/profile.ps1"
    profile.parent.mkdir(parents=True)
    profile.write_text("$Env:TASKCLUSTER_CLIENT_ID = 'mine'\n$Env:TCENV_TEST = 'profile'\n")
    env["PATH"] = f"{os.path.dirname(require('pwsh'))}:{env['PATH']}"
    with Terminal([TCENV, "shell", "--shell", "powershell"], env, tmp_path, ready=">") as terminal:
        terminal.wait_for("(tcenv:", 60)
        found = terminal.read_environment()
        assert found["TCENV_TEST"] == "profile"
        assert found["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"
        assert "__TCENV_LOAD" not in found
        assert "Copyright" not in terminal.read_screen()
        assert "PowerShell 7" not in terminal.read_screen()


def test_doctor_says_that_the_line_comes_last(home: Path) -> None:
    assert tcenv("init", "powershell", "--install", "--yes", env=make_env()).returncode == 0
    profile = home / ".config/powershell/profile.ps1"

    assert "Move the line" not in run_with_profile("tcenv doctor; exit 0").stdout
    profile.write_text(profile.read_text() + "function prompt { 'mine> ' }\n")
    assert "Move the line of tcenv init to the end" in run_with_profile("tcenv doctor; exit 0").stdout


HOSTILE = [*(value for value in NASTY if value), "2026-01-31T12:00:00Z", "/Date(1)/", "null", "[1]", "a" * 20_000]


def test_any_value_arrives_under_any_encoding(tmp_path: Path) -> None:
    """The data are ASCII. A text that looks like a date stays a text."""
    change = {f"TCENV_T{number}": value for number, value in enumerate(HOSTILE)}
    (tmp_path / "data").write_text(load_shell("nu").export({**change, "TCENV_GONE": None}))
    program = tmp_path / "tcenv"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/data\n")
    program.chmod(0o755)
    dump = tmp_path / "dump.py"
    dump.write_text("import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))")
    env = make_env(TCENV_GONE="there")
    line = make_profile_line(env)
    scripts = {
        encoding: f"{line}\n[Console]::OutputEncoding = [Text.Encoding]::{encoding}\n$OFS = '-'\ntcenv env\n"
        f"{sys.executable} {dump} {tmp_path}/{encoding}"
        for encoding in ("UTF8", "ASCII", "Latin1")
    }
    for encoding, printed in run_each(scripts, {**env, "PATH": f"{tmp_path}:{env['PATH']}"}).items():
        after = json.loads((tmp_path / encoding).read_text())
        assert {name: after.get(name) for name in change} == change, (encoding, printed)
        assert "TCENV_GONE" not in after, encoding
