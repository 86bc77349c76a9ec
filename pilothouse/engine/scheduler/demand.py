"""What a pod asks of a node: resources, in whole units, and host ports.

Source: Kubernetes docs, "Resource sharing within containers": init containers run one after another, sidecars beside
what comes after them, containers together; the pod's demand is the highest that occurs, or what it requests as a whole, plus its
overhead.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

PODS = "pods"
SCORED_CPU, SCORED_MEMORY = 100, 200 << 20
Amounts = Mapping[str, int]
"""Resource -> amount: cpu in millicores, everything else in its own unit (bytes, pods)."""


@lru_cache(maxsize=4096)
def amount(resource: str, text: str) -> int:
    quantity = Quantity.of(text)
    return quantity.milli_value if resource == "cpu" else quantity.value


def amounts(quantities: Mapping[str, str] | None) -> dict[str, int]:
    return {resource: amount(resource, str(text)) for resource, text in (quantities or {}).items()}


@dataclass(frozen=True, slots=True)
class Demand:
    """resources: with one of `pods`. ports: (host address, protocol, port) that the pod binds on its node."""

    resources: Amounts
    ports: frozenset[tuple[str, str, int]]


def demand_of(pod: Object) -> Demand:
    spec = pod["spec"]
    containers = spec.get("containers") or []
    inits = spec.get("initContainers") or []
    status = pod.get("status") or {}
    is_infeasible = any(
        each.get("type") == "PodResizePending" and each.get("reason") == "Infeasible" for each in status.get("conditions") or ()
    )
    known = {each["name"]: each for kind in ("containerStatuses", "initContainerStatuses") for each in status.get(kind) or ()}

    def requests_of(container: Object) -> dict[str, int]:
        return _held(container, known.get(container["name"]) or {}, is_infeasible)

    return Demand(_total(spec, requests_of) | {PODS: 1}, frozenset(_ports([*containers, *inits], bool(spec.get("hostNetwork")))))


def scored_demand(spec: Object) -> tuple[int, int]:
    """cpu (milli) and memory (bytes) as scores count them: a container that asks for none counts as a small one, so that pods which
    ask for nothing are spread, too. Source: pkg/scheduler/util/pod_resources.go."""

    def requests_of(container: Object) -> dict[str, int]:
        return {"cpu": SCORED_CPU, "memory": SCORED_MEMORY} | _requests(container)

    total = _total(spec, requests_of)
    return total.get("cpu", 0), total.get("memory", 0)


def _total(spec: Object, requests_of: Callable[[Object], dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    containers, inits = spec.get("containers") or (), spec.get("initContainers") or ()
    for container in containers:
        total.update(requests_of(container))
    sidecars: Counter[str] = Counter()
    peak: dict[str, int] = {}
    for container in inits:
        requests = requests_of(container)
        if container.get("restartPolicy") == "Always":
            sidecars.update(requests)
            peak = _highest(peak, sidecars)
        else:
            peak = _highest(peak, sidecars + Counter(requests))
    total.update(sidecars)
    resources = _highest(total, peak) | _requests(spec)
    for resource, extra in amounts(spec.get("overhead")).items():
        resources[resource] = resources.get(resource, 0) + extra
    return resources


def _requests(container: Object) -> dict[str, int]:
    """Of a container, or of a pod's spec as a whole."""
    return amounts((container.get("resources") or {}).get("requests"))


def _held(container: Object, status: Object, is_infeasible: bool) -> dict[str, int]:
    """While a resize is under way a container counts as the most of what it asks for, has been allotted, and has; what its node can
    never give it does not count. Source: component-helpers/resource (PodRequests with UseStatusResources)."""
    wanted = _requests(container)
    if not status.get("allocatedResources"):
        return wanted
    has = _highest(amounts(status["allocatedResources"]), _requests(status))
    return wanted | has if is_infeasible else _highest(wanted, has)


def _highest(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {resource: max(a.get(resource, 0), b.get(resource, 0)) for resource in {**a, **b}}


def _ports(containers: Iterable[Object], host_network: bool) -> Iterable[tuple[str, str, int]]:
    for container in containers:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port["containerPort"] if host_network else 0)
            if number:
                yield port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", number  # noqa: S104 -- upstream's "any address"
