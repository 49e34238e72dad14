"""Run the main job in a new home folder against a sandbox (`make demo`): sign in through the browser, evaluate the
output in a shell, and call the API.

Uses a real browser on a display with a terminal, else the sandbox's own approver."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tcenv.sandbox.approve import get_approver_command, get_interpreter_command
from tcenv.sandbox.server import Sandbox

_SCRIPT = """
echo '$ eval "$(tcenv login)"'
eval "$("$TCENV_DEMO_PYTHON" "$TCENV_DEMO_FLAG" -m tcenv login --shell sh)" || exit 1
echo '$ env | grep -E "^(TASKCLUSTER|TCENV)_"'
env | grep -E '^(TASKCLUSTER|TCENV)_(ROOT|CLIENT|PROFILE|EXPIRES)' | sort
echo "TASKCLUSTER_ACCESS_TOKEN=…(${#TASKCLUSTER_ACCESS_TOKEN} characters, not shown)"
echo '$ tcenv exec --proxy --unsigned -- python3 call.py   # a program that cannot sign calls'
"$TCENV_DEMO_PYTHON" -m tcenv exec --proxy --unsigned -- "$TCENV_DEMO_PYTHON" "$TCENV_DEMO_FLAG" - <<'PYTHON' || exit 1
import json, os, urllib.request
with urllib.request.urlopen(os.environ["TASKCLUSTER_PROXY_URL"] + "/api/auth/v1/scopes/current") as answer:
    scopes = json.load(answer)["scopes"]
print(f"answered: {len(scopes)} scopes, {scopes[0]} the first")
PYTHON
echo '$ eval "$(tcenv login)"   # again: no browser'
eval "$("$TCENV_DEMO_PYTHON" "$TCENV_DEMO_FLAG" -m tcenv login --shell sh)" || exit 1
echo '$ tcenv status'
"$TCENV_DEMO_PYTHON" "$TCENV_DEMO_FLAG" -m tcenv status 2>&1 || exit 1
echo '$ eval "$(tcenv logout --delete-client)"'
eval "$("$TCENV_DEMO_PYTHON" "$TCENV_DEMO_FLAG" -m tcenv logout --delete-client --shell sh)" || exit 1
test -z "${TASKCLUSTER_ACCESS_TOKEN-}" && echo 'signed out; nothing is left'
"""
_FOREIGN = ("TASKCLUSTER_", "TCENV_", "XDG_")


def main() -> int:
    """Run the demo. Return its script's exit status, or 1 if it did not open the browser exactly once."""
    shell = shutil.which("sh")
    if shell is None:
        print("The demo is a script for sh: on Windows, run it in the terminal of Git for Windows.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="tcenv-demo-") as folder, Sandbox() as sandbox:
        home = Path(folder)
        (home / "run").mkdir(mode=0o700)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        environ.update(
            HOME=folder, XDG_RUNTIME_DIR=str(home / "run"), TASKCLUSTER_ROOT_URL=sandbox.root_url, TCENV_TIMEOUT="2m"
        )
        environ["TCENV_DEMO_PYTHON"], environ["TCENV_DEMO_FLAG"] = get_interpreter_command()
        display = environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or sys.platform in ("darwin", "win32")
        if not (display and sys.stdin.isatty()):
            environ["BROWSER"] = get_approver_command()
        print(f"This demo runs against a sandbox: {sandbox.root_url}", flush=True)
        status = subprocess.call([shell, "-c", _SCRIPT], env=environ)
        if status == 0 and sandbox.approvals != 1:
            print(f"expected one approval in the browser, saw {sandbox.approvals}", file=sys.stderr)
            status = 1
        return status


if __name__ == "__main__":
    sys.exit(main())
