"""Plan how containers reach the proxy, and complete the command lines of their tools.

docker and podman cannot run where these tests run. `options.json` has the options of docker 20.10 and podman 4.3 from their
own help."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tcenv.containers import command_lines, plan
from tcenv.containers.plan import Plan
from tcenv.errors import UsageError
from tests.programs import require

OPTIONS = json.loads((Path(__file__).parent / "options.json").read_text())
# Flags of newer versions.
NEWER = {"docker": {"use-api-socket", "quiet", "q"}, "podman": {"no-hostname", "use-api-socket", "transient-store"}}
ENVIRON = {
    "TASKCLUSTER_ROOT_URL": "u",
    "TASKCLUSTER_CLIENT_ID": "c",
    "TASKCLUSTER_ACCESS_TOKEN": "SECRET",
    "TCENV_PROXY": "p",
}
NAMED = [word for name in ENVIRON for word in ("--env", name)]
BRIDGE = {"docker0": "172.17.0.1", "podman0": "10.88.0.1"}


def make(
    text: str, *, bridges: bool = True, is_root: bool = False, environ: dict[str, str] | None = None
) -> tuple[Plan, list[str]]:
    command = text.split()
    made = plan.make_plan(command, environ or {}, (BRIDGE if bridges else {}).get, is_root=is_root)
    return made, made.complete(command, 8086, ENVIRON)


@pytest.mark.parametrize(
    ("text", "at", "listen", "name"),
    [
        ("docker run --rm image job", 2, "172.17.0.1", None),
        ("/usr/bin/docker -D --log-level debug container run -it image", 6, "172.17.0.1", None),
        ("docker --context default run -v /a:/b --network mine image --network host", 4, "172.17.0.1", None),
        ("docker create image", 2, "172.17.0.1", None),
        ("docker exec -it box sh", 2, "172.17.0.1", None),
        ("docker run --network host image", 2, None, None),
        ("docker run --rm -itw /x --net=host image", 2, None, None),
        ("docker -H unix:///run/docker.sock run image", 4, "172.17.0.1", None),
        ("podman run --network=host image", 2, None, None),
    ],
)
def test_containers_use_a_bridge_or_the_hosts_network(text: str, at: int, listen: str | None, name: str | None) -> None:
    made, complete = make(text)
    words = text.split()
    assert (made.position, made.listen, made.name) == (at, listen, name)
    assert complete == [*words[:at], *NAMED, *words[at:]]
    assert "SECRET" not in complete


def test_without_a_bridge_the_host_has_a_name() -> None:
    made, complete = make("docker run image", bridges=False)
    assert (made.listen, made.name) == (None, "host.docker.internal")
    assert complete == ["docker", "run", *NAMED, "image"]
    made, complete = make("devcontainer up --workspace-folder .", bridges=False)
    assert (made.name, complete) == ("host.docker.internal", ["devcontainer", "up", "--workspace-folder", "."])
    made, complete = make("devcontainer exec --workspace-folder . make")
    assert (made.listen, complete) == ("172.17.0.1", ["devcontainer", "exec", "--workspace-folder", ".", "make"])


def test_podman_without_root_forwards_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    made, complete = make("podman --log-level debug run --rm image")
    assert (made.listen, made.name) == (None, None)
    assert complete == ["podman", "--log-level", "debug", "run", "--network", "pasta:-T,8086", *NAMED, "--rm", "image"]
    assert make("podman run image", is_root=True)[0].listen == "10.88.0.1"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert make("podman run image")[0].name == "host.containers.internal"


@pytest.mark.parametrize(
    ("text", "environ", "sentence"),
    [
        ("lxc-start box", {}, "does not support 'lxc-start'"),
        ("sudo docker run image", {}, "does not support 'sudo'"),
        ("docker build .", {}, "does not support 'docker build'"),
        ("docker", {}, "does not support 'docker '"),
        ("docker run --network none image", {}, "without a network"),
        ("docker -H ssh://far run image", {}, "on another machine"),
        ("docker --host=tcp://far:2375 run image", {}, "on another machine"),
        ("docker run image", {"DOCKER_HOST": "tcp://far:2375"}, "on another machine"),
        ("podman --remote run image", {}, "on another machine"),
        ("podman -c far run image", {}, "on another machine"),
        ("podman run --network mine image", {}, "does not lead to the proxy"),
        ("podman exec box sh", {}, "does not lead to the proxy"),
        ("bwrap --clearenv sh", {}, "removes the variables"),
        ("bwrap --unshare-net --info-fd 3 sh", {}, "for itself"),
    ],
)
def test_a_container_that_cannot_reach_the_proxy_is_refused(text: str, environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)) as raised:
        make(text, environ=environ)
    assert raised.value.hint or "itself" in sentence


@pytest.mark.parametrize("text", ["docker run image", "podman run --network mine image", "podman exec box sh"])
def test_the_users_address_is_used(text: str) -> None:
    made = plan.make_plan(text.split(), {}, lambda _: None, is_root=False, listen="10.0.0.1")
    assert (made.listen, made.name, made.names_variables) == ("10.0.0.1", None, True)


def test_podman_with_root_needs_a_bridge() -> None:
    with pytest.raises(UsageError, match="no bridge"):
        make("podman run image", bridges=False, is_root=True)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("bwrap --ro-bind / / --unshare-net sh", True),
        ("bwrap --unshare-all sh", True),
        ("bwrap --unshare-all --share-net sh", False),
        ("bwrap --ro-bind / --unshare-net sh", False),
        ("bwrap --setenv A --unshare-net sh --unshare-all", False),
        ("bwrap --bind / / -- sh --unshare-net", False),
        ("bwrap sh --clearenv", False),
    ],
)
def test_bubblewrap_may_have_its_own_network(text: str, own: bool) -> None:
    made, complete = make(text)
    assert (made.own_network, complete) == (own, text.split())


@pytest.mark.parametrize("tool", ["docker", "podman"])
def test_the_known_options_are_those_of_the_tools(tool: str) -> None:
    own, flags = command_lines.TOOLS[tool]
    known_of = {tool: own, **{f"{tool} {subcommand}": flags for subcommand in command_lines.STARTING}}
    known_of[f"{tool} exec"] = {*flags, *command_lines.LATEST}
    for of, known in known_of.items():
        for name, (short, kind) in OPTIONS[of].items():
            assert (f"--{name}" in known) is (kind == ""), f"{of} --{name}"
            assert not short or (f"-{short}" in known) is (kind == ""), f"{of} -{short}"
    named = {
        name
        for of, options in OPTIONS.items()
        if of.startswith(tool)
        for name in (*options, *(short for short, _ in options.values()))
    }
    assert {name.lstrip("-") for name in (*own, *flags)} - named - NEWER[tool] <= {"help", "latest", "l"}
    # The tools know the options that a plan adds.
    for subcommand in command_lines.STARTING:
        assert OPTIONS[f"{tool} {subcommand}"]["env"][1]
    assert OPTIONS[f"{tool} run"]["network"][1]


def test_the_known_options_are_those_of_bubblewrap() -> None:
    text = subprocess.run([require("bwrap"), "--help"], capture_output=True, text=True, timeout=60).stdout
    rows = re.findall(r"^    (--[\w-]+)((?: [A-Z]+)*)", text, re.M)
    assert len(rows) > 50
    for name, words in rows:
        assert command_lines.BUBBLEWRAP[name] == len(words.split()), name
