"""Make what a prompt hook compares: the variables of a loaded session, and the file of a stored one."""

from __future__ import annotations

import time
from pathlib import Path

from tcenv.sessions.session_file import compute_generation

ROOT_URL = "https://tc.example.com"
PROFILE = "tc.example.com"
# The token that a shell has loaded, the one that a reset has stored since, and another user's.
OLD_TOKEN, NEW_TOKEN, FOREIGN_TOKEN = "o" * 44, "n" * 44, "f" * 44


def make_loaded_variables(folder: Path | None, before: str = "-") -> dict[str, str]:
    """Return the variables of a shell that has loaded the session with OLD_TOKEN, whose file is in `folder` (None: it has
    no file). `before` is what TCENV_LOADED says was chosen before."""
    file = folder / f"{PROFILE}.session" if folder else "-"
    return {
        "TASKCLUSTER_ROOT_URL": ROOT_URL,
        "TASKCLUSTER_CLIENT_ID": "someone/tcenv",
        "TASKCLUSTER_ACCESS_TOKEN": OLD_TOKEN,
        "TCENV_PROFILE": PROFILE,
        "TCENV_EXPIRES": str(int(time.time()) + 40_000),
        "TCENV_LOADED": f"{PROFILE} {ROOT_URL} {compute_generation(OLD_TOKEN)} {file} {before}",
    }


def write_session_file(folder: Path, token: str, profile: str = PROFILE) -> Path:
    """Write a session's file as tcenv does."""
    end = int(time.time()) + 40_000
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{profile}.session"
    path.write_text(
        f"GENERATION={compute_generation(token)}\nTASKCLUSTER_ACCESS_TOKEN={token}\nTASKCLUSTER_ROOT_URL={ROOT_URL}\n"
        f"TASKCLUSTER_CLIENT_ID=someone/tcenv\nTCENV_PROFILE={profile}\nTCENV_EXPIRES={end}\nRENEW={end - 600}\n"
        f"CREATED={end - 86400}\nNAME=tcenv\nSCOPES=1\nSCOPE=*\nASKED=*\nEND=tcenv-session-1\n"
    )
    path.chmod(0o600)
    return path
