"""Find the tools that tcenv is compared with: those on the machine, and those that its Go can build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.world import PROJECT, World, find_program

_BUILT = {
    "client-shell": "github.com/taskcluster/taskcluster/v106/clients/client-shell@latest",
    "aws-vault": "github.com/99designs/aws-vault/v7@latest",
}
_BUILD_SECONDS = 900


def find_or_build(program: str) -> tuple[str | None, str]:
    """Return the path of a peer, or None and the reason. Build it into .tools/bin first if it is written in Go and Go
    is there."""
    path = find_program(program)
    if path is not None or program not in _BUILT:
        return path, "it is not on this machine"
    if shutil.which("go") is None:
        return None, "it is not on this machine, nor is Go to build it with"
    print(f"building {_BUILT[program]} …", file=sys.stderr, flush=True)
    env = {**os.environ, "GOBIN": str(PROJECT / ".tools" / "bin")}
    try:
        done = subprocess.run(
            ["go", "install", _BUILT[program]], env=env, stderr=subprocess.PIPE, text=True, timeout=_BUILD_SECONDS
        )
    except subprocess.TimeoutExpired:
        return None, f"Go took more than {_BUILD_SECONDS} s to build it"
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr, end="")
        refused = "403 Forbidden" in done.stderr or "410 Gone" in done.stderr
        return None, "the Go module proxy refuses it here" if refused else "it did not build with this machine's Go"
    return find_program(program), "it did not build with this machine's Go"


def write_gh_token(world: World) -> None:
    """Write a token into gh's configuration, as a sign-in does."""
    folder = Path(world.env["HOME"]) / ".config" / "gh"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.yml").write_text(
        "github.com:\n    user: somebody\n    oauth_token: none\n    git_protocol: https\n"
    )
