"""Add a shell to a copy of the tree, as CONTRIBUTING.md says: three files suffice for the whole of tcenv to know it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import PROJECT
from tests.programs import require, run_program
from tests.world import make_env

MODULE = '''"""brush, a shell like bash."""

from __future__ import annotations

import os

from tcenv.shells.posix import PosixShell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Brush(PosixShell):
    eval_line = "tcenv {} | brush-eval"
    template = "init.brush"

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        return os.path.join(home, ".brushrc")


SHELL = Brush()
'''
TEMPLATE = """# --- function
tcenv() { case ${1-} in @EVALUATED@) eval "$(command tcenv "$@" --shell brush)" ;; *) @PROGRAM@ "$@" ;; esac; }
"""
REGISTERED = '    "brush": ("brsh", "brush"),\n'


def test_a_new_shell_touches_three_files(tmp_path: Path) -> None:
    listed = (PROJECT / "CONTRIBUTING.md").read_text().partition("- **a shell**:")[2].partition("\n- ")[0]
    assert re.findall(r"`((?:tcenv|shell)/[^`]*)`", listed) == [
        "tcenv/shells/NAME.py",
        "tcenv/shells/__init__.py",
        "shell/",
    ]
    clone = tmp_path / "tcenv"
    subprocess.run([require("git"), "clone", "-q", str(PROJECT), str(clone)], check=True)
    for name in ("tcenv", "shell", "completions", "pyproject.toml", "docs", "man"):
        source, target = PROJECT / name, clone / name
        shutil.copytree(source, target, dirs_exist_ok=True) if source.is_dir() else shutil.copy(source, target)
    git = [require("git"), "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "as it is"], check=True)

    (clone / "tcenv/shells/brush.py").write_text(MODULE)
    (clone / "shell/init.brush").write_text(TEMPLATE)
    registry = clone / "tcenv/shells/__init__.py"
    text = registry.read_text()
    registry.write_text(text.replace('    "zsh": ', REGISTERED + '    "zsh": ', 1))
    assert registry.read_text() != text
    touched = run_program(*git, "status", "--porcelain", check=True).stdout
    assert sorted(line[3:] for line in touched.splitlines()) == [
        "shell/init.brush",
        "tcenv/shells/__init__.py",
        "tcenv/shells/brush.py",
    ]

    def run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
        env = {**make_env(), "PYTHONPATH": str(clone), **more}
        return run_program(*command, cwd=clone, env=env)

    def tcenv(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return run(sys.executable, "-m", "tcenv", *words, **more)

    start_up = tcenv("init", "brsh")
    assert start_up.returncode == 0, start_up.stderr
    assert "login|signin|env|logout" in start_up.stdout
    assert tcenv("init", "brush", "--install", "--yes").returncode == 0
    home = Path(os.environ["HOME"])
    assert "init brush" in (home / ".brushrc").read_text()
    # Failures and hints have the shell's syntax.
    refused = tcenv("env", TCENV_SHELL="brush", TASKCLUSTER_ROOT_URL="https://tc.example.com")
    assert refused.stdout == "\\false;\n"
    assert ": tcenv login https://tc.example.com | brush-eval" in refused.stderr
    # tcenv detects the shell's process, and doctor checks its start-up file.
    program = tmp_path / "brush"
    shutil.copy(require("dash"), program)
    found = run(str(program), "-c", f"{sys.executable} -m tcenv doctor; true").stdout
    assert "shell: brush" in found
    assert ".brushrc evaluates tcenv init" in found
    made = run(sys.executable, "-m", "tcenv.cli.parsing.generate")
    assert "wrote completions/tcenv.bash" in made.stdout, made.stderr
    assert "brush" in (clone / "completions/tcenv.fish").read_text()
