"""The processes of a run that have outlived it, by what the kernel tells of all processes (Linux)."""

from __future__ import annotations

import os
import time

# Seconds between two looks at all processes, and at those that are known to be left.
_LOOK_AROUND = 5.0
_LOOK = 1.0


class Leftovers:
    """The processes that were `left` (numbers, separated by commas) when the run ended, all that descend from them, and those
    whose environment has the proxy's `address`."""

    def __init__(self, address: str, left: str) -> None:
        self._mark = f"={address}\0".encode()
        self._known: dict[int, str] = {}
        self._looked = self._looked_around = float("-inf")
        now = _processes()
        for number in map(int, filter(None, left.split(","))):
            if number in now:
                self._known[number] = now[number][1]

    def are_there(self) -> bool:
        """Return whether one of them lives."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return True
        self._looked = now
        alive = {number: since for number, since in self._known.items() if _told(number)[1:] == (since,)}
        if alive == self._known and now - self._looked_around < _LOOK_AROUND:
            return bool(alive)
        self._looked_around = now
        self._look_around(alive)
        return bool(self._known)

    def _look_around(self, alive: dict[int, str]) -> None:
        """Find the children that they have had since, before and after their own end."""
        processes = _processes()
        # A child of one that has just ended is another process's child by now; it has the same environment, mostly.
        found = {
            number: since for number, (_, since) in processes.items() if number in alive or self._has_address(number)
        }
        more = True
        while more:
            children = {
                number: since
                for number, (parent, since) in processes.items()
                if parent in found and number not in found
            }
            found.update(children)
            more = bool(children)
        found.pop(os.getpid(), None)
        self._known = found

    def _has_address(self, number: int) -> bool:
        try:
            with open(f"/proc/{number}/environ", "rb") as file:
                return self._mark in file.read() + b"\0"
        except OSError:
            return False


def _processes() -> dict[int, tuple[int, str]]:
    """Return parent and start of each process that lives."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            told = _told(int(name))
            if told:
                found[int(name)] = told
    return found


def _told(number: int) -> tuple[int, str] | tuple[()]:
    """Return the parent of a process, and when it was started (which tells it from a later one of its number); nothing for one
    that has ended."""
    try:
        with open(f"/proc/{number}/stat", "rb") as file:
            # Its name, in parentheses, may hold anything.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return ()
    return int(fields[1]), fields[19].decode()
