"""Networks and ports that nothing on this machine uses: what else runs there, or was left there, must fail no test."""

import socket
from functools import cache
from ipaddress import ip_network

from pilothouse.cli.cluster.networks import Use, choose, holder, in_use, routed

INSTANCES = 10
"""How many instances a run may have, by number."""
PORTS = (16443, 18000, 18100, 15000, 15100)
"""Of the API server, HTTP, HTTPS, the registry and the kubelet API, each plus the number of the instance."""


def network(first: int) -> str:
    """The first free one of 10.FIRST.0.0/16 and the eight after it."""
    return choose("", (f"10.{first + n}.0.0/16" for n in range(9)), in_use([], routed()))


@cache
def first_number() -> int:
    """What is added to the numbers of this run's instances, so that they get networks and ports that are free now."""
    uses = in_use([], routed())
    for first in range(0, 50, INSTANCES):
        if all(_is_free(first + number, uses) for number in range(INSTANCES)):
            return first
    raise AssertionError("the networks and ports of all instances for tests are in use on this machine")


def _is_free(number: int, uses: list[Use]) -> bool:
    networks = (f"10.{100 + number}.0.0/16", f"10.{200 + number}.0.0/16")
    return all(holder(ip_network(cidr), uses) is None for cidr in networks) and all(_can_bind(base + number) for base in PORTS)


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port whose last connections linger is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
