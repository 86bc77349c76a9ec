"""Which networks an instance takes for its pods and services: those asked for, or the first that nothing on this machine uses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from pilothouse.cli.settings.home import Home, Settings, SettingsError

POD_NETWORKS = (
    *(f"10.{n}.0.0/16" for n in range(244, 255)),
    *(f"10.{n}.0.0/16" for n in range(200, 244)),
    "172.30.0.0/16",
    "172.29.0.0/16",
)
NODES_NETWORKS = (*(f"172.27.{n}.0/24" for n in range(256)), *(f"192.168.{n}.0/24" for n in range(200, 250)))
NODE_PREFIX, LONGEST_SHARED = 22, 20
"""A node's part of the pod network is a /22: 1,021 addresses, so that one rests before it is given again, though 250 pods come and go at
once. A network of less than a /20 is left to one node."""
SERVICE_NETWORKS = (*(f"10.{n}.0.0/16" for n in range(96, 128)), "172.31.0.0/16", "172.28.0.0/16")


@dataclass(frozen=True, slots=True)
class Use:
    """A network that is in use. holder: by what, for messages."""

    network: IPv4Network
    holder: str


def in_use(others: Iterable[tuple[Home, Settings]], routes: Sequence[str]) -> list[Use]:
    """others: instances on this machine. routes: the lines of /proc/net/route below its heading."""
    found = []
    for home, settings in others:
        cidrs = (settings.pod_cidr, settings.service_cidr, settings.nodes_cidr)
        found += [Use(IPv4Network(cidr), f"the instance at {home.path}") for cidr in cidrs if cidr]
    for line in routes:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[index]), "little") for index in (1, 7))
        if mask:
            found.append(Use(IPv4Network((address & mask, mask.bit_count())), f"interface {fields[0]}"))
    return found


def route_lines() -> list[str]:
    try:
        return Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return []


def refuse_used(option: str, cidr: str, uses: Iterable[Use]) -> None:
    """Raises SettingsError, naming who uses the network."""
    use = holder(cidr, uses)
    if use is not None:
        raise SettingsError(f"{option} {cidr} overlaps {use.network}, which {use.holder} uses: choose another with {option}")


def choose(option: str, candidates: Iterable[str], uses: Sequence[Use]) -> str:
    """The first network that nothing uses; raises SettingsError when there is none."""
    for cidr in candidates:
        if holder(cidr, uses) is None:
            return cidr
    raise SettingsError(f"every network that an instance would take by itself is in use on this machine: choose one with {option}")


def first_range(pod_cidr: str) -> str:
    """The first node's part of the pod network; its length is that of every node's."""
    network = IPv4Network(pod_cidr)
    if network.prefixlen > LONGEST_SHARED:
        return pod_cidr
    return str(next(network.subnets(new_prefix=NODE_PREFIX)))


def most_nodes(pod_cidr: str) -> int:
    """For how many nodes there are ranges of pod addresses."""
    network = IPv4Network(pod_cidr)
    return 1 if network.prefixlen > LONGEST_SHARED else 2 ** (NODE_PREFIX - network.prefixlen)


def is_shared(pod_cidr: str, node_cidr: str) -> bool:
    """Whether there are addresses for pods of further nodes; not on instances that were made before there could be any."""
    return bool(node_cidr) and IPv4Network(node_cidr).prefixlen > IPv4Network(pod_cidr).prefixlen


def holder(cidr: str, uses: Iterable[Use]) -> Use | None:
    network = IPv4Network(cidr, strict=False)
    return next((use for use in uses if use.network.overlaps(network)), None)
