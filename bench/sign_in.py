"""Measure a sign-in: how soon the browser starts, and how soon the shell has its statements."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.common import make_bare_timer, make_runtime_directory, measure_answer_time, sign_in
from bench.measure import Row, measure_ratio
from bench.world import World

# Approve after the command has imported everything. Write the time of the callback, and of the complete page.
_APPROVER = """\
import os, sys, time
time.sleep(1.5)
from tcenv.sandbox import approve
visit = approve._visit
def timed(url, referer=None):
    called = time.time()
    answer = visit(url, referer)
    with open({stamp!r} + ".part", "w") as file:
        file.write(f"{{called!r}} {{time.time()!r}}")
    os.rename({stamp!r} + ".part", {stamp!r})
    return answer
approve._visit = timed
approve.approve(sys.argv[1])
"""


def measure_sign_in(world: World) -> Iterator[Row]:
    """Measure the time from the start to the browser's start, and from the callback to the statements."""
    stamp = world.home / "stamp"
    browser = world.home / "browser.sh"
    browser.write_text(f"#!/bin/sh\ndate +%s.%N > {stamp}.part; mv {stamp}.part {stamp}\n")
    browser.chmod(0o755)

    def time_to_browser(known: bool = False) -> float:
        stamp.unlink(missing_ok=True)
        env = {
            **world.env,
            "BROWSER": f"{browser} %s",
            "XDG_RUNTIME_DIR": str(make_runtime_directory(world, keep=known)),
            "TCENV_RETRY": "1",
        }
        start = time.time()
        process = subprocess.Popen(
            [world.tcenv, "login", "--shell", "sh"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        while not stamp.exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        process.communicate()
        return float(stamp.read_text()) - start

    yield Row(
        "login to the browser's start, the first time", measure_ratio(time_to_browser, make_bare_timer(world), 15), 6.0
    )
    sign_in(world, {**world.env, "XDG_RUNTIME_DIR": str(make_runtime_directory(world))})
    again = measure_ratio(lambda: time_to_browser(known=True), make_bare_timer(world), 15)
    yield Row("login to the browser's start, on an ordinary morning", again, 6.0)
    world.sandbox.fail("silent")
    unanswered = measure_ratio(lambda: time_to_browser(known=True), make_bare_timer(world), 9)
    world.sandbox.heal()
    yield Row("the same, with a deployment that does not answer", unanswered, 6.0)

    approver = world.home / "approver.py"
    approver.write_text(_APPROVER.format(stamp=str(stamp)))

    def time_from_callback() -> tuple[float, float]:
        """Return the seconds from the callback's request to the command's end, and from there to the complete page."""
        stamp.unlink(missing_ok=True)
        world.sandbox.clients.clear()
        env = {
            **world.env,
            "BROWSER": f"{sys.executable} {approver} %s",
            "XDG_RUNTIME_DIR": str(make_runtime_directory(world)),
        }
        done = subprocess.run([world.tcenv, "login", "--shell", "sh"], env=env, capture_output=True, check=True)
        end = time.time()
        assert b"TASKCLUSTER_ACCESS_TOKEN" in done.stdout
        while not stamp.exists():
            time.sleep(0.001)
        called, loaded = (float(moment) for moment in stamp.read_text().split())
        return end - called, loaded - end

    answer = statistics.median(measure_answer_time(world) for _ in range(5))
    spent, page = (statistics.median(times) for times in zip(*(time_from_callback() for _ in range(9)), strict=True))
    base = statistics.median(make_bare_timer(world)() for _ in range(15))
    yield Row(
        "login, callback to the end, less the deployment's answers",
        (spent - answer) / base,
        1.2,
        note=f"the sandbox's answers alone took {answer * 1000:.0f} ms of {spent * 1000:.0f} ms",
    )
    yield Row("the page in the browser, after that end", max(0.0, page * 1000), 50.0, "ms", "")
