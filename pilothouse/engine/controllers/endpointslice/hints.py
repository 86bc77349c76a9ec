"""For which zones and nodes each endpoint is meant. Pure.

With `spec.trafficDistribution` a ready endpoint is meant for its own zone, and for PreferSameNode for its own node first. With the
annotation `service.kubernetes.io/topology-mode: Auto` zones share the endpoints by the CPUs of their nodes: an endpoint may then be meant
for another zone than its own, no zone gets more than a fifth too little, and where that cannot be there are no hints.
Source: Kubernetes 1.36, staging/src/k8s.io/endpointslice (trafficdist, topologycache); KEP-2433, KEP-4444, KEP-3015.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity, QuantityError

OVERLOAD = 0.2
"""By how much more than its share an endpoint may get."""
MODES = ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints")
CLOSE = ("PreferClose", "PreferSameZone", "PreferSameNode")
ZONE_LABEL = "topology.kubernetes.io/zone"
_EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

FEW_NODES = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
NO_ZONE = "One or more endpoints do not have a zone specified"
FEW_ENDPOINTS = "Insufficient number of endpoints"
OVERLOADED = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"
DISABLED = "Topology Aware Hints has been disabled"
ENABLED = "Topology Aware Hints has been enabled"

Shares = Mapping[str, float]
"""By zone, its part of all CPUs, in all 1; empty when the nodes do not say enough."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many endpoints a zone is to have."""

    minimum: int
    maximum: int
    desired: float


def is_automatic(service: Object) -> bool:
    annotations = service["metadata"].get("annotations") or {}
    return any(annotations.get(name) in ("Auto", "auto") for name in MODES)


def by_distribution(service: Object, endpoint: Object) -> Object | None:
    """The hints of one endpoint by `spec.trafficDistribution`; None for none."""
    wanted = (service.get("spec") or {}).get("trafficDistribution")
    if wanted not in CLOSE or not is_ready(endpoint):
        return None
    zone, node = endpoint.get("zone"), endpoint.get("nodeName")
    hints: Object = {"forZones": [{"name": zone}]} if zone else {}
    if node and wanted == "PreferSameNode":
        hints["forNodes"] = [{"name": node}]
    return hints or None


def is_ready(endpoint: Object) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is True


def shares(nodes: Iterable[Object]) -> Shares:
    """Of the zones of ready nodes that are not the control plane's alone."""
    cpus: Counter[str] = Counter()
    for node in nodes:
        if any(label in meta.labels(node) for label in _EXCLUDED) or not meta.is_true(node, "Ready"):
            continue
        zone, cpu_milli = meta.labels(node).get(ZONE_LABEL), allocatable_milli(node)
        if not zone or not cpu_milli:
            return {}
        cpus[zone] += cpu_milli
    total = sum(cpus.values())
    return {zone: found / total for zone, found in cpus.items()} if len(cpus) > 1 else {}


def allocatable_milli(node: Object) -> int:
    """Of CPU; 0 when the node does not say it."""
    text = ((node.get("status") or {}).get("allocatable") or {}).get("cpu")
    try:
        return Quantity.of(text).milli_value if text is not None else 0
    except QuantityError:
        return 0


def automatic(endpoints: Sequence[Object], before: Mapping[str, str], shares_: Shares) -> tuple[dict[str, str], str]:
    """By the uid of each ready endpoint's pod the zone that it is meant for; or none, and why. before: the zones of now, likewise.

    What an endpoint is meant for changes only where it has to, so that the slices of others are not written.
    """
    ready = [each for each in endpoints if is_ready(each)]
    bounds, why = _bounds(shares_, len(ready))
    if why:
        return {}, why
    if any(not each.get("zone") for each in ready):
        return {}, NO_ZONE
    chosen = _assigned(ready, before, bounds)
    counts = Counter(chosen.values())
    if any(counts[zone] < each.minimum for zone, each in bounds.items()):
        chosen = _assigned(ready, {}, bounds)
    return chosen, ""


def _bounds(shares_: Shares, count: int) -> tuple[dict[str, Bounds], str]:
    """Why not, where no zone can have enough without one that gets too much."""
    if not shares_:
        return {}, FEW_NODES
    text = f"({count} endpoints, {len(shares_)} zones)"
    if len(shares_) > count:
        return {}, f"{FEW_ENDPOINTS} {text}"
    minima = {zone: math.ceil(share * count / (1 + OVERLOAD)) for zone, share in shares_.items()}
    spare = count - sum(minima.values())
    if spare < 0:
        return {}, f"{OVERLOADED} {text}"
    return {
        zone: Bounds(minima[zone], minima[zone] + spare, max(share * count, float(minima[zone]))) for zone, share in shares_.items()
    }, ""


def _assigned(ready: Sequence[Object], before: Mapping[str, str], bounds: Mapping[str, Bounds]) -> dict[str, str]:
    """Those that stay as they are, then each for its own zone, then some of these for zones that have too few."""
    chosen: dict[str, str] = {}
    counts: Counter[str] = Counter()
    free = []
    for each in ready:
        uid, zone = _uid(each), before.get(_uid(each), "")
        if zone in bounds and counts[zone] < bounds[zone].maximum:
            chosen[uid] = zone
            counts[zone] += 1
        else:
            free.append(each)
    for each in free:
        chosen[_uid(each)] = each["zone"]
        counts[each["zone"]] += 1
    giving, receiving = _exchange(counts, bounds)
    for each in free:
        zone = each["zone"]
        if giving[zone] > 0 and (to := next((other for other in sorted(receiving) if receiving[other] > 0), None)) is not None:
            chosen[_uid(each)] = to
            giving[zone] -= 1
            receiving[to] -= 1
    return chosen


def _exchange(counts: Counter[str], bounds: Mapping[str, Bounds]) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints zones give and get, so that each comes as close to its share as whole endpoints allow."""
    more = {zone: counts[zone] - (bounds[zone].desired if zone in bounds else 0.0) for zone in {*counts, *bounds}}
    giving: Counter[str] = Counter()
    receiving: Counter[str] = Counter()
    while True:
        giver = max(sorted(more), key=lambda zone: more[zone])
        taker = min(sorted(more), key=lambda zone: more[zone])
        surplus, lack = more[giver], -more[taker]
        if (surplus < 1.0 and lack < 1.0) or surplus < 0.5 or lack < 0.5:
            return giving, receiving
        giving[giver] += 1
        receiving[taker] += 1
        more[giver] -= 1
        more[taker] += 1


def _uid(endpoint: Object) -> str:
    uid: str = endpoint["targetRef"]["uid"]
    return uid
