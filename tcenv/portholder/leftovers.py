"""Find the processes of a run that are still alive after its end. Asks the kernel for all processes (Linux)."""

from __future__ import annotations

import os
import time

# Seconds between two scans of all processes, and between two checks of the known processes.
_SCAN_INTERVAL = 5.0
_CHECK_INTERVAL = 1.0


class Leftovers:
    """The processes `left` (ids, separated by commas) at the end of the run, their descendants, and all processes whose
    environment holds the proxy's `address`."""

    def __init__(self, address: str, left: str) -> None:
        self._mark = f"={address}\0".encode()
        self._known: dict[int, str] = {}
        self._checked = self._scanned = float("-inf")
        now = _list_processes()
        for number in map(int, filter(None, left.split(","))):
            if number in now:
                self._known[number] = now[number][1]

    def is_any_alive(self) -> bool:
        """Return whether any of the processes is alive."""
        now = time.monotonic()
        if now - self._checked < _CHECK_INTERVAL:
            return True
        self._checked = now
        alive = {number: since for number, since in self._known.items() if _read_stat(number)[1:] == (since,)}
        if alive == self._known and now - self._scanned < _SCAN_INTERVAL:
            return bool(alive)
        self._scanned = now
        self._scan(alive)
        return bool(self._known)

    def _scan(self, alive: dict[int, str]) -> None:
        """Find the children that the processes have started since, even if their parent has ended."""
        processes = _list_processes()
        # A child gets a new parent when its parent ends. Its environment usually still holds the address.
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


def _list_processes() -> dict[int, tuple[int, str]]:
    """Return the parent and the start time of each live process."""
    processes = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            process = _read_stat(int(name))
            if process:
                processes[int(name)] = process
    return processes


def _read_stat(number: int) -> tuple[int, str] | tuple[()]:
    """Return the parent and the start time of a process, or nothing if it has ended. The start time tells it from a
    later process with the same id."""
    try:
        with open(f"/proc/{number}/stat", "rb") as file:
            # The name is in parentheses and may hold any character.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return ()
    return int(fields[1]), fields[19].decode()
