"""Signing in: how soon the browser starts, and how soon the shell has its statements."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.common import answer_time, bare, fresh, sign_in
from bench.measure import Row, ratio
from bench.world import World


def signing_in(world: World) -> Iterator[Row]:
    """From the start to the browser's, and from the callback to the statements."""
    stamp = world.home / "stamp"
    browser = world.home / "browser.sh"
    browser.write_text(f"#!/bin/sh\ndate +%s.%N > {stamp}.part; mv {stamp}.part {stamp}\n")
    browser.chmod(0o755)

    def to_browser(known: bool = False) -> float:
        stamp.unlink(missing_ok=True)
        env = {
            **world.env,
            "BROWSER": f"{browser} %s",
            "XDG_RUNTIME_DIR": str(fresh(world, keep=known)),
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

    yield Row("login to the browser's start, the first time", ratio(to_browser, bare(world), 15), 4.5)
    sign_in(world, {**world.env, "XDG_RUNTIME_DIR": str(fresh(world))})
    again = ratio(lambda: to_browser(known=True), bare(world), 15)
    yield Row("login to the browser's start, on an ordinary morning", again, 4.5)
    world.sandbox.fail("silent")
    deaf = ratio(lambda: to_browser(known=True), bare(world), 9)
    world.sandbox.heal()
    yield Row("the same, with a deployment that does not answer", deaf, 4.5)

    approver = world.home / "approver.py"
    approver.write_text(
        "import http.client, json, re, socket, sys, time, urllib.parse, urllib.request\n"
        "time.sleep(1.5)\n"  # a person takes longer: what is imported meanwhile is there by then
        "from tcenv.sandbox import approve\n"
        "visit = approve.visit\n"
        f"stamp = {str(stamp)!r}\n"
        "def timed(url, **more):\n"
        "    open(stamp, 'w').write(repr(time.time()))\n"
        "    return visit(url, **more)\n"
        "approve.visit = timed\n"
        "approve.approve(sys.argv[1])\n"
    )

    def from_callback() -> float:
        world.sandbox.clients.clear()
        env = {**world.env, "BROWSER": f"{sys.executable} {approver} %s", "XDG_RUNTIME_DIR": str(fresh(world))}
        done = subprocess.run([world.tcenv, "login", "--shell", "sh"], env=env, capture_output=True, check=True)
        assert b"TASKCLUSTER_ACCESS_TOKEN" in done.stdout
        return time.time() - float(stamp.read_text())

    answer = statistics.median(answer_time(world) for _ in range(5))
    spent = statistics.median(from_callback() for _ in range(7))
    base = statistics.median(bare(world)() for _ in range(15))
    yield Row(
        "login, callback to the end, less the deployment's answers",
        (spent - answer) / base,
        1.2,
        note=f"the sandbox's answers alone took {answer * 1000:.0f} ms of {spent * 1000:.0f} ms",
    )
