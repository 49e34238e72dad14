"""Run the real programs that read environment files, and compare what they read.

`python -m tests.env_files` writes the table of docs/formats.md, which a test checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import dotenv
from playwright._impl._driver import compute_driver_executable

from tcenv.deployment.temporary import mint
from tcenv.shells import formats
from tests.docs import tables
from tests.programs import require

PAGE = Path(__file__).parent.parent / "docs" / "formats.md"
FORMATS = ("dotenv", "docker", "systemd")
SHELLS = ("dash", "busybox", "bash", "zsh", "ksh93", "mksh", "yash")

# Each character that a scope may have, and what some readers expand.
_SCOPES = (
    "".join(map(chr, range(0x20, 0x7F))),
    "secrets:get:$HOME/${HOME}/$(id)/`id`",
    'hooks:trigger-hook:it\'s "quoted" # no comment',
    "queue:route:back\\slash\\n\\t\\u0041\\$x %h%% !! ~ *",
    "assume: export A=b; echo '",
)
_CLIENT_ID = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv-host:profile"
_TOKEN, CERTIFICATE = mint(_CLIENT_ID, "-_" + "x" * 42, _SCOPES, 1_700_000_000, 1_700_003_600)
VALUES = {
    "TASKCLUSTER_ROOT_URL": "https://tc.example.com:8443/a~b_c",
    "TASKCLUSTER_CLIENT_ID": _CLIENT_ID,
    "TASKCLUSTER_ACCESS_TOKEN": _TOKEN,
    "TASKCLUSTER_CERTIFICATE": CERTIFICATE,
    "TCENV_PROFILE": "community@tc.example.com_8443",
    "TCENV_EXPIRES": "1700003600",
}

_DUMP = "import json, os; print(json.dumps(dict(os.environ)))"
_NODE_DUMP = "console.log(JSON.stringify(process.env))"
_NPM_DOTENV = "console.log(JSON.stringify(require('dotenv').parse(require('fs').readFileSync(process.argv[1]))))"
_SYSTEMD = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"

# Returns the variables of the file at a path. Raises CalledProcessError if the reader rejects the file.
Reader = Callable[[Path], dict[str, str]]


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **(env or {})},
        cwd=PAGE.parent.parent / ".tools",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def _make_shell_reader(name: str) -> Reader:
    words = [require(name), *(["sh"] if name == "busybox" else [])]
    line = 'set -a; . "$1" || exit; exec "$2" -c "$3"'
    return lambda file: json.loads(_run(*words, "-c", line, "sh", str(file), sys.executable, _DUMP))


def _read_with_python_dotenv(file: Path) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv.dotenv_values(file).items()}


def _read_with_npm_dotenv(file: Path) -> dict[str, str]:
    return dict(json.loads(_run(_find_node(), "-e", _NPM_DOTENV, "--", str(file))))


def _find_node() -> str:
    """Return Playwright's node, which is new enough for `--env-file`; the system's may not be."""
    return str(compute_driver_executable()[0])


def _read_with_node(file: Path) -> dict[str, str]:
    return dict(json.loads(_run(_find_node(), f"--env-file={file}", "-e", _NODE_DUMP)))


def _read_with_just(file: Path) -> dict[str, str]:
    recipe = file.with_name("justfile")
    recipe.write_text(f"dump:\n  @{sys.executable} -c '{_DUMP}'\n")
    return dict(json.loads(_run(require("just"), "--justfile", str(recipe), "--dotenv-path", str(file), "dump")))


def _make_docker_reader(reader: str) -> Reader:
    return lambda file: json.loads(_run(require("docker-readers"), reader, str(file)))


def _read_with_systemd(file: Path) -> dict[str, str]:
    """Return what systemd's reader of EnvironmentFile= reads from the file.

    A generator of environment.d runs the same code, and prints what it read as statements for `.`. In addition, it replaces
    `$NAME`."""
    folder = file.with_name("environment.d")
    folder.mkdir(exist_ok=True)
    (folder / "file.conf").write_text(file.read_text())
    printed = file.with_name("printed")
    printed.write_text(_run(require(_SYSTEMD), env={"XDG_CONFIG_HOME": str(file.parent)}))
    return _make_shell_reader("dash")(printed)


READERS: dict[str, Callable[[], Reader]] = {
    **{f"`.` in {name}": (lambda name=name: _make_shell_reader(name)) for name in SHELLS},  # type: ignore[misc]
    "python-dotenv": lambda: _read_with_python_dotenv,
    "npm's dotenv": lambda: _read_with_npm_dotenv,
    "`node --env-file`": lambda: _read_with_node,
    "just (`set dotenv-load`)": lambda: _read_with_just,
    "docker compose (`env_file`, `.env`)": lambda: _make_docker_reader("compose"),
    "`docker run --env-file`": lambda: _make_docker_reader("docker"),
    "systemd (`EnvironmentFile=`)": lambda: _read_with_systemd,
}
# The readers for which each format is made. Others may read it or not.
PROMISED = {
    "dotenv": [reader for reader in READERS if reader != "`docker run --env-file`"],
    "docker": ["`docker run --env-file`"],
    "systemd": ["systemd (`EnvironmentFile=`)"],
}


def read(reader: str, form: str) -> dict[str, str]:
    """Return what the reader reads from the `VALUES` in a format, or nothing if it rejects the file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "env")
        file.write_text(formats.render(VALUES, form))
        try:
            found = READERS[reader]()(file)
        except subprocess.CalledProcessError:
            return {}
    return {name: found[name] for name in VALUES if name in found}


def is_read(reader: str, form: str) -> bool:
    """Return whether the reader reads exactly the values. A certificate may have any spelling of its JSON."""
    found = read(reader, form)
    try:
        certificate = json.loads(found.pop("TASKCLUSTER_CERTIFICATE", ""))
    except ValueError:
        return False
    rest = {name: value for name, value in VALUES.items() if name != "TASKCLUSTER_CERTIFICATE"}
    return found == rest and bool(certificate == json.loads(CERTIFICATE))


def make_table() -> str:
    """Run every reader on every format, and return the table."""
    rows = [[reader, *("yes" if is_read(reader, form) else "no" for form in FORMATS)] for reader in READERS]
    return tables.render_table(["reader", *(f"`{form}`" for form in FORMATS)], rows)


def replace_table(page: str) -> str:
    """Return `page` with the current table."""
    return tables.replace_table(page, "tests.env_files", make_table())


if __name__ == "__main__":
    PAGE.write_text(replace_table(PAGE.read_text()))
