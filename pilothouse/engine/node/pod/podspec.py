"""Reading pods: what a field means when it is absent, in one place. Pure."""

from collections.abc import Iterable
from typing import Any

from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

RESOURCES = ("cpu", "memory")
CRITICAL, NODE_CRITICAL = 2_000_000_000, 2_000_001_000
"""The priorities of system-cluster-critical and system-node-critical."""
STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
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


def ephemeral_containers(pod: Object) -> list[Object]:
    """Added to look into the running pod: each starts once, and the pod's readiness and phase do not depend on it."""
    return spec(pod).get("ephemeralContainers") or []


def all_containers(pod: Object) -> list[Object]:
    return [*init_containers(pod), *containers(pod), *ephemeral_containers(pod)]


def field_path(pod: Object, name: str) -> str:
    """Of a container in its pod, as events name it."""
    for kind in ("initContainers", "ephemeralContainers"):
        if any(each["name"] == name for each in spec(pod).get(kind) or ()):
            return f"spec.{kind}{{{name}}}"
    return f"spec.containers{{{name}}}"


def container_named(pod: Object, name: str) -> Object | None:
    return next((each for each in all_containers(pod) if each["name"] == name), None)


def is_sidecar(container: Object) -> bool:
    """A restartable init container: it starts in the order of init containers and then runs beside the others."""
    return bool(container.get("restartPolicy") == "Always")


def is_ephemeral(pod: Object, container: Object) -> bool:
    return any(each["name"] == container["name"] for each in ephemeral_containers(pod))


def is_ordinary_init(pod: Object, container: Object) -> bool:
    """An init container that runs to its end before the next one begins."""
    return container in init_containers(pod) and not is_sidecar(container)


def has_post_start(container: Object) -> bool:
    return bool((container.get("lifecycle") or {}).get("postStart"))


def priority(pod: Object) -> int:
    return int(spec(pod).get("priority") or 0)


def is_critical(pod: Object) -> bool:
    """Whether it belongs to the system: it is never evicted, ends last and is taken whatever the node is short of."""
    return priority(pod) >= CRITICAL


def is_node_critical(pod: Object) -> bool:
    """Whether the node itself would not work without it."""
    return priority(pod) >= NODE_CRITICAL


def restart_policy(pod: Object) -> str:
    return spec(pod).get("restartPolicy") or "Always"


def policy_of(pod: Object, container: Object) -> str:
    """The restart policy that holds for a container of the pod."""
    return "Never" if is_ephemeral(pod, container) else container.get("restartPolicy") or restart_policy(pod)


def host_network(pod: Object) -> bool:
    return bool(spec(pod).get("hostNetwork"))


def target(pod: Object, container: Object) -> str:
    """Name of the container whose processes an ephemeral one shares; "" where it shares those of the whole pod or node, or none."""
    shared = spec(pod).get("hostPID") or spec(pod).get("shareProcessNamespace")
    return "" if shared else container.get("targetContainerName") or ""


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
    return frozenset(each["name"] for each in spec(pod).get("volumes") or () if _is_read_only(each))


def _is_read_only(volume: Object) -> bool:
    if any(volume.get(kind) is not None for kind in READ_ONLY_VOLUMES):
        return True
    return any((volume.get(kind) or {}).get("readOnly") for kind in ("persistentVolumeClaim", "csi", "nfs"))


def device_volumes(pod: Object) -> frozenset[str]:
    """Names of the pod's volumes that some container has as a block device."""
    return frozenset(each["name"] for container in all_containers(pod) for each in container.get("volumeDevices") or ())


def mounted_volumes(pod: Object) -> frozenset[str]:
    """Names of the pod's volumes that some container mounts."""
    return frozenset(each["name"] for container in all_containers(pod) for each in container.get("volumeMounts") or ())


def memory_volumes(pod: Object) -> frozenset[str]:
    """Names of the pod's volumes that lie in memory."""
    volumes = spec(pod).get("volumes") or ()
    return frozenset(each["name"] for each in volumes if (each.get("emptyDir") or {}).get("medium") == "Memory")


def image_volumes(pod: Object) -> list[Object]:
    return [each for each in spec(pod).get("volumes") or () if each.get("image") is not None]


def host_path_volumes(pod: Object) -> list[Object]:
    return [each for each in spec(pod).get("volumes") or () if each.get("hostPath") is not None]


