"""Shows the DNS server in the API as people know it: Service kube-system/kube-dns at a fixed address, leading to this node's server.

The service proxy makes the address work like any other service's.
"""

from typing import Any

from pilothouse.client.client import Client
from pilothouse.model.errors import AlreadyExists
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from pilothouse.model.resource import Resource
from pilothouse.network.dns.config import ClusterDNSConfig

NAMESPACE, NAME = "kube-system", "kube-dns"
LABELS = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
MANAGED_BY = "pilothouse.dev"
LOCAL = {"internalTrafficPolicy": "Local"}
"""Each node's server answers the pods of that node: no query depends on another machine."""
_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))


class AddressTaken(Exception):
    """The Service exists with another address than the one that pods are told."""


def service(config: ClusterDNSConfig) -> Object:
    ports = [{"name": name, "protocol": protocol, "port": 53, "targetPort": 53} for name, protocol in _PORTS]
    spec: dict[str, Any] = {"type": "ClusterIP", "clusterIP": config.cluster_ip, "clusterIPs": [config.cluster_ip], "ports": ports}
    spec |= LOCAL
    return {"metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS}, "spec": spec}


def endpoint_slice(config: ClusterDNSConfig, port: int) -> Object:
    labels = {"kubernetes.io/service-name": NAME, "endpointslice.kubernetes.io/managed-by": MANAGED_BY, "k8s-app": "kube-dns"}
    conditions = {"ready": True, "serving": True, "terminating": False}
    return {
        "metadata": {"name": f"{NAME}-{config.node}", "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": name, "protocol": protocol, "port": port} for name, protocol in _PORTS],
        "endpoints": [{"addresses": [config.address], "nodeName": config.node, "conditions": conditions}],
    }


async def publish(client: Client, config: ClusterDNSConfig, port: int) -> None:
    """Writes what is not there as it should be, and nothing else: a server that takes no writes just then still has what it had.

    Raises ApiError, AddressTaken.
    """
    shown = await client.get_or_none(SERVICES, NAME, NAMESPACE) or await _made(client, SERVICES, service(config))
    if shown["spec"].get("clusterIP") != config.cluster_ip:
        raise AddressTaken(f"Service {NAMESPACE}/{NAME} has address {shown['spec'].get('clusterIP')}, pods are told {config.cluster_ip}")
    if shown["spec"].get("internalTrafficPolicy") != LOCAL["internalTrafficPolicy"]:
        await client.patch(SERVICES, NAME, {"spec": LOCAL}, namespace=NAMESPACE)
    wanted = endpoint_slice(config, port)
    name, changes = wanted["metadata"]["name"], {key: wanted[key] for key in ("ports", "endpoints")}
    current = await client.get_or_none(ENDPOINTSLICES, name, NAMESPACE) or await _made(client, ENDPOINTSLICES, wanted)
    if any(current.get(key) != value for key, value in changes.items()):
        await client.patch(ENDPOINTSLICES, name, changes, namespace=NAMESPACE)


async def _made(client: Client, resource: Resource, obj: Object) -> Object:
    """The new object, or the one that somebody else was quicker with."""
    try:
        return await client.create(resource, obj)
    except AlreadyExists:
        return await client.get(resource, obj["metadata"]["name"], obj["metadata"]["namespace"])
