"""Check that docs/proxy.md, the program and the services' references agree on the calls that return credentials."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from urllib.parse import quote

import taskcluster

from tcenv.proxy import routes
from tcenv.proxy.credential_calls import CREDENTIAL_METHODS, find_credential_method

PROJECT = Path(__file__).parents[3]
# Compare the references of these releases: the installed package, and older ones.
RELEASES = (None, "60.0.0", "80.0.0", "100.5.0")
# The page lists these methods, but none of these references has them any more.
FORMER = {
    ("auth", "statsumToken"),
    ("login", "oidcCredentials"),
    ("queue", "defineTask"),
    ("queue", "pollTaskUrls"),
    ("worker-manager", "credentialsGoogle"),
}
EVERY_SERVICE = ("ping", "lbheartbeat", "heartbeat", "version")


@cache
def list_methods() -> set[tuple[str, str, str, str]]:
    """Return (service, HTTP method, route, name) of every method in these releases."""
    found = set()
    for release in RELEASES:
        package = (
            PROJECT / ".tools/taskcluster" / release / "taskcluster" if release else Path(taskcluster.__file__).parent
        )
        for path in (package / "generated").glob("*.py"):
            values = {
                target.id: node.value
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            if "funcinfo" in values:
                service = ast.literal_eval(values["serviceName"])
                methods = ast.literal_eval(values["funcinfo"])
                found |= {(service, entry["method"].upper(), entry["route"], name) for name, entry in methods.items()}
    assert len(found) > 170
    return found


@cache
def read_verdicts() -> dict[tuple[str, str], str]:
    """Return the verdict that docs/proxy.md states on each (service, method)."""
    text = (PROJECT / "docs/proxy.md").read_text().partition("## Which methods pass?")[2]
    verdicts: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        service, _, rest = line.removeprefix("| ").partition(" | ")
        methods, _, rest = rest.partition(" | ")
        verdict, _, reason = rest.removesuffix(" |").partition(" | ")
        if verdict not in ("passes", "refused") or methods.endswith("of an object"):
            continue
        assert reason
        for name in re.findall(r"`(\w+)`", methods):
            assert (service, name) not in verdicts, f"{service}.{name} is listed twice"
            verdicts[service, name] = verdict
    return verdicts


def find_refused(service: str, method: str, route: str) -> str | None:
    call = routes.parse(f"/api/{service}/v1" + re.sub(r"<\w+>", quote("some/odd value", safe=""), route))
    assert call is not None
    return find_credential_method(method, call)


def test_the_page_states_the_verdict_on_every_method() -> None:
    known = {(service, name) for service, _, _, name in list_methods() if name not in EVERY_SERVICE}
    assert {key for key in read_verdicts() if key[0] != "every service"} == known | FORMER
    assert not known & FORMER
    for service, method, route, name in {*list_methods(), *CREDENTIAL_METHODS}:
        refused = find_refused(service, method, route)
        verdict = read_verdicts()["every service" if name in EVERY_SERVICE else service, name]
        assert refused == (name if verdict == "refused" else None), f"{service}.{name}"


def test_the_credential_methods_have_the_routes_of_the_references() -> None:
    routes_of = {(service, name): (method, route) for service, method, route, name in list_methods()}
    for service, method, route, name in CREDENTIAL_METHODS:
        assert (service, name) in FORMER or routes_of[service, name] == (method, route)