def has_own_users(pod: Object) -> bool:
    """Whether the pod asks for a user namespace of its own."""
    return spec(pod).get("hostUsers") is False


def is_recursively_read_only(mount: Object) -> bool:
    return bool(mount.get("readOnly")) and mount.get("recursiveReadOnly") in ("Enabled", "IfPossible")


def amount(container: Object, kind: str, resource: str) -> Quantity | None:
    """Of a container, or of a pod's spec as a whole. kind: requests or limits.

    A request that is absent is the limit, as the API server defaults it.
    """
    found = ((container.get("resources") or {}).get(kind) or {}).get(resource)
    return None if found is None else Quantity.of(found)


def overhead(pod: Object, resource: str) -> Quantity:
    """What the pod's runtime needs beside its containers."""
    return Quantity.of((spec(pod).get("overhead") or {}).get(resource) or "0")


def request(pod: Object, resource: str, *, milli: bool = False) -> int:
    """What the pod asks for: as a whole, else the most that its containers ask for at one time; with its overhead.

    Init containers run one after another, each beside the sidecars before it, and sidecars go on beside the containers. milli: in
    thousandths. Source: component-helpers/resource (PodRequests); the scheduler counts alike.
    """

    def counted(found: Quantity | None) -> int:
        return 0 if found is None else found.milli_value if milli else found.value

    def requested(container: Object) -> int:
        return counted(amount(container, "requests", resource) or amount(container, "limits", resource))

    extra = counted(overhead(pod, resource))
    if (whole := amount(spec(pod), "requests", resource)) is not None:
        return counted(whole) + extra
    running = sum(requested(each) for each in containers(pod))
    sidecars = starting = 0
    for each in init_containers(pod):
        starting = max(starting, sidecars + requested(each))
        sidecars += requested(each) if is_sidecar(each) else 0
    return max(running + sidecars, starting) + extra


def limit(pod: Object, resource: str) -> Quantity | None:
    """Of the pod as a whole, else the highest sum of the limits of its containers that run at one time, as `request` counts them; None
    where nothing has one.
    """
    if (whole := amount(spec(pod), "limits", resource)) is not None:
        return whole
    sidecars: list[Object] = []
    stages: list[list[Object]] = []
    for each in init_containers(pod):
        stages.append([*sidecars, each])
        sidecars += [each] if is_sidecar(each) else []
    stages.append([*sidecars, *containers(pod)])
    totals = [total for stage in stages if (total := _sum(amount(each, "limits", resource) for each in stage)) is not None]
    return max(totals, default=None)


def _sum(amounts: Iterable[Quantity | None]) -> Quantity | None:
    """Of those that there are."""
    found = [each for each in amounts if each is not None]
    return sum(found[1:], found[0]) if found else None


def requested_memory(pod: Object, container: Object) -> int:
    """Bytes. A container that asks for none itself has its share of what the pod asks for as a whole and the others leave."""
    own, whole = amount(container, "requests", "memory"), amount(spec(pod), "requests", "memory")
    if own is not None or whole is None:
        return 0 if own is None else own.value
    given = [amount(each, "requests", "memory") for each in containers(pod)]
    left = whole.value - sum(each.value for each in given if each is not None)
    return max(0, left) // max(1, given.count(None))


def qos_class(pod: Object) -> str:
    """As the API server has decided when the pod was made; else by the same rules.

    Guaranteed: every container limits cpu and memory and requests as much; BestEffort: nobody asks for anything; else Burstable.
    """
    decided: str | None = (pod.get("status") or {}).get("qosClass")
    if decided:
        return decided
    requested, guaranteed = False, True
    for container in [*init_containers(pod), *containers(pod)]:
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
    """The weight of the pod among pods: what it requests in all, at least the kernel's minimum."""
    return cpu_shares(request(pod, "cpu", milli=True))


def whole_limits(pod: Object) -> Object:
    """Limits of the pod as a whole, as it states them."""
    found: Object = (spec(pod).get("resources") or {}).get("limits") or {}
    return found


def cgroup_limit(pod: Object, resource: str) -> Quantity:
    """Of the pod's cgroup: what it states as a whole, and its overhead; 0 for none."""
    whole = Quantity.of(whole_limits(pod).get(resource) or "0")
    return whole + overhead(pod, resource) if whole.amount > 0 else whole


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
