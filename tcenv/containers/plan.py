"""Decide how a container reaches the proxy, and add what its tool needs to the command line.

The command line names variables, but holds no value of one: the tools take values from their own environment."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tcenv.containers import command_lines
from tcenv.errors import Hint, UsageError
from tcenv.shells.environment import ACCESS_TOKEN, CLIENT_ID, PROXY_URL, ROOT_URL

# Variables that the container takes over.
_VARIABLES = (ROOT_URL, CLIENT_ID, ACCESS_TOKEN, PROXY_URL, "TCENV_PROXY")
_DOCKERS_NAME = "host.docker.internal"
_PODMANS_NAME = "host.containers.internal"
_BRIDGES = {"docker": ("docker0",), "podman": ("podman0", "cni-podman0")}
# Options and variables that name the daemon.
_REMOTE = {
    "docker": (("-H", "--host"), ("DOCKER_HOST",)),
    "podman": (("--url", "-c", "--connection"), ("CONTAINER_HOST", "CONTAINER_CONNECTION")),
}
_LOCAL = ("unix://", "fd://", "npipe://")
# linux/sockios.h
_SIOCGIFADDR = 0x8915
_KNOWN = "docker, podman, devcontainer and bwrap"

Finder = Callable[[str], str | None]


@dataclass(frozen=True)
class Plan:
    """How a container reaches the proxy.

    `position` is the place of added options in the command line. `listen` is the address to listen on besides loopback
    (None: none). `name` is the host in the container's root URL (None: the address). `own_network` tells that
    bubblewrap makes a network of its own. `port_option` is an option of podman that takes the proxy's port.
    `names_variables` adds the variables that the container takes over."""

    position: int = 0
    listen: str | None = None
    name: str | None = None
    own_network: bool = False
    port_option: tuple[str, ...] = ()
    names_variables: bool = False

    def complete(self, command: Sequence[str], port: int, environ: Mapping[str, str]) -> list[str]:
        """Return the command line for a proxy at `port`. `environ` is the tool's environment."""
        added = [word.format(port=port) for word in self.port_option]
        if self.names_variables:
            for variable in _VARIABLES:
                added += ["--env", variable] if variable in environ else []
        return [*command[: self.position], *added, *command[self.position :]]


def make_plan(
    command: Sequence[str],
    environ: Mapping[str, str],
    find: Finder,
    *,
    is_root: bool,
    listen: str | None = None,
) -> Plan:
    """Make the plan for `command`.

    `find` returns the IPv4 address of an interface of this machine, or None. `listen` is the address that the user
    names for the container. Raises UsageError for an unknown command, and for a container that cannot reach this
    machine."""
    tool = os.path.basename(command[0])
    if tool == "bwrap":
        return _plan_for_bubblewrap(command)
    if tool == "devcontainer":
        address = listen or _find_bridge("docker", find)
        return Plan(listen=address, name=None if address else _DOCKERS_NAME)
    if tool not in command_lines.TOOLS:
        raise UsageError(
            f"--container does not support {tool!r}. It supports {_KNOWN}.",
            "For another tool, name the address that its containers reach: --proxy --listen ADDRESS",
        )
    line = command_lines.parse(command, tool)
    if line.subcommand.rpartition(" ")[2] not in command_lines.STARTING:
        raise UsageError(
            f"--container does not support '{tool} {line.subcommand}'.",
            Hint("It supports run, create and exec:", ("tcenv", "exec", "--container", "--", tool, "run", "IMAGE")),
        )
    _refuse_remote(tool, line, environ)
    if listen is not None:
        return Plan(line.position, listen, names_variables=True)
    network = line.get_option("--network", "--net") or ""
    if network == "none":
        raise UsageError("A container without a network cannot reach the proxy.", "Leave out --network none.")
    if network == "host":
        return Plan(line.position, names_variables=True)
    if tool == "podman":
        return _plan_for_podman(line, network, find, is_root=is_root)
    address = _find_bridge(tool, find)
    return Plan(line.position, address, None if address else _DOCKERS_NAME, names_variables=True)


def _plan_for_podman(line: command_lines.CommandLine, network: str, find: Finder, *, is_root: bool) -> Plan:
    if sys.platform != "linux":
        # Containers run in a virtual machine, which maps this name to this machine's loopback.
        return Plan(line.position, name=_PODMANS_NAME, names_variables=True)
    if is_root:
        address = _find_bridge("podman", find)
        if address is None:
            raise UsageError(
                "podman has no bridge on this machine yet. It creates one for the first container.",
                "Share the network with the container: podman run --network host",
            )
        return Plan(line.position, address, names_variables=True)
    if network or line.subcommand.endswith("exec"):
        raise UsageError(
            "The network of this container does not lead to the proxy.",
            "For podman without root, use podman run with --network host, or without --network.",
        )
    # Forward this port alone from the container's loopback to this machine's.
    return Plan(line.position, port_option=("--network", "pasta:-T,{port}"), names_variables=True)


def _plan_for_bubblewrap(command: Sequence[str]) -> Plan:
    options = command_lines.list_bubblewrap_options(command)
    if "--clearenv" in options:
        raise UsageError(
            "bwrap --clearenv removes the variables that lead to the proxy.",
            "Leave it out, and use --unsetenv for the variables that the program must not have.",
        )
    own = "--unshare-net" in options or ("--unshare-all" in options and "--share-net" not in options)
    if own and {"--info-fd", "--block-fd"} & {*options}:
        raise UsageError("tcenv needs --info-fd and --block-fd of bwrap for itself.")
    return Plan(1, own_network=own)


def _refuse_remote(tool: str, line: command_lines.CommandLine, environ: Mapping[str, str]) -> None:
    options, variables = _REMOTE[tool]
    named = [value for name, value in line.before if name in options]
    named += [environ[variable] for variable in variables if environ.get(variable)] if not named else []
    is_remote = any(not value.startswith(_LOCAL) for value in named)
    if is_remote or (tool == "podman" and {"-r", "--remote"} & {name for name, _ in line.before}):
        raise UsageError(
            f"This {tool} starts containers on another machine, and they cannot reach this one.",
            Hint("Run it on that machine:", ("tcenv", "ssh", "HOST", "--", tool, "run", "IMAGE")),
        )


def _find_bridge(tool: str, find: Finder) -> str | None:
    return next(filter(None, map(find, _BRIDGES[tool])), None)


def find_address(interface: str) -> str | None:
    """Return the IPv4 address of an interface of this machine, or None if it has none or the system does not tell."""
    try:
        from fcntl import ioctl
    except ImportError:
        return None
    if sys.platform != "linux":
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            found = ioctl(sock, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(found[20:24])
