"""Run the recipes of docs/proxy.md and docs/agents.md as they are written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from tcenv.deployment import hawk, patterns
from tcenv.sandbox import Sandbox
from tests.programs import require, run_program
from tests.shells.interactive import start_outer_shell
from tests.world import find_session_file, read_session_fields, sign_in

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "proxy.md").read_text()
# Needs only Python, signs its calls itself, and searches for files.
AGENT = """#!/usr/bin/env -S python3 -I
import json, os, sys, time, urllib.error, urllib.request
sys.path.insert(0, os.getcwd())
import hawk
def call(method, resource, body=None):
    root = os.environ["TASKCLUSTER_ROOT_URL"]
    header = hawk.make_header(os.environ["TASKCLUSTER_CLIENT_ID"], os.environ["TASKCLUSTER_ACCESS_TOKEN"], method,
                         hawk.Endpoint.from_url(root + resource), now=time.time())
    request = urllib.request.Request(root + resource, method=method, headers={"Authorization": header}, data=body)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code
found = []
for top in (os.path.expanduser("~"), os.environ["XDG_RUNTIME_DIR"], "/run", "/tmp", "/dev/shm"):
    for folder, _, names in os.walk(top):
        found += [os.path.join(folder, name) for name in names if name.endswith((".session", ".secret-of-home"))]
print(json.dumps({
    "read": call("GET", "/api/auth/v1/scopes/current"),
    "write": call("PUT", "/api/secrets/v1/secret/project%2Fsandbox%2Fx", b"{}"),
    "found": found,
    "processes": len([name for name in os.listdir("/proc") if name.isdecimal()]),
    "here": sorted(os.listdir(".")),
}))
"""


def find_recipe(page: str, title: str) -> str:
    """Return the shell code under a heading."""
    match = re.search(rf"### {re.escape(title)}\n\n[^#]*?```sh[^\n]*\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert match is not None
    return match[1]


def test_the_bwrap_recipe_for_agents_works(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    require("bwrap")
    (home / "x.secret-of-home").write_text("x")
    work = home / "work"
    work.mkdir()
    shutil.copy(hawk.__file__, work)
    package = work / "tcenv" / "deployment"
    package.mkdir(parents=True)
    shutil.copy(patterns.__file__, package)
    (work / "your-agent").write_text(AGENT)
    (work / "your-agent").chmod(0o755)
    text = find_recipe("agents.md", "In a sandbox")
    assert "your-agent" in text
    text = text.replace("    your-agent", "    ./your-agent")
    done = run_program("bash", "-c", text, env=env, cwd=work)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["read"], report["write"], report["found"]) == (200, 403, [])
    assert report["processes"] <= 3
    assert "your-agent" in report["here"]
    # The session's file existed.
    assert find_session_file(env).exists()
    lines = [json.loads(line) for line in (home / ".local/state/tcenv/agent-calls.log").read_text().splitlines()]
    assert [(line["method"], line["status"]) for line in lines] == [("GET", 200), ("PUT", 403)]
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in done.stdout


def test_the_recipe_for_a_proxy_for_other_shells_works(deployment: Sandbox, home: Path, tmp_path: Path) -> None:
    env = sign_in(deployment)
    line = next(line for line in PAGE.splitlines() if line.startswith("tcenv proxy --output"))
    there = next(word for word in re.findall(r"`([^`]*)`", PAGE) if word.startswith(". ~/proxy.env"))
    script = f'{there} && curl -sS -o /dev/null -w "%{{http_code}} %{{redirect_url}}" "$TASKCLUSTER_ROOT_URL/tasks/x"'

    def elsewhere() -> subprocess.CompletedProcess[str]:
        return run_program("bash", "-c", script, env=env, cwd=home)

    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"cd {home}")
        terminal.type(line)
        terminal.wait_for("until Ctrl-C")
        done = elsewhere()
        assert done.stdout == f"302 {deployment.root_url}/tasks/x", done.stderr
        terminal.press("C-c")
        terminal.type("echo status=$?.")
        terminal.wait_for("status=0.")
        assert "No such file" in elsewhere().stderr
