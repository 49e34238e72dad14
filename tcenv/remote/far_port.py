"""Make sure that the far side's port leads to this run's proxy alone, before a program there calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcenv.errors import TcenvError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tcenv.proxy.probe import Probe

# The loopback addresses of Linux's tables, as little-endian and big-endian machines write them.
_IPV4 = ("0100007F", "7F000001")
_IPV6 = ("00000000000000000000000001000000", "00000000000000000000000000000001")
_MAPPED = ("0000000000000000FFFF00000100007F", "00000000000000000000FFFF7F000001")
_ROOT = "0"
# Seconds to wait for a request that has been sent.
_TIMEOUT = 10.0


def check_listeners(words: Sequence[str], uid: str, host: str) -> bool:
    """Check who listens on the far port. Return whether the far system tells.

    `words` are the lifeline's: `known` if the system tells, and ADDRESS/UID for each listener. Raises TcenvError if the
    port is not this run's, or not on loopback alone."""
    if "known" not in words:
        return False
    listeners = [(address, owner) for address, _, owner in (word.partition("/") for word in words) if owner]
    # sshd listens as the user, and other ssh servers listen as root.
    addresses = [address for address, owner in listeners if owner in (uid, _ROOT)]
    if any(address not in (*_IPV4, *_IPV6, *_MAPPED) for address in addresses):
        raise TcenvError(
            f"The ssh server of {host} opens forwarded ports to the network (GatewayPorts yes).",
            "Set GatewayPorts to no, or to clientspecified, in its sshd_config.",
        )
    if not any(address in (*_IPV4, *_MAPPED) for address in addresses):
        raise TcenvError(f"The forwarded port on {host} is not the ssh server's: another program has taken it.")
    return True


def check_path(probe: Probe, send: Callable[[bytes], bool], port: int, *, is_known: bool, host: str) -> None:
    """Send the probe through the far port with `send`, which returns whether ssh could connect.

    Raises TcenvError if the probe does not arrive, or if neither ssh nor the far system (`is_known`) tells whose port
    it is."""
    if send(probe.make_request(port)):
        if not probe.seen.wait(_TIMEOUT):
            raise TcenvError(f"The forwarded port on {host} does not lead to this run: another program has taken it.")
    elif not is_known:
        raise TcenvError(
            f"Neither ssh nor {host} says who has the forwarded port there.",
            "Allow local forwarding too: AllowTcpForwarding yes in the sshd_config of that machine.",
        )
