"""Which endpoints a port of a service leads to, from the service's EndpointSlices. Pure.

Source: Kubernetes, "EndpointSlices" (conditions) and KEP-1669: endpoints that are terminating but still serve are used only
when no other one is ready.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pilothouse.model.json import Object

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """is_leaving: its pod is terminating, so that traffic goes there only for want of a better place.

    for_nodes: names of the nodes that it is meant for, as a hint says; empty when none does.
    """

    address: str
    port: int
    node: str = ""
    is_leaving: bool = field(default=False, compare=False)
    for_nodes: frozenset[str] = field(default=frozenset(), compare=False)

    def __str__(self) -> str:
        return f"{self.address} . {self.port}"


def is_proxied(service: Object) -> bool:
    """Services with an address of their own that no other proxy has taken over."""
    spec = service.get("spec", {})
    labels = service["metadata"].get("labels") or {}
    return spec.get("type") != "ExternalName" and spec.get("clusterIP", "None") not in ("", "None") and OTHER_PROXY_LABEL not in labels


def endpoints_of(port: Object, slices: Iterable[Object]) -> tuple[Endpoint, ...]:
    """Where traffic for the port of a service goes: sorted, each address and port once."""
    ready: dict[tuple[str, int], Endpoint] = {}
    leaving: dict[tuple[str, int], Endpoint] = {}
    for number, endpoint in _addressed(port, slices):
        conditions = endpoint.get("conditions") or {}
        is_ready = conditions.get("ready") is not False
        is_serving = conditions.get("serving", is_ready) is not False
        if is_ready:
            _add(ready, endpoint, number)
        elif is_serving and conditions.get("terminating"):
            _add(leaving, endpoint, number)
    return tuple(sorted((ready or leaving).values()))


def preferred(endpoints: tuple[Endpoint, ...], node: str) -> tuple[Endpoint, ...]:
    """Those that hints mean for this node; all when one has no hint, or none is meant for it. Source: KEP-3015."""
    own = tuple(each for each in endpoints if node in each.for_nodes)
    return own if own and all(each.for_nodes for each in endpoints) else endpoints


def _add(found: dict[tuple[str, int], Endpoint], endpoint: Object, port: int) -> None:
    for address in endpoint["addresses"][:1]:
        if _is_ipv4(address):
            is_leaving = bool((endpoint.get("conditions") or {}).get("terminating"))
            nodes = frozenset(each["name"] for each in (endpoint.get("hints") or {}).get("forNodes") or ())
            found[address, port] = Endpoint(address, port, endpoint.get("nodeName") or "", is_leaving, nodes)


def _is_ipv4(address: str) -> bool:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True


def _addressed(port: Object, slices: Iterable[Object]) -> Iterator[tuple[int, Any]]:
    """Port number and endpoint, for each endpoint of the slices that offers the service's port."""
    wanted = port.get("name") or "", port.get("protocol") or "TCP"
    for slice_ in slices:
        if slice_.get("addressType") != "IPv4":
            continue
        for offered in slice_.get("ports") or ():
            if (offered.get("name") or "", offered.get("protocol") or "TCP") != wanted or not offered.get("port"):
                continue
            for endpoint in slice_.get("endpoints") or ():
                yield offered["port"], endpoint
