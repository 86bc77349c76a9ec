"""Pods without a pod network: a link each to this host, routed, with addresses of one or both IP families."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.network.conftest import Namespace, sh

HOST = {4: "169.254.1.1", 6: "fe80::1"}


@dataclass(frozen=True)
class Routed:
    """addresses: of the pod, one a family."""

    namespace: Namespace
    addresses: tuple[str, ...]


def forward() -> None:
    """This host passes packets on. Its interfaces have IPv6, also where new ones have not."""
    for key in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0"):
        sh("sysctl", "-q", "-w", key)
    sh("sysctl", "-q", "-w", "net.ipv6.conf.all.forwarding=1")


def join(number: int, namespace: Namespace, addresses: Sequence[str]) -> Routed:
    """A link with fixed neighbours at both ends, and a route to each address."""
    link, inside, outside = f"pol{number}", f"02:00:00:00:01:{number:02x}", f"02:00:00:00:02:{number:02x}"
    namespace.run("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0")
    pid = str(namespace.process.pid)
    sh("ip", "link", "add", link, "address", outside, "type", "veth", "peer", "name", "eth0", "address", inside, "netns", pid)
    sh("ip", "link", "set", link, "up")
    for name in ("lo", "eth0"):
        namespace.run("ip", "link", "set", name, "up")
    for address in addresses:
        version, length = (6, "128") if ":" in address else (4, "32")
        family = f"-{version}"
        nodad = ["nodad"] if version == 6 else []
        namespace.run("ip", family, "address", "add", f"{address}/{length}", "dev", "eth0", *nodad)
        if version == 6:
            namespace.run("ip", family, "neigh", "add", HOST[6], "lladdr", outside, "dev", "eth0", "nud", "permanent")
            namespace.run("ip", family, "route", "add", "default", "via", HOST[6], "dev", "eth0")
        else:
            namespace.run("ip", family, "route", "add", HOST[4], "dev", "eth0", "scope", "link")
            namespace.run("ip", family, "neigh", "add", HOST[4], "lladdr", outside, "dev", "eth0", "nud", "permanent")
            namespace.run("ip", family, "route", "add", "default", "via", HOST[4])
        sh("ip", family, "route", "add", f"{address}/{length}", "dev", link)
        sh("ip", family, "neigh", "add", address, "lladdr", inside, "dev", link, "nud", "permanent")
    return Routed(namespace, tuple(addresses))
