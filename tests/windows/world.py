"""A Windows user's world: a deployment (the sandbox), a browser that approves, and the installed tcenv.exe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tcenv.sandbox import Sandbox

PYTHON = sys.executable
SCRIPTS = Path(PYTHON).parent if Path(PYTHON).parent.name == "Scripts" else Path(PYTHON).parent / "Scripts"
TCENV = str(SCRIPTS / "tcenv.exe")
# `BROWSER` is split as a POSIX shell would: no backslashes.
APPROVE = f"{Path(PYTHON).as_posix()} -m tcenv.sandbox.approve %s"
# A process of its own console group, which Ctrl-Break reaches and the tests do not.
NEW_GROUP = 0x200
NEW_CONSOLE = 0x10


def environ(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """This test's environment, with a deployment and a browser that approves."""
    return {
        **os.environ,
        "BROWSER": APPROVE,
        "TCENV_TIMEOUT": "60s",
        "TASKCLUSTER_ROOT_URL": sandbox.root_url,
        **more,
    }


def tcenv(*arguments: str, env: Mapping[str, str], **more: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command; its output as bytes."""
    return subprocess.run(  # type: ignore[call-overload]
        [TCENV, *arguments],
        env=dict(env),
        capture_output=True,
        timeout=120,
        **{"stdin": subprocess.DEVNULL, **more},
    )


def signed_in(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """The environment of somebody who has signed in; the session is stored."""
    env = environ(sandbox, **more)
    done = tcenv("login", "--shell", "powershell", env=env)
    assert done.returncode == 0, done.stderr
    return env
