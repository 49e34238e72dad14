"""Keep tokens in this process's memory out of core files and from other processes of this user. Hot path.

The limit of core files is inherited, so it is restored before a command of the user starts."""

from __future__ import annotations

import sys

_PR_SET_DUMPABLE = 4
# The soft limit before `forbid`; None if nothing was changed.
_original_limit: int | None = None


def forbid() -> None:
    """Write no core file if this process crashes."""
    global _original_limit
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        if soft != 0:
            resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
            _original_limit = soft
    except (ImportError, OSError, ValueError):  # Windows has no such limit
        return


def restore() -> None:
    """Put the limit back as it was before `forbid`."""
    global _original_limit
    if _original_limit is None:
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (_original_limit, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _original_limit = None


class OriginalLimit:
    """A context in which the limit is as it was before `forbid`, for starting a command."""

    def __enter__(self) -> None:
        self._was_forbidden = _original_limit is not None
        restore()

    def __exit__(self, *_: object) -> None:
        if self._was_forbidden:
            forbid()


def hide_memory() -> None:
    """Let no process without root's rights read this one's memory (Linux). It costs some milliseconds, so the commands of the
    hot path that end at once go without. A program that this process becomes can be read again."""
    if sys.platform != "linux":
        return
    try:
        from ctypes import CDLL

        CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return
