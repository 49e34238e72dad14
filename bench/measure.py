"""Measure medians of alternating pairs in one run, so that other load on the machine affects both sides alike."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A row of the table. `value` is a ratio, unless `unit` says otherwise. `bound` is the largest allowed value, None
    for a peer. `basis` is what a ratio compares with."""

    name: str
    value: float | None
    bound: float | None
    unit: str = "×"
    basis: str = "python -c pass"
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.value is not None and (self.bound is None or self.value <= self.bound)


def measure_seconds(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Return how long a command takes, in seconds. The command must succeed, since a failure is quick."""
    start = time.perf_counter()
    subprocess.run(command, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return time.perf_counter() - start


def measure_ratio(subject: Callable[[], float], base: Callable[[], float], pairs: int = 31) -> float:
    """Return the ratio of the medians of `pairs` alternating measurements, after a warm-up of both."""
    subject(), base()
    left, right = [], []
    for _ in range(pairs):
        left.append(subject())
        right.append(base())
    return statistics.median(left) / statistics.median(right)
