"""Build and install the distributions: the wheel, the sdist, and the command that pip installs."""

from __future__ import annotations

import configparser
import email
import importlib
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from email.message import Message
from pathlib import Path

import pytest

import tcenv
from tcenv.sandbox import Sandbox
from tests.world import BIN, make_env
from tests.world import NAME as CLIENT

PROJECT = Path(__file__).parents[2]
NAME = f"tcenv-{tcenv.__version__}"


def _build(tree: Path, target: str, folder: Path, **more: str) -> Path:
    """Build the wheel or sdist of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=tree, env={**os.environ, **more}, check=True, capture_output=True, timeout=100)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(PROJECT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(PROJECT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a virtual environment with this one's dependencies. Return its folder of programs."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    (site,) = folder.glob("lib/python*/site-packages")
    (theirs,) = BIN.parent.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{theirs}\n")
    return folder / "bin"


def _read_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by their relative paths, without caches."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _read_wheel(wheel: Path, folder: str) -> dict[str, bytes]:
    """Return the files of a wheel below `folder` by their relative paths."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{folder}/")]
        return {name.removeprefix(f"{folder}/"): archive.read(name) for name in names}


def _read_entry_points(wheel: Path) -> dict[str, dict[str, str]]:
    answer = configparser.ConfigParser(delimiters="=")
    answer.read_string(_read_wheel(wheel, f"{NAME}.dist-info")["entry_points.txt"].decode())
    return {section: dict(answer[section]) for section in answer.sections()}


def _parse_metadata(text: bytes) -> Message:
    return email.message_from_bytes(text)


def _run(command: Sequence[object], env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        stdin=subprocess.DEVNULL,
    )


def test_the_wheel_carries_the_package_and_one_copy_of_the_shell_code_and_completions(wheel: Path) -> None:
    carried = _read_wheel(wheel, "tcenv")
    expected = {name: text for name, text in _read_files(PROJECT / "tcenv").items() if not name.startswith("bin/")}
    expected |= {f"_shell/{name}": text for name, text in _read_files(PROJECT / "shell").items()}
    expected |= {f"_completions/{name}": text for name, text in _read_files(PROJECT / "completions").items()}
    assert carried == expected
    assert "py.typed" in carried
    assert {"_shell/init.zsh", "_shell/subshell/zsh/.zshenv", "_completions/_tcenv"} <= carried.keys()


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        roots = {name.partition("/")[0] for name in archive.namelist()}
    assert roots == {"tcenv", f"{NAME}.dist-info", f"{NAME}.data"}
    assert _read_wheel(wheel, f"{NAME}.data").keys() == {
        "scripts/tcenv",
        "data/share/bash-completion/completions/tcenv",
        "data/share/zsh/site-functions/_tcenv",
        "data/share/fish/vendor_completions.d/tcenv.fish",
        *(f"data/share/man/man1/{page.name}" for page in (PROJECT / "man").iterdir()),
    }


def test_the_windows_wheel_has_an_entry_point_instead_of_the_script(wheel: Path, tmp_path: Path) -> None:
    windows = _build(PROJECT, "wheel", tmp_path, TCENV_WHEEL="windows")
    assert windows.name == f"{NAME}-py3-none-win32.win_amd64.win_arm64.whl"
    assert wheel.name == f"{NAME}-py3-none-any.whl"
    theirs, pure = _read_wheel(windows, f"{NAME}.data"), _read_wheel(wheel, f"{NAME}.data")
    assert pure.pop("scripts/tcenv")
    assert theirs == pure
    assert _read_wheel(windows, "tcenv") == _read_wheel(wheel, "tcenv")
    command = {"console_scripts": {"tcenv": "tcenv.__main__:main"}}
    plugin = {"pytest11": {"tcenv_sandbox": "tcenv.sandbox.pytest_plugin"}}
    assert _read_entry_points(windows) == command | plugin
    assert _read_entry_points(wheel) == plugin
    module, function = command["console_scripts"]["tcenv"].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_an_unknown_kind_of_wheel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        _build(PROJECT, "wheel", tmp_path, TCENV_WHEEL="plan9")
    assert b"windows and pure are the wheels that there are" in raised.value.stderr


