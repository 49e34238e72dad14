"""Find other Taskcluster credentials on this machine that conflict with those that tcenv loads. Never shows one."""

from __future__ import annotations

import json
import netrc
import os
import re
from typing import TYPE_CHECKING

from tcenv import paths
from tcenv.config import profile as profiles
from tcenv.errors import TcenvError
from tcenv.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECRET = re.compile(
    r"""^\s*["']?(accessToken|certificate)["']?\s*:\s*(?!["']{0,2}\s*(?:#|$)|null\b|~)\S""", re.MULTILINE
)


def find_conflicts() -> Iterator[tuple[str, str]]:
    """Yield each source of credentials that was found, and what to do about it."""
    yield from _check_go()
    yield from _check_mach()
    yield from _check_netrc()


def _check_go() -> Iterator[tuple[str, str]]:
    """Check the Go command's configuration. It takes each value from there that the environment does not set."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.join(paths.home(), ".config")
    path = os.path.join(folder, "taskcluster.yml")
    kinds = sorted({match[1] for match in _SECRET.finditer(_read(path))})
    if kinds:
        yield (
            f"{path} of the taskcluster command contains {' and '.join(kinds)}, which mixes with tcenv's variables",
            f"Remove {'it' if len(kinds) == 1 else 'them'}: "
            + "; ".join(f"taskcluster config reset {kind}" for kind in kinds),
        )


def _check_mach() -> Iterator[tuple[str, str]]:
    state = os.environ.get("MOZBUILD_STATE_PATH") or os.path.join(paths.home(), ".mozbuild")
    for path in (
        os.path.join(state, "taskcluster", "taskcluster_credentials.json"),
        os.path.join(state, "taskcluster_credentials.json"),
    ):
        try:
            content = json.loads(_read(path) or "{}")
        except (ValueError, RecursionError):
            content = {}
        if isinstance(content, dict) and content:
            yield f"mach keeps its own credentials in {path}", f"It asks for new ones when it needs them: rm {path}"


def _check_netrc() -> Iterator[tuple[str, str]]:
    path = os.environ.get("NETRC") or os.path.join(paths.home(), ".netrc")
    try:
        profile = profiles.resolve()
        host = profile.root_url.partition("://")[2].partition("/")[0].partition(":")[0]
        entries = netrc.netrc(path)
    except (TcenvError, OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return
    if host in entries.hosts:
        yield (
            f"{replace_unprintable(path)} has an entry for {host}: the Python client sends it instead of the signature (401)",
            f"Remove the entry of {host} from {replace_unprintable(path)}",
        )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", opener=paths.open_regular) as file:
            return file.read(1 << 20)
    except OSError:
        return ""
