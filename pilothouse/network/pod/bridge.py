"""Takes pods off the bridge that earlier versions have joined them to. Everything here blocks.

Such a pod has an address without a network around it and a default route by the gateway, whose hardware address it has heard: the bridge's.
So the near end of its link gets that hardware address, and the host everything that leads to the pod, while it is still a port; then it
leaves the bridge. Nothing in the pod changes, and at no moment a packet has no way.
"""

from collections.abc import Iterator

import structlog

from pilothouse.network.pod import links, netlink
from pilothouse.network.pod.addresses import Lease, parse_alias
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.family import IPV4

log = structlog.get_logger("network.pod")


def leave(config: PodNetworkConfig) -> int:
    """Returns how many pods have left. The device stays, with the gateway's address. Raises KernelRefusal."""
    with netlink.RouteSocket() as route:
        found = {link.name: link for link in links.ours(route, config)}
        device = next(link for link in route.links() if link.name == config.device)
        ports = [(link, lease) for link in found.values() if link.master and (lease := parse_alias(link.name, link.alias))]
        for link, lease in ports:
            route.send(_moves(link, lease, device, config))
        route.try_all(netlink.delete_neighbour(device.index, lease.address) for _, lease in ports)
        # The network around the gateway's address led all pods' packets to the bridge.
        around = [each for each in route.addresses_of_links(IPV4.number) if each[0] == device.index and each[2] != IPV4.bits]
        route.send(netlink.delete_address(*each) for each in around)
    if ports:
        log.info("pods have left the bridge", pods=len(ports))
    return len(ports)


def _moves(link: netlink.Link, lease: Lease, device: netlink.Link, config: PodNetworkConfig) -> Iterator[netlink.Message]:
    yield netlink.set_group(link.index, config.group)
    yield links.adopt(link.index, lease)
    yield from links.lead_to(link.index, lease, config)
    yield netlink.set_mac(link.index, device.mac)
    yield netlink.leave_bridge(link.index)
