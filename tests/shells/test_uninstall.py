"""The steps of docs/install.md for uninstalling leave nothing in a home where every shell has a start-up file."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.shells import SHELLS, load_shell
from tests.programs import require
from tests.world import make_env, sign_in, tcenv

PAGE = (Path(__file__).parents[2] / "docs/install.md").read_text()
STEPS = re.findall(r"## Uninstall\n.*?```sh\n(.*?)```", PAGE, re.S)[0]
# Shells without a start-up file of their own.
WITHOUT = {"cmd", "sh"}


def read_files(home: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of every file below the home."""
    return {
        str(path.relative_to(home)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in home.rglob("*")
        if path.is_file()
    }


def test_the_steps_leave_nothing(deployment: Sandbox, home: Path) -> None:
    (home / ".config").mkdir()
    files = {}
    for name in SHELLS:
        if name not in WITHOUT:
            path = Path(load_shell(name).find_startup_file(os.environ, str(home)))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# {name}, without a newline at its end" if name == "bash" else f"# {name}\n")
            path.chmod(0o640)
            files[name] = path
    # tcsh reads this file if it has no other.
    (home / ".cshrc").write_text("# csh\n")
    before = read_files(home)
    for name, path in files.items():
        done = tcenv("init", name, "--install", "--yes", env=make_env())
        assert done.returncode == 0, done.stderr
        assert "tcenv init --install" in path.read_text()
    (home / ".cshrc").write_text((home / ".cshrc").read_text() + files["tcsh"].read_text().splitlines()[-1] + "\n")
    env = sign_in(deployment)
    for words in (
        ["direnv", "--install"],
        ["profile", "set", "x", "--root-url", deployment.root_url],
        ["profile", "list"],
    ):
        assert tcenv(*words, env=env).returncode == 0
    assert tcenv("exec", "--proxy", "--", "true", env=env).returncode == 0
    # The user has set ZDOTDIR since. The line also goes from the usual directory.
    env["ZDOTDIR"] = str(home / "elsewhere")
    done = subprocess.run([require("bash"), "-euc", STEPS], env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    after = read_files(home)
    # The last line has got a newline.
    assert after.pop(".bashrc")[1] == before.pop(".bashrc")[1] + b"\n"
    assert after == before
    assert list(home.rglob("*tcenv*")) == []
    assert not deployment.clients


def test_a_file_that_cannot_be_written_keeps_no_other_line(home: Path) -> None:
    for name in ("bash", "zsh"):
        assert tcenv("init", name, "--install", "--yes", env=make_env()).returncode == 0
    (home / ".bashrc").chmod(0o444)
    done = tcenv("init", "--uninstall", "--all", "--yes", env=make_env())
    assert (done.returncode, ".bashrc cannot be written" in done.stderr) == (1, True)
    assert (home / ".zshrc").read_text() == ""
    (home / ".bashrc").chmod(0o644)
    assert tcenv("init", "--uninstall", "--all", "--yes", env=make_env()).returncode == 0
    assert "No start-up file" in tcenv("init", "--uninstall", "--all", "--yes", env=make_env()).stderr


@pytest.mark.parametrize("words", [["--all"], ["--all", "--install"], ["bash", "--all", "--uninstall"]])
def test_all_needs_uninstall(words: list[str]) -> None:
    done = tcenv("init", *words, env=make_env())
    assert (done.returncode, "--all needs --uninstall" in done.stderr) == (2, True)
