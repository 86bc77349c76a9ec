"""Which EndpointSlices a Service needs, given the pods it selects and the slices it has: the fewest writes that get there.

Invariants: a slice has one address family, one set of ports and at most 100 endpoints; an endpoint stays in its slice while it
fits, so that a change of one pod is a write of one slice. A pod that is ending leaves `ready` at once, and stays as `terminating`.
Source: Kubernetes 1.36, staging/src/k8s.io/endpointslice (reconciler.go, utils.go).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pilothouse.engine.controllers import pods as pod_facts
from pilothouse.engine.controllers.endpoints import facts
from pilothouse.engine.controllers.endpointslice import hints
from pilothouse.model import meta
from pilothouse.model.json import Object, dumps
from pilothouse.model.kinds import SERVICES

MOST_ENDPOINTS = 100
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"

ZoneOf: TypeAlias = Callable[[str], str | None]
Wanted: TypeAlias = dict[bytes, tuple[list[Object], list[Object]]]
"""Ports and endpoints, by what the ports are."""


@dataclass(slots=True)
class Plan:
    """hints: of a Service whose endpoints are shared between zones, by family, why they are not; "" where they are."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    hints: dict[str, str] = field(default_factory=dict)


def plan(service: Object, selected: Iterable[Object], slices: Sequence[Object], zone_of: ZoneOf, shares: hints.Shares) -> Plan:
    """selected: pods of `facts.chosen`. slices: those of this Service that this controller manages. shares: of the nodes' zones."""
    selected = list(selected)
    found = Plan()
    for family in facts.families(service):
        existing = [each for each in slices if each.get("addressType") == family]
        wanted = _by_ports(service, family, selected, zone_of)
        if hints.is_automatic(service):
            found.hints[family] = _share(wanted, existing, shares)
        else:
            for _, endpoints in wanted.values():
                _mean_close(service, endpoints)
        _plan_family(service, family, wanted, existing, found)
    found.delete += [each for each in slices if each.get("addressType") not in facts.families(service)]
    return found


def _mean_close(service: Object, endpoints: list[Object]) -> None:
    for each in endpoints:
        if (meant := hints.by_distribution(service, each)) is not None:
            each["hints"] = meant


def _share(wanted: Wanted, existing: list[Object], shares: hints.Shares) -> str:
    """Says of each endpoint, in place, for which zone it is meant; "" or why of none."""
    endpoints = [each for _, found in wanted.values() for each in found]
    before = {
        (each.get("targetRef") or {}).get("uid", ""): (each["hints"].get("forZones") or [{}])[0].get("name", "")
        for slice_ in existing
        for each in slice_.get("endpoints") or ()
        if each.get("hints")
    }
    chosen, why = hints.automatic(endpoints, before, shares)
    for each in endpoints:
        if zone := chosen.get(each["targetRef"]["uid"]):
            each["hints"] = {"forZones": [{"name": zone}]}
    return why


def _plan_family(service: Object, family: str, wanted: Wanted, existing: list[Object], found: Plan) -> None:
    by_ports: dict[bytes, list[Object]] = {}
    for each in existing:
        by_ports.setdefault(_key(each.get("ports") or []), []).append(each)
    if not wanted:
        # A Service without endpoints has one empty slice, so that readers can tell it from one that is not known yet.
        _keep_placeholder(service, family, existing, found)
        return
    for key, (ports, endpoints) in wanted.items():
        _plan_ports(service, family, ports, endpoints, by_ports.pop(key, []), found)
    found.delete += [each for left in by_ports.values() for each in left]


def _key(ports: list[Object]) -> bytes:
    return dumps(sorted([each.get("name", ""), each.get("protocol", "TCP"), each.get("port"), each.get("appProtocol")] for each in ports))


def _by_ports(service: Object, family: str, selected: list[Object], zone_of: ZoneOf) -> Wanted:
    """With named target ports pods may differ."""
    found: Wanted = {}
    shapes = facts.Shapes(service)
    of_shape: dict[facts.Shape, list[Object]] = {}
    for pod in selected:
        addresses = facts.addresses(pod, family)
        if addresses:
            shape = shapes.of(pod)
            if shape not in of_shape:
                ports = facts.ports(service, pod)
                of_shape[shape] = found.setdefault(_key(ports), (ports, []))[1]
            of_shape[shape].append(endpoint(service, pod, addresses, zone_of))
    return found


