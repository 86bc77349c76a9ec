"""Leads the Service kube-system/kube-dns, which the API server makes, to this node's server, in an EndpointSlice of the node's own.

The service proxy makes the Service's address work like any other's; its traffic policy is Local, so that each node's server answers the
pods of that node, and no query depends on another machine.
"""

from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NODES, SERVICES
from pilothouse.model.node_objects import DNS_SERVICE, NAMESPACE, dns_slice_names
from pilothouse.network.dns.config import ClusterDNSConfig

MANAGED_BY = "pilothouse.dev"
_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))


class AddressTaken(Exception):
    """The Service exists with another address than the one that pods are told."""


def endpoint_slices(config: ClusterDNSConfig, port: int) -> list[Object]:
    """One for each address; a slice has addresses of one family."""
    names = dict(zip(("IPv4", "IPv6"), dns_slice_names(config.node), strict=True))
    return [_slice(names[_family(address)], config.node, address, port) for address in config.addresses]


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def _slice(name: str, node: str, address: str, port: int) -> Object:
    labels = {
        "kubernetes.io/service-name": DNS_SERVICE,
        "endpointslice.kubernetes.io/managed-by": MANAGED_BY,
        "k8s-app": DNS_SERVICE,
    }
    conditions = {"ready": True, "serving": True, "terminating": False}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "addressType": _family(address),
        "ports": [{"name": name, "protocol": protocol, "port": port} for name, protocol in _PORTS],
        "endpoints": [{"addresses": [address], "nodeName": node, "conditions": conditions}],
    }


async def publish(client: Client, config: ClusterDNSConfig, port: int) -> None:
    """Writes what is not there as it should be, and nothing else: a server that takes no writes just then still has what it had.

    client: signed in as the node. The slice goes with the Node. Raises ApiError, AddressTaken.
    """
    shown = await client.get_or_none(SERVICES, DNS_SERVICE, NAMESPACE)
    if shown is not None and shown["spec"].get("clusterIP") != config.cluster_ips[0]:
        address = shown["spec"].get("clusterIP")
        raise AddressTaken(f"Service {NAMESPACE}/{DNS_SERVICE} has address {address}, pods are told {config.cluster_ips[0]}")
    node = await client.get_or_none(NODES, config.node)
    owners = [] if node is None else [meta.owner_reference(node, "v1", "Node", False)]
    for wanted in endpoint_slices(config, port):
        await _publish(client, wanted, owners)


async def _publish(client: Client, wanted: Object, owners: list[Object]) -> None:
    name, changes = wanted["metadata"]["name"], {key: wanted[key] for key in ("ports", "endpoints")}
    current = await client.get_or_none(ENDPOINTSLICES, name, NAMESPACE) or await _made(client, wanted, owners)
    if any(current.get(key) != value for key, value in changes.items()) or (current["metadata"].get("ownerReferences") or []) != owners:
        await client.patch(ENDPOINTSLICES, name, changes | {"metadata": {"ownerReferences": owners}}, namespace=NAMESPACE)


async def _made(client: Client, wanted: Object, owners: list[Object]) -> Object:
    """The new slice, or one that was there sooner."""
    metadata = wanted["metadata"] | ({"ownerReferences": owners} if owners else {})
    try:
        return await client.create(ENDPOINTSLICES, wanted | {"metadata": metadata})
    except AlreadyExists:
        return await client.get(ENDPOINTSLICES, metadata["name"], NAMESPACE)
