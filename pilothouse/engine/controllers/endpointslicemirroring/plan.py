"""Which EndpointSlices say what an Endpoints object says. Pure.

There is one slice for each address family and set of ports; subsets with the same ports share it.
Source: Kubernetes 1.36, pkg/controller/endpointslicemirroring (reconciler.go, utils.go).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta, names
from pilothouse.model.json import Object, dumps
from pilothouse.model.kinds import ENDPOINTS

MOST_ADDRESSES = 1_000
"""Of a subset, and of a slice; the others are left out. Ready ones come first."""
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror"
LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = ("endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration")

_Key = tuple[str, bytes]
"""Address family, and ports as `_ports_key` has them."""


@dataclass(slots=True)
class Plan:
    """invalid: addresses that are none. skipped: those that are too many."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    invalid: int = 0
    skipped: int = 0


def is_mirrored(endpoints: Object, service: Object | None) -> bool:
    """Only what people write for a Service without selector. Locks of former leader elections are no endpoints."""
    if service is None or (service.get("spec") or {}).get("selector"):
        return False
    annotations = endpoints["metadata"].get("annotations") or {}
    return meta.labels(endpoints).get(SKIP_LABEL) != "true" and LEADER_ANNOTATION not in annotations


def plan(endpoints: Object, slices: Sequence[Object]) -> Plan:
    """slices: those of this Endpoints object that this controller manages, as they are."""
    found = Plan()
    wanted = _wanted(endpoints, found)
    existing: dict[_Key, list[Object]] = {}
    for each in sorted(slices, key=lambda each: (str(each["metadata"].get("creationTimestamp") or ""), meta.name(each))):
        existing.setdefault((each.get("addressType") or "", _ports_key(each.get("ports") or [])), []).append(each)
    for key, slice_ in wanted.items():
        there = existing.pop(key, [])
        found.delete += there[1:]
        if not there:
            found.create.append(slice_)
        elif (changed := _changed(there[0], slice_)) != there[0]:
            found.update.append(changed)
    found.delete += [each for left in existing.values() for each in left]
    return found


def _wanted(endpoints: Object, found: Plan) -> dict[_Key, Object]:
    slices: dict[_Key, Object] = {}
    seen: dict[_Key, set[bytes]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = [_port(each) for each in subset.get("ports") or ()]
        added = 0
        for address, is_ready in _addresses(subset):
            ip = names.parse_ip(address.get("ip") or "")
            if ip is None:
                found.invalid += 1
                continue
            key = f"IPv{ip.version}", _ports_key(ports)
            slice_ = slices.setdefault(key, _slice(endpoints, key[0], ports))
            endpoint = _endpoint(address, str(ip), is_ready)
            identity = dumps({**endpoint, "conditions": None})
            if identity in seen.setdefault(key, set()):
                continue
            if added >= MOST_ADDRESSES or len(slice_["endpoints"]) >= MOST_ADDRESSES:
                found.skipped += 1
                continue
            seen[key].add(identity)
            slice_["endpoints"].append(endpoint)
            added += 1
    return slices


def _addresses(subset: Object) -> Iterator[tuple[Object, bool]]:
    """Address, and whether it is ready."""
    yield from ((each, True) for each in subset.get("addresses") or ())
    yield from ((each, False) for each in subset.get("notReadyAddresses") or ())


def _endpoint(address: Object, ip: str, is_ready: bool) -> Object:
    shown: Object = {"addresses": [ip], "conditions": {"ready": is_ready}}
    return shown | {name: address[name] for name in ("hostname", "nodeName", "targetRef") if address.get(name)}


def _port(port: Object) -> Object:
    shown: Object = {"name": port.get("name") or "", "port": port.get("port"), "protocol": port.get("protocol") or "TCP"}
    return shown | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})


def _ports_key(ports: Sequence[Object]) -> bytes:
    """The same for the same ports in another order."""
    return dumps(sorted(dumps(sorted(_port(each).items())).decode() for each in ports))


def _slice(endpoints: Object, family: str, ports: list[Object]) -> Object:
    metadata: Object = {
        "generateName": f"{meta.name(endpoints)}-",
        "namespace": meta.namespace(endpoints),
        "labels": meta.labels(endpoints) | {SERVICE_LABEL: meta.name(endpoints), MANAGER_LABEL: MANAGER},
        "ownerReferences": [meta.owner_reference(endpoints, ENDPOINTS.api_version, ENDPOINTS.kind)],
    }
    annotations = endpoints["metadata"].get("annotations") or {}
    copied = {name: value for name, value in annotations.items() if name not in _NOT_COPIED}
    if copied:
        metadata["annotations"] = copied
    return {"metadata": metadata, "addressType": family, "endpoints": [], "ports": ports}


def _changed(current: Object, wanted: Object) -> Object:
    """The slice as it is to be; equal to `current` when nothing changes."""
    metadata = {name: value for name, value in current["metadata"].items() if name != "annotations"}
    metadata |= {name: wanted["metadata"][name] for name in ("labels", "annotations", "ownerReferences") if name in wanted["metadata"]}
    parts: Object = {"metadata": metadata, "endpoints": wanted["endpoints"]}
    return current | parts