def endpoint(service: Object, pod: Object, addresses: list[str], zone_of: ZoneOf) -> Object:
    is_ready, is_ending = pod_facts.is_ready(pod), meta.is_deleting(pod)
    shown: Object = {
        "addresses": addresses,
        "conditions": {
            "ready": facts.publishes_not_ready(service) or (is_ready and not is_ending),
            "serving": is_ready,
            "terminating": is_ending,
        },
        "targetRef": facts.reference(pod),
    }
    node = pod_facts.node(pod)
    optional = {
        "hostname": facts.hostname(service, pod),
        "nodeName": node,
        "zone": zone_of(node) if node else None,
    }
    return shown | {name: value for name, value in optional.items() if value}


def _plan_ports(service: Object, family: str, ports: list[Object], endpoints: list[Object], existing: list[Object], found: Plan) -> None:
    """Keep endpoints where they are, fill what has room with new ones, and only then make more slices."""
    missing = {each["targetRef"]["uid"]: each for each in endpoints}
    kept = [(each, _still_wanted(each, missing)) for each in existing]
    fresh = list(missing.values())
    for current, stay in sorted(kept, key=lambda pair: -len(pair[1])):
        room = MOST_ENDPOINTS - len(stay)
        stay += fresh[:room]
        del fresh[:room]
        _settle(service, family, current, ports, stay, found)
    for begin in range(0, len(fresh), MOST_ENDPOINTS):
        found.create.append(_slice(service, family, ports, fresh[begin : begin + MOST_ENDPOINTS]))


def _still_wanted(current: Object, missing: dict[str, Object]) -> list[Object]:
    """The slice's endpoints as they are to be now; taken out of `missing`."""
    uids = [(each.get("targetRef") or {}).get("uid", "") for each in current.get("endpoints") or ()]
    return [missing.pop(uid) for uid in uids if uid in missing]


def _settle(service: Object, family: str, current: Object, ports: list[Object], endpoints: list[Object], found: Plan) -> None:
    if not endpoints:
        found.delete.append(current)
        return
    wanted = _slice(service, family, ports, endpoints)
    metadata = current["metadata"] | {"labels": wanted["metadata"]["labels"]}
    if (
        metadata == current["metadata"]
        and (current.get("endpoints") or []) == endpoints
        and _key(current.get("ports") or []) == _key(ports)
    ):
        return
    found.update.append(current | {"metadata": metadata, "endpoints": endpoints, "ports": ports})


def _keep_placeholder(service: Object, family: str, existing: list[Object], found: Plan) -> None:
    if not existing:
        found.create.append(_slice(service, family, [], []))
        return
    kept, *rest = sorted(existing, key=lambda each: each["metadata"].get("creationTimestamp") or "")
    found.delete += rest
    labels = _labels(service)
    if kept.get("endpoints") or meta.labels(kept) != labels:
        found.update.append(kept | {"metadata": kept["metadata"] | {"labels": labels}, "endpoints": [], "ports": kept.get("ports") or []})


def _slice(service: Object, family: str, ports: list[Object], endpoints: list[Object]) -> Object:
    owner = meta.owner_reference(service, SERVICES.api_version, SERVICES.kind)
    metadata = {
        "generateName": f"{meta.name(service)}-",
        "namespace": meta.namespace(service),
        "labels": _labels(service),
        "ownerReferences": [owner],
    }
    return {"metadata": metadata, "addressType": family, "endpoints": endpoints, "ports": ports}


def _labels(service: Object) -> dict[str, str]:
    own = {SERVICE_LABEL: meta.name(service), MANAGER_LABEL: MANAGER}
    if facts.is_headless(service):
        own[facts.HEADLESS_LABEL] = ""
    copied = {key: value for key, value in meta.labels(service).items() if key != facts.HEADLESS_LABEL}
    return copied | own
