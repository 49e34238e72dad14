"""Add a command to a copy of the tree, as CONTRIBUTING.md says: two files suffice for every reader to know it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import PROJECT
from tests.programs import require, run_program
from tests.world import make_env

MODULE = '''"""`tcenv greet`."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


class Options(NamedTuple):
    """Greet a profile.

    Examples:
        tcenv greet work
    """

    profile: o.ProfileArgument = None
    as_json: o.Json = False


def run(options: Options) -> int:
    """Print a greeting."""
    from tcenv import output

    output.write(f"hello {options.profile} {options.as_json}\\n")
    return 0
'''


def test_a_new_command_touches_two_files(tmp_path: Path) -> None:
    listed = (PROJECT / "CONTRIBUTING.md").read_text().partition("- **a command**:")[2].partition("\n- ")[0]
    assert re.findall(r"`(tcenv/[^`]*)`", listed) == ["tcenv/cli/commands/NAME.py", "tcenv/cli/parsing/declaration.py"]
    clone = tmp_path / "tcenv"
    clone.mkdir()
    for name in ("tcenv", "shell", "completions", "docs", "man"):
        shutil.copytree(PROJECT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    git = [require("git"), "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as it is"]):
        subprocess.run([*git, *words], check=True, capture_output=True)

    (clone / "tcenv/cli/commands/greet.py").write_text(MODULE)
    declaration = clone / "tcenv/cli/parsing/declaration.py"
    text = declaration.read_text()
    declaration.write_text(text.replace('"version"),\n', '"version", "greet"),\n', 1))
    touched = run_program(*git, "status", "--porcelain", check=True).stdout
    assert sorted(line[3:] for line in touched.splitlines()) == [
        "tcenv/cli/commands/greet.py",
        "tcenv/cli/parsing/declaration.py",
    ]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**make_env(), "PYTHONPATH": str(clone)}
        return run_program(sys.executable, "-m", *words, cwd=clone, env=env)

    assert run("tcenv.cli.parsing.generate").returncode == 0
    assert run("tcenv", "greet", "work", "--json").stdout == "hello work True\n"
    assert "Greet a profile." in run("tcenv", "greet", "--help").stdout
    refused = run("tcenv", "greet", "--nope")
    assert refused.returncode == 2
    assert "There is no option --nope" in refused.stderr
    for name in ("completions/tcenv.bash", "man/tcenv-greet.1", "docs/commands.md"):
        assert "greet" in (clone / name).read_text()
