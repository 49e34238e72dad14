"""The oldest and newest versions of the shells, and the programs of those that the machine does not have itself."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# `make shells` runs them all, `make test` those that its locks hold. Read at import: the tests run without the variable.
EVERY_VERSION = os.environ.get("TCENV_TEST_SHELLS") == "all"


@dataclass(frozen=True)
class Version:
    """One version of a shell. `program` is below .tools, or of Debian 12. `question` makes it print its version."""

    shell: str
    version: str
    program: str
    question: tuple[str, ...] = ("--version",)

    @property
    def path(self) -> Path:
        return ROOT / ".tools" / self.program

    @property
    def is_locked(self) -> bool:
        """Return whether `make test` installs it, by a lock with hashes."""
        return self.program.startswith(
            ("shells/xonsh-0.12", "shells/nu-", "bin/", sys.executable.removesuffix(Path(sys.executable).name))
        )


def _read_newest_nushell() -> str:
    lock = json.loads((ROOT / ".ci/npm/tools/package-lock.json").read_text())
    return str(lock["packages"]["node_modules/@nushell/linux-x64"]["version"])


def _read_newest_xonsh() -> str:
    """Return the xonsh of the tests' own environment."""
    found = re.search(r"^xonsh(?:\[.*\])?==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.M)
    assert found
    return found[1]


def _make_versions(
    shell: str, old: str, new: str, *question: str, folder: str = "bin", program: str = ""
) -> tuple[Version, Version]:
    """Return the versions of Debian 11 and 13. Other tests use those of Debian 12."""
    program = program or shell
    question = question or ("--version",)
    return (
        Version(shell, old, f"shells/bullseye/{folder}/{program}", question),
        Version(shell, new, f"shells/trixie/usr/bin/{program}", question),
    )


_KSH_VERSION = ("-c", "echo $KSH_VERSION")
VERSIONS = (
    *_make_versions("bash", "5.1", "5.2.37"),
    *_make_versions("zsh", "5.8", "5.9"),
    *_make_versions("fish", "3.1.2", "4.0.2", folder="usr/bin"),
    *_make_versions("tcsh", "6.21", "6.24.13"),
    *_make_versions("elvish", "0.15.0", "0.21.0", "-version", folder="usr/bin"),
    *_make_versions("mksh", "R59", "R59", *_KSH_VERSION),
    *_make_versions("sh", "0.5.11", "0.5.12", program="dash"),
    *_make_versions("busybox", "1.30", "1.37", "--help"),
    Version("yash", "2.50", "shells/bullseye/usr/bin/yash"),
    Version("yash", "2.52", "/usr/bin/yash"),
    Version("fish", "3.6.0", "/usr/bin/fish"),
    Version("elvish", "0.19.2", "/usr/bin/elvish", ("-version",)),
    Version("ksh", "93u+m/1.0.4", "/usr/bin/ksh93", ("-c", "echo ${.sh.version}")),
    Version("ksh", "93u+m/1.0.10", "shells/trixie/usr/bin/ksh93", ("-c", "echo ${.sh.version}")),
    Version("nu", "0.98.0", "shells/nu-0.98.0/bin/nu"),
    Version("nu", _read_newest_nushell(), "bin/nu"),
    Version("xonsh", "0.12.6", "shells/xonsh-0.12.6/bin/xonsh"),
    Version("xonsh", "0.13.4", "shells/xonsh-0.13.4/bin/xonsh"),
    Version("xonsh", _read_newest_xonsh(), str(Path(sys.executable).parent / "xonsh")),
)
# Unsupported versions. The start-up text says so in a line, and the rest of the start-up file works.
TOO_OLD = {("fish", "3.1.2"), ("elvish", "0.15.0")}
SUPPORTED = tuple(each for each in VERSIONS if (each.shell, each.version) not in TOO_OLD)


def find_range(shell: str) -> tuple[str, str]:
    """Return the oldest and the newest version of `shell` that the tests run, or empty texts."""
    found = sorted(
        (each.version for each in SUPPORTED if each.shell == shell),
        key=lambda version: [int(number) for number in re.findall(r"\d+", version)],
    )
    return (found[0], found[-1]) if found else ("", "")
