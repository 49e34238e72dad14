"""Run scripts in PowerShell, after the text of `tcenv init`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.programs import require
from tests.shells.real import BY_NAME
from tests.world import TCENV, make_env, make_init_text

LOAD = f"{TCENV} init powershell --no-completion {{}} | Out-String | Invoke-Expression"


def run_powershell(script: str, env: Mapping[str, str], *, options: str = "", load: bool = True) -> str:
    """Run `script` after the start-up text. Return its output, and then its errors."""
    path = Path(env["HOME"]) / "script.ps1"
    path.write_text(f"{LOAD.format(options) if load else ''}\n{script}\n")
    done = run_file(path, env=env)
    return done.stdout + done.stderr


def run_file(*words: object, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a file of PowerShell with its arguments. A start of PowerShell takes long on a busy machine."""
    command = [*BY_NAME["powershell"].command, "-File", *map(str, words)]
    return subprocess.run(
        command,
        env={**env, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def run_with_profile(script: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of PowerShell, which reads the user's profile."""
    command = [require("pwsh"), "-NoLogo", "-Command", script]
    return subprocess.run(command, env=make_env(), capture_output=True, text=True, timeout=120)


# A new runspace has its own functions, variables, preferences and language mode, like a new process.
_EACH = r"""
$before = [Environment]::GetEnvironmentVariables()
foreach ($file in $args) {
    [Console]::Out.WriteLine("@@@ $file")
    $space = [RunspaceFactory]::CreateRunspace($Host)
    $space.Open()
    $shell = [PowerShell]::Create($space)
    $null = $shell.AddScript((Get-Content -Raw $file)).AddCommand('Out-Default')
    try { $null = $shell.Invoke() } catch { [Console]::Out.WriteLine("error $_") }
    foreach ($one in $shell.Streams.Error) { [Console]::Out.WriteLine("error $one") }
    $space.Dispose()
    foreach ($name in @([Environment]::GetEnvironmentVariables().Keys)) {
        [Environment]::SetEnvironmentVariable($name, $before[$name])
    }
}
"""


def run_each(scripts: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """Run scripts in one process, each in its own runspace and environment. Return what each printed."""
    folder = Path(env["HOME"]) / "scripts"
    folder.mkdir()
    files = {str(folder / f"{number}.ps1"): name for number, name in enumerate(scripts)}
    for file, name in files.items():
        Path(file).write_text(scripts[name] + "\n")
    each = folder / "each.ps1"
    each.write_text(_EACH)
    done = run_file(each, *files, env=env)
    assert not done.stderr
    parts = [part.partition("\n") for part in done.stdout.split("@@@ ")[1:]]
    printed = {files[file]: text for file, _, text in parts}
    assert list(printed) == list(scripts), done.stdout
    return printed


def make_profile_line(env: Mapping[str, str], *options: str) -> str:
    """Return the line of a profile with a program that is quicker than tcenv."""
    path = Path(env["HOME"]) / "init.ps1"
    path.write_text(make_init_text("powershell", "--no-completion", *options, env=env))
    return f"cat {path} | Out-String | Invoke-Expression"
