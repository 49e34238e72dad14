"""List the modules that a command imports, and those that it may import at a prompt."""

from __future__ import annotations

import subprocess
import sys

from tests.world import TCENV

# The modules that the hot path may import beyond those of the interpreter.
HOT_MODULES = {
    "__future__",
    "tcenv",
    "tcenv.__main__",
    "tcenv.hotpath",
    "tcenv.config",
    "tcenv.config.index",
    "tcenv.config.live_session",
    "tcenv.output",
    "tcenv.sessions",
    "tcenv.shells.environment",
    "resource",
    "tcenv.core_dumps",
    "tcenv.signals",
    "tcenv.paths",
    "tcenv.sessions.session_file",
    "tcenv.sessions.profile_names",
    "tcenv.shells",
}


# Modules that take long to import.
HEAVY = {"typer", "rich", "taskcluster", "keyring", "pydantic", "requests", "tomlkit", "asyncio", "http.client"}


def list_modules(*words: str, env: dict[str, str]) -> set[str]:
    """Return the modules that a run imports beyond those of `python -c pass`."""

    def imported(*command: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *command], env=env, capture_output=True, text=True, timeout=60
        )
        return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}

    return imported(TCENV, *words) - imported("-c", "pass")