def test_completions_and_man_pages_are_where_shells_and_man_look(installed: Path) -> None:
    """The shells and man report where they look below the prefix of the installation."""
    prefix = installed.parent
    variables = {**os.environ, "PATH": f"{installed}:{os.environ['PATH']}", "XDG_DATA_DIRS": f"{prefix / 'share'}"}
    loaded = "source /usr/share/bash-completion/bash_completion; __load_completion tcenv && complete -p tcenv"
    assert "tcenv" in _run(["bash", "--norc", "-c", loaded], variables).stdout
    zsh = (
        f"fpath=({prefix}/share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; echo $_comps[tcenv]"
    )
    assert _run(["zsh", "-f", "-c", zsh], variables).stdout == "_tcenv\n"
    assert "proxy" in _run(["fish", "-c", "complete -C 'tcenv pro'"], variables).stdout
    # man finds pages beside a folder of the PATH.
    for page in (PROJECT / "man").iterdir():
        found = _run(["man", "-w", page.stem], {**variables, "MANPATH": f"{prefix}/share/man"}).stdout
        assert found.strip() == str(prefix / "share/man/man1" / page.name)


def test_the_wheels_metadata_is_complete(wheel: Path) -> None:
    info = _read_wheel(wheel, f"{NAME}.dist-info")
    assert info["licenses/LICENSE"] == (PROJECT / "LICENSE").read_bytes()
    metadata = _parse_metadata(info["METADATA"])
    assert metadata["Name"] == "tcenv"
    assert metadata["Version"] == tcenv.__version__
    assert metadata["License-Expression"] == "MPL-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload(decode=True) == (PROJECT / "README.md").read_bytes()
    assert _parse_metadata(info["WHEEL"])["Tag"] == "py3-none-any"


def test_the_sdist_makes_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(sdist, tmp_path)
    (tree,) = tmp_path.iterdir()
    again = _build(tree, "wheel", tmp_path / "wheel")
    assert again.name == wheel.name
    for folder in ("tcenv", f"{NAME}.data", f"{NAME}.dist-info"):
        assert _read_wheel(again, folder) == _read_wheel(wheel, folder)


def test_the_sdist_holds_everything_to_build_and_test(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        modes = {member.name.partition("/")[2]: member.mode for member in archive.getmembers()}
    assert {"Makefile", "LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tests/conftest.py"} <= names
    assert {"requirements.txt", "requirements-build.txt", "requirements-dev.txt", "requirements-release.txt"} <= names
    assert {"tcenv/bin/tcenv", "shell/init.bash", "shell/subshell/zsh/.zshenv", "completions/_tcenv"} <= names
    assert modes[".ci/run"] & modes[".ci/install"] & 0o111
    assert not any("__pycache__" in name or name.startswith((".venv", ".tools", ".bench")) for name in names)


def test_pip_installs_our_launcher(installed: Path) -> None:
    script = installed / "tcenv"
    # The launcher that installers generate would cost half of an interpreter's start.
    ours = (PROJECT / "tcenv/bin/tcenv").read_text().splitlines()
    assert script.read_text().splitlines() == [f"#!{installed / 'python'}", *ours[1:]]
    assert script.stat().st_mode & 0o111 == 0o111
    for command in ([script], [installed / "python", "-m", "tcenv"]):
        done = _run([*command, "--version"])
        assert (done.stdout, done.stderr) == (f"tcenv {tcenv.__version__}\n", "")


def test_the_installed_package_runs(installed: Path) -> None:
    where = _run([installed / "python", "-c", "import tcenv; print(tcenv.__file__)"]).stdout
    assert Path(where.strip()).is_relative_to(installed.parent)


@pytest.mark.parametrize("words", [("init", "bash"), ("init", "zsh"), ("init", "fish"), ("init", "tcsh"), ("direnv",)])
def test_the_installed_command_serves_the_same_shell_code_as_a_checkout(
    installed: Path, words: tuple[str, ...]
) -> None:
    theirs = _run([installed / "tcenv", *words]).stdout
    (site,) = installed.parent.glob("lib/python*/site-packages")
    # The text contains its own path and the path of the program.
    theirs = theirs.replace(str(site / "tcenv/_shell"), str(PROJECT / "shell"))
    assert theirs.replace(str(installed / "tcenv"), str(BIN / "tcenv")) == _run([BIN / "tcenv", *words]).stdout


def test_the_installed_command_signs_in(installed: Path, deployment: Sandbox) -> None:
    env = make_env(deployment)
    env["PATH"] = f"{installed}:{env['PATH']}"
    script = 'eval "$(tcenv login)" && eval "$(tcenv env)" && printf %s "$TASKCLUSTER_CLIENT_ID"'
    assert _run(["bash", "-c", script], env).stdout == f"{deployment.user}/{CLIENT}"
    assert deployment.approvals == 1


def test_the_readme_has_both_make_commands_on_their_own_lines() -> None:
    lines = (PROJECT / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines.index("make demo") < lines.index("make test")
