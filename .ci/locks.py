"""Keep the locks.

`check` fails for an incomplete lock, and for a file that names a package index. `update` renews the locks and prints what
changed. `install lowest|newest FOLDER` makes an environment from one end of pyproject.toml's ranges, without the locks.

An index belongs to the machine that installs, in the configuration of its pip and npm."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
OLDEST_PYTHON = "3.11"
FOR_WINE = "requirements-wine.txt"
# Each lock, the groups of pyproject.toml that it holds (two are tables of their own), and the locks that it agrees with.
LOCKS = {
    "requirements.txt": (("project",), ()),
    "requirements-build.txt": (("build-system", "editable"), ()),
    "requirements-dev.txt": (("project", "dev"), ("requirements.txt", "requirements-build.txt")),
    "requirements-release.txt": (("release",), ()),
    FOR_WINE: (("project", "wine"), ()),
}
NPM_LOCKS = ".ci/npm/*/package-lock.json"
CLIENT_LOCKS = ".ci/taskcluster/*.txt"
# Other versions of xonsh, with what its prompt needs.
XONSH_LOCKS = ".ci/shells/xonsh-*.txt"
# Each of Go's locks, and what `go get` takes to renew it.
GO_LOCKS = {
    ".ci/actionlint/go.mod": ("-tool", "github.com/rhysd/actionlint/cmd/actionlint@latest"),
    ".ci/docker-readers/go.mod": ("github.com/compose-spec/compose-go/v2@latest", "github.com/docker/cli@latest"),
}

# Folders that are no part of the project.
_GENERATED = {
    *(".git", ".venv", ".tools", ".bench", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"),
    *("build", "dist", "node_modules"),
}
# Folders of code and prose that install nothing.
_INSTALL_NOTHING = {"tcenv", "docs", "man", "completions"}
_INDEX = re.compile(
    r"--(?:extra-|default-)?index(?:-url)?\b|--find-links\b|--registry\b|\bregistry[\"']?\s*[=:]\s*[\"']?\w+://|^\s*(?:extra-|default-)?index-url\s*="
    r"|\b(?:PIP|UV)_(?:EXTRA_|DEFAULT_)?INDEX(?:_URL)?\b|\bnpm_config_registry\b|\bGOPROXY\b|[\"']?\bresolved[\"']?\s*:",
    re.IGNORECASE,
)
# In Python, it is a variable.
_REGISTRY = re.compile(r"\bregistry\s*=")
_VERSION = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^\s;]+)")


def read_requirements(root: Path, group: str) -> list[Requirement]:
    """Return what a group of pyproject.toml requires."""
    tables = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    lines = {"project": ("project", "dependencies"), "build-system": ("build-system", "requires")}
    table, key = lines.get(group, ("dependency-groups", group))
    return [Requirement(line) for line in tables[table][key]]


def read_versions(lock: Path) -> dict[str, str]:
    """Return the versions of a lock by normalized names."""
    if lock.suffix == ".json":
        packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        return {path: entry["version"] for path, entry in packages.items() if path}
    if lock.name == "go.mod":
        return dict(re.findall(r"^(?:require)?\s*(\S+/\S+) (v\S+)", lock.read_text(encoding="utf-8"), re.M))
    if not lock.exists():
        return {}
    found = (_VERSION.match(line) for line in lock.read_text(encoding="utf-8").splitlines())
    return {_normalize(match["name"]): match["version"] for match in found if match}


def find_indexes(root: Path) -> Iterator[str]:
    """Yield each line that names a package index or the address of a package."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _GENERATED - (_INSTALL_NOTHING if Path(folder) == root else set()))
        for path in (Path(folder, name) for name in sorted(names)):
            if path == root / ".ci/locks.py" or not path.is_file():
                continue
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            for number, line in enumerate(lines, 1):
                if found := _INDEX.search(line) or (path.suffix != ".py" and _REGISTRY.search(line)):
                    yield f"{path.relative_to(root)}:{number}: {found[0].strip()} names a package index or an address in it"


