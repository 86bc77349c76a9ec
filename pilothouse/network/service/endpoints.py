"""Which endpoints a port of a service leads to, from the service's EndpointSlices. Pure.

Source: Kubernetes, "EndpointSlices" (conditions) and KEP-1669: endpoints that are terminating but still serve are used only
when no other one is ready.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

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


class Endpoints:
    """Where traffic for the ports of a service goes; its slices are read once, whatever the number of ports."""

    def __init__(self, slices: Iterable[Object]) -> None:
        self._offered: dict[tuple[str, str], list[tuple[int, _Backends]]] = {}
        for slice_ in slices:
            if slice_.get("addressType") == "IPv4":
                backends = _Backends.of(slice_)
                for port in slice_.get("ports") or ():
                    if port.get("port"):
                        self._offered.setdefault(_name(port), []).append((port["port"], backends))

    def of(self, port: Object) -> tuple[Endpoint, ...]:
        """Sorted, each address and port once."""
        offered = self._offered.get(_name(port), [])
        ready = {(each.address, number): each.at(number) for number, backends in offered for each in backends.ready}
        leaving = {} if ready else {(each.address, number): each.at(number) for number, backends in offered for each in backends.leaving}
        return tuple(sorted((ready or leaving).values()))

    def count(self, port: Object) -> int:
        """Those that `of` looks at, at most."""
        return sum(len(backends.ready) + len(backends.leaving) for _, backends in self._offered.get(_name(port), []))


def endpoints_of(port: Object, slices: Iterable[Object]) -> tuple[Endpoint, ...]:
    """Where traffic for one port of a service goes."""
    return Endpoints(slices).of(port)


def _name(port: Object) -> tuple[str, str]:
    return port.get("name") or "", port.get("protocol") or "TCP"


@dataclass(frozen=True, slots=True)
class _Backend:
    """An endpoint without its port."""

    address: str
    node: str
    is_leaving: bool
    for_nodes: frozenset[str]

    def at(self, port: int) -> Endpoint:
        return Endpoint(self.address, port, self.node, self.is_leaving, self.for_nodes)


@dataclass(frozen=True, slots=True)
class _Backends:
    """Of one slice. leaving: those that are terminating but still serve."""

    ready: list[_Backend] = field(default_factory=list)
    leaving: list[_Backend] = field(default_factory=list)

    @classmethod
    def of(cls, slice_: Object) -> "_Backends":
        found = cls()
        for endpoint in slice_.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            is_ready = conditions.get("ready") is not False
            is_serving = conditions.get("serving", is_ready) is not False
            if is_ready:
                found.ready.extend(_backends(endpoint))
            elif is_serving and conditions.get("terminating"):
                found.leaving.extend(_backends(endpoint))
        return found


def _backends(endpoint: Object) -> Iterator[_Backend]:
    for address in endpoint["addresses"][:1]:
        if _is_ipv4(address):
            is_leaving = bool((endpoint.get("conditions") or {}).get("terminating"))
            nodes = frozenset(each["name"] for each in (endpoint.get("hints") or {}).get("forNodes") or ())
            yield _Backend(address, endpoint.get("nodeName") or "", is_leaving, nodes)


def preferred(endpoints: tuple[Endpoint, ...], node: str) -> tuple[Endpoint, ...]:
    """Those that hints mean for this node; all when one has no hint, or none is meant for it. Source: KEP-3015."""
    own = tuple(each for each in endpoints if node in each.for_nodes)
    return own if own and all(each.for_nodes for each in endpoints) else endpoints


def _is_ipv4(address: str) -> bool:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True
