"""Make a Windows user's world: a deployment (the sandbox), a browser that approves, and the installed tcenv.exe."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from tcenv.deployment.credentials import Credentials
from tcenv.sandbox import Sandbox
from tcenv.sessions.profile_names import get_profile_name
from tcenv.sessions.session import Session
from tcenv.sessions.stores import open_store

PYTHON = sys.executable
SCRIPTS = Path(PYTHON).parent if Path(PYTHON).parent.name == "Scripts" else Path(PYTHON).parent / "Scripts"
TCENV = str(SCRIPTS / "tcenv.exe")
# tcenv splits `BROWSER` as a POSIX shell would, which removes backslashes.
APPROVE = f"{Path(PYTHON).as_posix()} -m tcenv.sandbox.approve %s"
_NAME = "tcenv-windows"


def make_env(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """Return this test's environment, with a deployment and a browser that approves."""
    return {**os.environ, "BROWSER": APPROVE, "TCENV_TIMEOUT": "60s", "TASKCLUSTER_ROOT_URL": sandbox.root_url, **more}


def tcenv(*arguments: str, env: Mapping[str, str], **more: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command. Its output is bytes."""
    return subprocess.run(  # type: ignore[call-overload]
        [TCENV, *arguments], env=dict(env), capture_output=True, timeout=120, **{"stdin": subprocess.DEVNULL, **more}
    )


def store_session(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """Store a session without the slow processes of a sign-in. Return the environment."""
    env = make_env(sandbox, **more)
    client = sandbox.create_client(f"{sandbox.user}/{_NAME}", sandbox.user_scopes)
    session = Session(
        profile=get_profile_name(sandbox.root_url),
        root_url=sandbox.root_url,
        credentials=Credentials(client.client_id, client.access_token),
        created=int(time.time()),
        expires=int(client.expires),
        name=_NAME,
        scopes=tuple(client.scopes),
        asked=("*",),
    )
    with mock.patch.dict(os.environ, env):
        open_store("auto").save(session)
    return env
