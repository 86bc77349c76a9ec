"""The rules of an instance's networks: those of pods, of Services and between nodes, of one IP family or of both."""

from collections.abc import Sequence

from pilothouse.model import networks
from pilothouse.model.networks import Network

LONGEST = {4: 24, 6: 112}
"""Prefix lengths: a network with fewer addresses is too small for pods or Services."""
EXAMPLES = {"pod-cidr": "10.244.0.0/16 or fd00:10:244::/56", "service-cidr": "10.96.0.0/16 or fd00:10:96::/112"}
NODE_PREFIX, LONGEST_SHARED = {4: 22, 6: 64}, {4: 20, 6: 62}
"""A node's part of the pod network is a /22: 1,021 addresses, so that one rests before it is given again, though 250 pods come and go at
once; of IPv6 a /64, as upstream's. A network of less than a /20 or a /62 is left to one node."""


class NetworkError(Exception):
    """One sentence for the user about networks that cannot be."""


def parse(option: str, text: str) -> tuple[Network, ...]:
    """The networks of an option, one or one of each family, the primary one first. Raises NetworkError."""
    wanted = f"give one such as {EXAMPLES[option]}, or one of each family with a comma"
    try:
        found = networks.of(text)
    except ValueError as error:
        raise NetworkError(f"--{option} {text!r} is no network ({error}): {wanted}") from error
    if not found:
        raise NetworkError(f"--{option} {text!r} names no network: {wanted}")
    if len(found) > 2 or len(set(networks.families(found))) < len(found):
        raise NetworkError(f"--{option} {text} has more than one network of a family: give one, or one IPv4 and one IPv6 network")
    for network in found:
        if network.prefixlen > LONGEST[network.version]:
            raise NetworkError(f"--{option} {network} is too small: it needs at least a /{LONGEST[network.version]}")
        if network.is_link_local or network.is_loopback or network.is_multicast:
            raise NetworkError(f"--{option} {network} is for links, loopback or multicast: give a network such as {EXAMPLES[option]}")
    return found


def check(pods: Sequence[Network], services: Sequence[Network]) -> None:
    """Raises NetworkError when pods and Services have not the same families, in the same order, or the same addresses."""
    if networks.families(pods) != networks.families(services):
        ours, theirs = (" and ".join(networks.families(each)) for each in (pods, services))
        raise NetworkError(
            f"pods have {ours} and services {theirs} addresses: give --pod-cidr and --service-cidr a network of the same families, in the "
            "same order"
        )
    for one, other in ((one, other) for one in pods for other in services):
        if networks.overlap(one, other):
            raise NetworkError(f"pod network {one} and service network {other} overlap: choose others with --pod-cidr and --service-cidr")


def first_ranges(pods: Sequence[Network]) -> tuple[Network, ...]:
    """The first node's part of each pod network; its length is that of every node's."""
    return tuple(_first(network) for network in pods)


def _first(network: Network) -> Network:
    if network.prefixlen > LONGEST_SHARED[network.version]:
        return network
    return type(network)((int(network.network_address), NODE_PREFIX[network.version]))


def most_nodes(pods: Sequence[Network]) -> int:
    """For how many nodes there are ranges of pod addresses."""
    return min(
        1 if network.prefixlen > LONGEST_SHARED[network.version] else 2 ** (NODE_PREFIX[network.version] - network.prefixlen)
        for network in pods
    )


def are_shared(pods: Sequence[Network], own: Sequence[Network]) -> bool:
    """Whether there are addresses for pods of further nodes; not on instances that were made before there could be any."""
    return len(own) == len(pods) and all(part.prefixlen > whole.prefixlen for part, whole in zip(own, pods, strict=True))
