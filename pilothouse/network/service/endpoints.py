"""Which endpoints a port of a service leads to, from the service's EndpointSlices. Pure.

Source: Kubernetes, "EndpointSlices" (conditions); KEP-1669: endpoints that are terminating but still serve are used only when no other
one is ready, for each traffic policy by itself; KEP-4444 and KEP-3015 (hints for zones and nodes).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.model.json import Object
from pilothouse.network.service.family import IPV4, Family

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
ZONE_LABEL = "topology.kubernetes.io/zone"
_NONE: frozenset[str] = frozenset()

Target = tuple[str, int]
"""An endpoint's address and port."""


class Endpoint(NamedTuple):
    """is_leaving: its pod is terminating, so that traffic goes there only for want of a better place.

    for_nodes, for_zones: names of the nodes and zones that it is meant for, as hints say; empty when none does.
    """

    address: str
    port: int
    node: str = ""
    is_leaving: bool = False
    for_nodes: frozenset[str] = _NONE
    for_zones: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class Site:
    """This node, as endpoints and hints name it. zone: "" when the node has none."""

    node: str
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a port leads to, sorted. cluster, local: for the traffic policies. local_ready: how many of this node take new connections.

    exists: whether anything takes connections, here or elsewhere.
    """

    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    local_ready: frozenset[str] = _NONE
    exists: bool = False


def is_proxied(service: Object) -> bool:
    """Services with an address of their own that no other proxy has taken over."""
    spec = service.get("spec", {})
    labels = service["metadata"].get("labels") or {}
    return spec.get("type") != "ExternalName" and spec.get("clusterIP", "None") not in ("", "None") and OTHER_PROXY_LABEL not in labels


class Endpoints:
    """Where traffic for the ports of a service goes; its slices are read once, whatever the number of ports.

    Slices that are labelled as headless are left out, as by kube-proxy: they are for DNS alone.
    """

    def __init__(self, slices: Iterable[Object], family: Family = IPV4) -> None:
        self._offered: dict[tuple[str, str], list[tuple[int, _Backends]]] = {}
        for slice_ in slices:
            if slice_.get("addressType") == family.slice_type and HEADLESS_LABEL not in (slice_["metadata"].get("labels") or {}):
                backends = _Backends.of(slice_, family)
                for port in slice_.get("ports") or ():
                    if port.get("port"):
                        self._offered.setdefault(_name(port), []).append((port["port"], backends))

    def of(self, port: Object, site: Site) -> Choice:
        """Each address and port once."""
        offered = self._offered.get(_name(port), [])
        ready = _sorted((each, number) for number, backends in offered for each in backends.ready)
        leaving = _sorted((each, number) for number, backends in offered for each in backends.leaving)
        if not ready and not leaving:
            return Choice()
        local_ready = tuple(each for each in ready if each.node == site.node)
        local = local_ready or tuple(each for each in leaving if each.node == site.node)
        addresses = frozenset(each.address for each in local_ready)
        return Choice(preferred(ready, site) or leaving, local, addresses, exists=True)

    def count(self, port: Object) -> int:
        """Those that `of` looks at, at most."""
        return sum(len(backends.ready) + len(backends.leaving) for _, backends in self._offered.get(_name(port), []))


def _name(port: Object) -> tuple[str, str]:
    return port.get("name") or "", port.get("protocol") or "TCP"


def _sorted(found: "Iterable[tuple[_Backend, int]]") -> tuple[Endpoint, ...]:
    unique = {(each.address, number): each for each, number in found}
    return tuple(
        Endpoint(address, number, each.node, each.is_leaving, each.for_nodes, each.for_zones)
        for (address, number), each in sorted(unique.items(), key=lambda item: item[0])
    )


class _Backend(NamedTuple):
    """An endpoint without its port."""

    address: str
    node: str
    is_leaving: bool
    for_nodes: frozenset[str]
    for_zones: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Backends:
    """Of one slice. leaving: those that are terminating but still serve."""

    ready: list[_Backend] = field(default_factory=list)
    leaving: list[_Backend] = field(default_factory=list)

    @classmethod
    def of(cls, slice_: Object, family: Family) -> "_Backends":
        found = cls()
        for endpoint in slice_.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            is_ready = conditions.get("ready") is not False
            is_serving = conditions.get("serving", is_ready) is not False
            if is_ready:
                found.ready.extend(_backends(endpoint, family))
            elif is_serving and conditions.get("terminating"):
                found.leaving.extend(_backends(endpoint, family))
        return found


def _backends(endpoint: Object, family: Family) -> Iterator[_Backend]:
    for text in endpoint["addresses"][:1]:
        address = family.canonical(text)
        if address:
            is_leaving = bool((endpoint.get("conditions") or {}).get("terminating"))
            hints = endpoint.get("hints") or {}
            yield _Backend(address, endpoint.get("nodeName") or "", is_leaving, _names(hints, "forNodes"), _names(hints, "forZones"))


def _names(hints: Object, kind: str) -> frozenset[str]:
    return frozenset(each["name"] for each in hints.get(kind) or ()) if hints else _NONE


def preferred(ready: Sequence[Endpoint], site: Site) -> tuple[Endpoint, ...]:
    """Those that hints mean for this node, or for its zone; all when one has no hint, or none is meant for it."""
    if all(each.for_nodes for each in ready):
        own = tuple(each for each in ready if site.node in each.for_nodes)
        if own:
            return own
    if site.zone and all(each.for_zones for each in ready):
        own = tuple(each for each in ready if site.zone in each.for_zones)
        if own:
            return own
    return tuple(ready)