def find_gaps(root: Path) -> Iterator[str]:
    """Yield each line of a lock without an exact version or a hash, and each requirement that a lock lacks."""
    for lock in (*map(root.joinpath, LOCKS), *root.glob(CLIENT_LOCKS), *root.glob(XONSH_LOCKS)):
        text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if line and not line.lstrip().startswith("#") and not (_VERSION.match(line) and "--hash=sha256:" in line):
                yield f"{lock.relative_to(root)}: without an exact version and a hash: {line.split()[0]}"
    for name, (groups, _) in LOCKS.items():
        versions = read_versions(root / name)
        for requirement in (requirement for group in groups for requirement in read_requirements(root, group)):
            version = versions.get(_normalize(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                yield f"{name}: {version or 'no version'} for {requirement}: run make update"
    for lock in root.glob(NPM_LOCKS):
        for path, entry in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
            if path and "integrity" not in entry:
                yield f"{lock.relative_to(root)}: without integrity: {path}"


def update() -> None:
    """Renew every lock and print what changed."""
    uv = str(Path(sys.executable).with_name("uv"))
    compile_ = [uv, "pip", "compile", "--quiet", "--python-version", OLDEST_PYTHON, "--generate-hashes"]
    compile_ += ["--no-emit-index-url", "--custom-compile-command", "make update", "-", "-o"]
    for name, (groups, agreeing) in LOCKS.items():
        wanted = "\n".join(str(requirement) for group in groups for requirement in read_requirements(ROOT, group))
        constraints = [word for other in agreeing for word in ("--constraint", other)]
        # pip on Linux installs for Windows, but evaluates markers for Linux.
        system = ["--python-platform", "windows"] if name == FOR_WINE else ["--universal"]
        renew(ROOT / name, [*compile_, name, "--upgrade", *system, *constraints], wanted)
    for lock in ROOT.glob(CLIENT_LOCKS):
        renew(lock, [*compile_, str(lock), "--universal", "--no-deps"], f"taskcluster=={lock.stem}")
    for lock in ROOT.glob(XONSH_LOCKS):
        xonsh = lock.stem.replace("-", "==")
        renew(lock, [*compile_, str(lock), "--universal", "--upgrade"], f"{xonsh}\nprompt-toolkit\npygments")
    for lock in ROOT.glob(NPM_LOCKS):
        renew(lock, ["npm", "update", "--package-lock-only", "--prefix", str(lock.parent)])
    for name, wanted in GO_LOCKS.items():
        renew(ROOT / name, ["go", "-C", str(Path(name).parent), "get", *wanted])


def renew(lock: Path, command: list[str], requirements: str = "", root: Path = ROOT) -> None:
    """Run the command that rewrites a lock, with `requirements` as its input. Print the changed versions."""
    before = read_versions(lock)
    subprocess.run(command, cwd=root, input=requirements, text=True, check=True, stdout=subprocess.DEVNULL)
    after = read_versions(lock)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            print(f"{lock.relative_to(root)}: {name} {before.get(name, '(new)')} -> {after.get(name, '(gone)')}")


def install(end: str, folder: str) -> None:
    """Install tcenv and its development tools into a new environment, from one end of the ranges. Print the versions."""
    uv = str(Path(sys.executable).with_name("uv"))
    groups = ("project", "build-system", "editable", "dev")
    wanted = "\n".join(str(requirement) for group in groups for requirement in read_requirements(ROOT, group))
    resolution = {"lowest": "lowest-direct", "newest": "highest"}[end]
    into = [uv, "pip", "install", "--quiet", "--python", folder]
    subprocess.run(
        [uv, "venv", "--quiet", "--seed", "--clear", "--python", sys.executable, folder], cwd=ROOT, check=True
    )
    resolved = [*into, "--resolution", resolution, "--requirements", "-"]
    subprocess.run(resolved, cwd=ROOT, check=True, input=wanted, text=True)
    project = ["--offline", "--no-deps", "--no-build-isolation", "--editable", "."]
    subprocess.run([*into, *project], cwd=ROOT, check=True)
    subprocess.run([uv, "pip", "list", "--python", folder], cwd=ROOT, check=True)


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(words: list[str], root: Path = ROOT) -> int:
    """Run the command. Return the exit status."""
    match words:
        case ["update"]:
            update()
        case ["install", ("lowest" | "newest") as end, folder]:
            install(end, folder)
        case ["check"]:
            faults = [*find_indexes(root), *find_gaps(root)]
            print("\n".join(faults), end="\n" if faults else "")
            return bool(faults)
        case _:
            print("usage: locks.py check | update | install lowest|newest FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
