"""The Endpoints object of a Service: the older form, one object with everything, kept for clients that still read it.

Source: Kubernetes 1.36, endpoints_controller.go and pkg/api/v1/endpoints (RepackSubsets).
"""

from collections.abc import Iterable
from ipaddress import ip_address

from pilothouse.engine.controllers import pods as pod_facts
from pilothouse.engine.controllers.endpoints import facts
from pilothouse.model import meta
from pilothouse.model.json import Object, dumps

MANAGER_LABEL = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MOST_ADDRESSES = 1_000


def build(service: Object, selected: Iterable[Object], current: Object | None) -> Object:
    """The Endpoints as they are to be; equal to `current` when nothing changes. Pods that are ending are left out."""
    shown = [pod for pod in selected if facts.publishes_not_ready(service) or not meta.is_deleting(pod)]
    with_address = [pod for pod in shown if facts.addresses(pod, facts.families(service)[0])]
    metadata: Object = {"name": meta.name(service), "namespace": meta.namespace(service)} if current is None else dict(current["metadata"])
    metadata["labels"] = _labels(service)
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != OVER_CAPACITY}
    if len(with_address) > MOST_ADDRESSES:
        annotations[OVER_CAPACITY] = "truncated"
    if annotations or "annotations" in metadata:
        metadata["annotations"] = annotations
    wanted = (current or {}) | {"metadata": metadata}
    wanted.pop("subsets", None)
    subsets = _subsets(service, _most_useful(with_address))
    return wanted | ({"subsets": subsets} if subsets else {})


def _labels(service: Object) -> dict[str, str]:
    copied = {key: value for key, value in meta.labels(service).items() if key != facts.HEADLESS_LABEL}
    own = {MANAGER_LABEL: MANAGER} | ({facts.HEADLESS_LABEL: ""} if facts.is_headless(service) else {})
    return copied | own


def _most_useful(found: list[Object]) -> list[Object]:
    """Ready ones first when there are too many."""
    return found if len(found) <= MOST_ADDRESSES else sorted(found, key=lambda pod: not pod_facts.is_ready(pod))[:MOST_ADDRESSES]


def _subsets(service: Object, selected: list[Object]) -> list[Object]:
    """One subset for each set of ports, in a fixed order."""
    groups: dict[bytes, Object] = {}
    shapes = facts.Shapes(service)
    of_shape: dict[facts.Shape, tuple[list[Object], bytes]] = {}
    for pod in sorted(selected, key=lambda pod: _order(service, pod)):
        shape = shapes.of(pod)
        if shape not in of_shape:
            shown = [_port(each) for each in facts.ports(service, pod)]
            of_shape[shape] = shown, dumps(shown)
        ports, key = of_shape[shape]
        if not ports and not facts.is_headless(service):
            continue
        is_ready = facts.publishes_not_ready(service) or pod_facts.is_ready(pod)
        subset = groups.setdefault(key, {})
        subset.setdefault("addresses" if is_ready else "notReadyAddresses", []).append(_address(service, pod))
        if ports:
            subset["ports"] = ports
    return [groups[key] for key in sorted(groups)]


def _order(service: Object, pod: Object) -> tuple[int, str]:
    return int(ip_address(facts.addresses(pod, facts.families(service)[0])[0])), meta.uid(pod)


def _port(port: Object) -> Object:
    return {name: value for name, value in port.items() if value != ""}


def _address(service: Object, pod: Object) -> Object:
    shown: Object = {"ip": facts.addresses(pod, facts.families(service)[0])[0]}
    optional = {"hostname": facts.hostname(service, pod), "nodeName": pod_facts.node(pod)}
    return shown | {name: value for name, value in optional.items() if value} | {"targetRef": facts.reference(pod)}
