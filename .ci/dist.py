"""Build a release in dist/: the sdist, the pure wheel and the wheel for Windows.

Builds everything twice with the same bytes, checks it, and does the main job with each of the three, installed into a
new environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PROGRAMS = "Scripts" if sys.platform == "win32" else "bin"
PYTHON = "python.exe" if sys.platform == "win32" else "python"
# What is built, and for which system: the sdist is for all.
TARGETS = (("sdist", "pure"), ("wheel", "pure"), ("wheel", "windows"))
NOT_FROM_INDEX = ["--no-index", "--no-deps", "--no-build-isolation"]


def build(folder: Path, **environment: str) -> dict[str, str]:
    """Build everything into a folder; return the SHA-256 sums by the names of the files."""
    folder.mkdir()
    for target, system in TARGETS:
        env = {**os.environ, **environment, "TCENV_WHEEL": system}
        _run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder], env=env)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def get_source_date() -> str:
    """Return SOURCE_DATE_EPOCH, else the time of the commit (both in seconds). The latter is empty without a commit."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return os.environ["SOURCE_DATE_EPOCH"]
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def check(tools: Path) -> None:
    """Check dist/ against the rules of indexes and installers."""
    built = sorted(DIST.iterdir())
    _run([tools / "twine", "check", "--strict", *built])
    _run([tools / "check-wheel-contents", *(path for path in built if path.suffix == ".whl")])


def run_demo(distribution: Path, folder: Path) -> None:
    """Install a distribution into a new environment, from the locks, and run the demo with what is installed."""
    _run([sys.executable, "-m", "venv", folder])
    pip = [folder / PROGRAMS / PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    locks = [word for name in ("requirements.txt", "requirements-build.txt") for word in ("-r", ROOT / name)]
    _run([*pip, "--require-hashes", "--no-deps", *locks])
    command = folder / PROGRAMS / "tcenv"
    if "win32" in distribution.name and sys.platform != "win32":
        # Its modules run on any system. pip installs it only into a folder of another platform, and writes a script for this
        # system.
        site = _read_output(
            [folder / PROGRAMS / PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        )
        foreign = ["--platform", "win_amd64", "--only-binary", ":all:", "--target", site]
        _run([*pip, "--no-index", "--no-deps", *foreign, distribution])
        command = Path(site, "bin", "tcenv")
    else:
        _run([*pip, *NOT_FROM_INDEX, distribution])
    version = _read_output([command, "--version"])
    if version != f"tcenv {distribution.name.split('-')[1].removesuffix('.tar.gz')}":
        sys.exit(f"{distribution.name}: the installed command says {version!r}")
    with tempfile.TemporaryDirectory() as elsewhere:
        demo = [folder / PROGRAMS / PYTHON, "-m", "tcenv.sandbox.demo"]
        done = subprocess.run(demo, cwd=elsewhere, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode or "signed out; nothing is left" not in done.stdout:
        sys.exit(f"{distribution.name}: the main job failed\n{done.stdout}{done.stderr}")
    print(f"{distribution.name}: installed, version and main job as they should be")


def _run(command: list[str | Path], **more: object) -> None:
    subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL, **more)  # type: ignore[call-overload]


def _read_output(command: list[str | Path]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()


def main(tools: Path) -> None:
    """Build, compare, check, install and run. `tools` is the folder of the release tools' programs."""
    epoch = get_source_date()
    with tempfile.TemporaryDirectory() as work:
        first = build(Path(work, "first"), SOURCE_DATE_EPOCH=epoch, TZ="UTC", PYTHONHASHSEED="1")
        os.umask(0o077)
        second = build(Path(work, "second"), SOURCE_DATE_EPOCH=epoch, TZ="Asia/Tokyo", PYTHONHASHSEED="2")
        os.umask(0o022)
        version = next(name for name in first if name.endswith(".tar.gz")).split("-")[1].removesuffix(".tar.gz")
        if (tag := os.environ.get("TAG")) and tag != f"v{version}":
            sys.exit(f"The tag {tag} is not that of version {version}.")
        if tag and (left := [path.name for path in (ROOT / "changes").glob("*.*.md")]):
            sys.exit(f"CHANGELOG.md lacks {', '.join(sorted(left))}: run towncrier first (docs/releasing.md).")
        for name in first:
            print(f"{first[name]}  {name}\n{second[name]}  {name}, built again")
        if first != second:
            sys.exit("The second build has other bytes than the first.")
        shutil.rmtree(DIST, ignore_errors=True)
        shutil.copytree(Path(work, "first"), DIST)
        check(tools)
        for number, name in enumerate(first):
            run_demo(DIST / name, Path(work, f"environment-{number}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
