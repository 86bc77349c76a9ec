"""Reading pods: what a field means when it is absent, in one place. Pure."""

from typing import Any

from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

RESOURCES = ("cpu", "memory")
READ_ONLY_VOLUMES = ("configMap", "secret", "projected", "downwardAPI")
"""What the node writes and keeps current: containers read it, whatever `readOnly` says. Upstream's rule since 1.10."""


def spec(pod: Object) -> Object:
    found: Object = pod.get("spec") or {}
    return found


def key_of(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def containers(pod: Object) -> list[Object]:
    return spec(pod).get("containers") or []


def init_containers(pod: Object) -> list[Object]:
    return spec(pod).get("initContainers") or []


def all_containers(pod: Object) -> list[Object]:
    return [*init_containers(pod), *containers(pod)]


def container_named(pod: Object, name: str) -> Object | None:
    return next((each for each in all_containers(pod) if each["name"] == name), None)


def is_sidecar(container: Object) -> bool:
    """A restartable init container: it starts in the order of init containers and then runs beside the others."""
    return bool(container.get("restartPolicy") == "Always")


def restart_policy(pod: Object) -> str:
    return spec(pod).get("restartPolicy") or "Always"


def host_network(pod: Object) -> bool:
    return bool(spec(pod).get("hostNetwork"))


def grace_s(pod: Object) -> int:
    """How long a pod that is being deleted may take; the API server has put what was asked for into the metadata."""
    metadata = pod["metadata"]
    given = metadata.get("deletionGracePeriodSeconds")
    if given is None:
        given = spec(pod).get("terminationGracePeriodSeconds", 30)
    return int(given)


def has_ended(pod: Object) -> bool:
    """For good: no container of it runs again."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def deleting(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def security(pod: Object) -> Object:
    return spec(pod).get("securityContext") or {}


def read_only_volumes(pod: Object) -> frozenset[str]:
    """Names of the pod's volumes that no container may write to."""
    volumes = spec(pod).get("volumes") or ()
    return frozenset(each["name"] for each in volumes if any(each.get(kind) is not None for kind in READ_ONLY_VOLUMES))


def amount(container: Object, kind: str, resource: str) -> Quantity | None:
    """kind: requests or limits. A request that is absent is the limit, as the API server defaults it."""
    found = ((container.get("resources") or {}).get(kind) or {}).get(resource)
    return None if found is None else Quantity.of(found)


def qos_class(pod: Object) -> str:
    """As the API server has decided when the pod was made; else by the same rules.

    Guaranteed: every container limits cpu and memory and requests as much; BestEffort: nobody asks for anything; else Burstable.
    """
    decided: str | None = (pod.get("status") or {}).get("qosClass")
    if decided:
        return decided
    requested, guaranteed = False, True
    for container in all_containers(pod):
        for resource in RESOURCES:
            limit, request = amount(container, "limits", resource), amount(container, "requests", resource)
            requested |= _positive(limit) or _positive(request)
            guaranteed &= limit is not None and _positive(limit) and (request is None or request.amount == limit.amount)
    if not requested:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(quantity: Quantity | None) -> bool:
    return quantity is not None and quantity.amount > 0


def pod_cpu_shares(pod: Object) -> int:
    """The weight of the pod among pods: what its containers request, at least the kernel's minimum."""
    running = sum((_milli(each) for each in containers(pod)), 0) + sum(_milli(each) for each in init_containers(pod) if is_sidecar(each))
    starting = max((_milli(each) for each in init_containers(pod) if not is_sidecar(each)), default=0)
    return cpu_shares(max(running, starting))


def _milli(container: Object) -> int:
    request = amount(container, "requests", "cpu") or amount(container, "limits", "cpu")
    return 0 if request is None else request.milli_value


def cpu_shares(milli: int) -> int:
    """Source: kubelet/cm, MilliCPUToShares: 1024 shares a core, at least 2."""
    return min(262144, max(2, milli * 1024 // 1000))


def downward(pod: Object, path: str, *, host_ips: tuple[str, ...] = (), pod_ips: tuple[str, ...] = ()) -> str | None:
    """The value of a `fieldRef`; None for a path that does not exist. Maps as a volume shows them: `key="value"` lines."""
    metadata = pod["metadata"]
    simple: dict[str, Any] = {
        "metadata.name": metadata.get("name"),
        "metadata.namespace": metadata.get("namespace"),
        "metadata.uid": metadata.get("uid"),
        "spec.nodeName": spec(pod).get("nodeName"),
        "spec.serviceAccountName": spec(pod).get("serviceAccountName"),
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
        "status.podIP": pod_ips[0] if pod_ips else "",
        "status.podIPs": ",".join(pod_ips),
    }
    if path in simple:
        return simple[path] or ""
    for name in ("labels", "annotations"):
        values: dict[str, str] = metadata.get(name) or {}
        if path == f"metadata.{name}":
            return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(values.items()))
        if path.startswith(f"metadata.{name}['") and path.endswith("']"):
            return values.get(path[len(f"metadata.{name}['") : -2], "")
    return None


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return f'"{escaped}"'


def resource_value(container: Object, ref: Object, allocatable: Object) -> str:
    """The value of a `resourceFieldRef`, in units of its divisor, rounded up. An absent limit is what the node can give."""
    kind, _, resource = ref["resource"].partition(".")
    found = amount(container, kind, resource)
    if found is None and kind == "limits":
        found = Quantity.of(allocatable.get(resource, "0"))
    if found is None:
        found = Quantity.of("0")
    divisor = Quantity.of(ref.get("divisor") or "1")
    unit = divisor.amount or 1
    return str(-(-found.amount // unit))
