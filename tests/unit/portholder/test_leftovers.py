"""Find the processes that are left of a run."""

from __future__ import annotations

import os
import signal
import subprocess

from tcenv.portholder.leftovers import Leftovers
from tests.portholder import wait_until


def test_leftovers_are_found_by_descent_and_by_environment() -> None:
    address = "http://127.0.0.1:34567"
    program = "sleep 600 & echo $!; wait"
    parent = subprocess.Popen(["env", "-i", "/bin/sh", "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    grandchild = int(parent.stdout.readline())
    marked = subprocess.Popen(["sleep", "600"], env={"TASKCLUSTER_ROOT_URL": address})
    other = subprocess.Popen(["sleep", "600"], env={"TASKCLUSTER_ROOT_URL": address + "8"})
    try:
        left = Leftovers(address, str(parent.pid))
        assert left.is_any_alive()
        parent.kill()
        parent.wait()
        left._checked = 0
        assert left.is_any_alive() and set(left._known) == {grandchild, marked.pid}
        marked.kill()
        marked.wait()
        os.kill(grandchild, signal.SIGKILL)

        def gone() -> bool:
            left._checked = 0
            return not left.is_any_alive()

        wait_until(gone)
    finally:
        for each in (marked, other):
            each.kill()
            each.wait()
