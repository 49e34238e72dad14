"""Check that every supported version of the `taskcluster` client sends its calls through tcenv's HTTP module."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.programs import run_program

PROJECT = Path(__file__).parents[3]
OTHERS = ("60.0.0", "80.0.0", "100.5.0")  # .ci/install has them
WALK = """
import sys, time
import requests
from tcenv.sandbox import Sandbox
from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.errors import CredentialsRejected, Refused
import taskcluster

def never(*arguments, **more):
    raise AssertionError("the library's own transport was used")

requests.request = requests.api.request = taskcluster.utils.makeSingleHttpRequest = never
with Sandbox(public=False) as tc:
    client = tc.create_client("somebody/x", ["auth:*", "queue:get-artifact:a b/ü".encode("ascii", "ignore").decode()])
    me, there = Credentials("somebody/x", client.access_token), Deployment(tc.root_url, library=sys.argv[1] == "library")
    assert there.confirm(me).client.client_id == "somebody/x"
    assert there.find_client("somebody/x", me).expires > time.time()
    assert there.find_client("somebody/y", me) is None
    new = Credentials("somebody/x", there.reset_token(me, "somebody/x"))
    try:
        there.confirm(me)
    except CredentialsRejected as rejection:
        assert rejection.reason == "bad-token"
    facts = there.update_client(new, "somebody/x", ("auth:delete-client:somebody/x",), int(time.time()) + 99, "ü “about”")
    assert facts.scopes == ("auth:delete-client:somebody/x",)
    assert tc.clients["somebody/x"].description == "ü “about”"
    try:
        there.reset_token(new, "somebody/x")
        raise AssertionError
    except Refused:
        pass
    there.delete_client(new, "somebody/x")
    assert tc.clients == {}
    nobody = [call for call in tc.requests if call.client_id != "somebody/x" and call.status < 400]
    assert nobody == [], nobody
print(taskcluster.__file__)
from tcenv.deployment.auth import ROUTES
for name, (method, route) in ROUTES.items():
    entry = taskcluster.Auth.funcinfo[name]
    assert (entry["method"].upper(), entry["route"].strip("/")) == (method, route.replace("{}", "<clientId>")), entry
"""


@pytest.mark.parametrize("version", ["installed", *OTHERS])
@pytest.mark.parametrize("way", ["library", "alone"])
def test_each_client_version_makes_the_calls_of_tcenv(version: str, way: str, home: Path) -> None:
    netrc = home / ".netrc"
    netrc.write_text("machine localhost login other password hunter2\n")
    netrc.chmod(0o600)
    folder = PROJECT / ".tools/taskcluster" / version
    if version != "installed":
        assert folder.is_dir(), f"taskcluster {version} is needed for this test; .ci/install installs it"
    path = os.pathsep.join([*([str(folder)] if version != "installed" else []), str(PROJECT)])
    done = run_program(sys.executable, "-c", WALK, way, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert (str(folder) in done.stdout) == (version != "installed")
