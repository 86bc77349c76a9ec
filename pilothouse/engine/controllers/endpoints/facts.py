"""What makes a pod an endpoint of a Service: selector, address, ports, readiness. Shared by EndpointSlices and Endpoints.

Source: Kubernetes 1.36, staging/src/k8s.io/endpointslice (utils.go) and pkg/api/v1/endpoints.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from pilothouse.engine.controllers import pods
from pilothouse.model import meta
from pilothouse.model.json import Object

HEADLESS_LABEL = "service.kubernetes.io/headless"


def by_namespace(obj: Object) -> list[str]:
    return [meta.namespace(obj)]


def selector(service: Object) -> dict[str, str]:
    """Empty for a Service whose endpoints are somebody else's matter."""
    spec = service.get("spec") or {}
    return {} if spec.get("type") == "ExternalName" else spec.get("selector") or {}


def selects(service: Object, pod: Object) -> bool:
    wanted = selector(service)
    return bool(wanted) and wanted.items() <= meta.labels(pod).items()


def is_headless(service: Object) -> bool:
    return (service.get("spec") or {}).get("clusterIP") == "None"


def publishes_not_ready(service: Object) -> bool:
    return bool((service.get("spec") or {}).get("publishNotReadyAddresses"))


def families(service: Object) -> list[str]:
    return (service.get("spec") or {}).get("ipFamilies") or ["IPv4"]


def addresses(pod: Object, family: str) -> list[str]:
    """The pod's addresses of a family ("IPv4", "IPv6")."""
    status = pod.get("status") or {}
    found = [each.get("ip") or "" for each in status.get("podIPs") or ()] or [status.get("podIP") or ""]
    return [each for each in found if each and f"IPv{ip_address(each).version}" == family]


def chosen(service: Object, candidates: Iterable[Object]) -> list[Object]:
    """Pods that are endpoints, ready or not, ending ones included."""
    return [pod for pod in candidates if selects(service, pod) and not pods.is_finished(pod)]


def ports(service: Object, pod: Object) -> list[Object]:
    """Endpoint ports in the Service's order; one whose named target the pod does not have is left out."""
    found = []
    for port in (service.get("spec") or {}).get("ports") or ():
        number = target(port, pod)
        if number is not None:
            shown = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            found.append(shown | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}))
    return found


Shape = tuple[tuple[str, str, int], ...]
"""Of a pod's ports those that a Service names: name, protocol, number. Pods of the same shape have the same endpoint ports."""


class Shapes:
    """Tells pods apart by what their endpoint ports depend on, so that ports are worked out once for all pods that have the same: a Service
    may have thousands of either."""

    def __init__(self, service: Object) -> None:
        ports_ = (service.get("spec") or {}).get("ports") or ()
        self._named = {port["targetPort"] for port in ports_ if isinstance(port.get("targetPort"), str)}

    def of(self, pod: Object) -> Shape:
        named = (port for port in container_ports(pod) if port.get("name") in self._named) if self._named else ()
        return tuple((port["name"], port.get("protocol", "TCP"), port["containerPort"]) for port in named)


def target(port: Object, pod: Object) -> int | None:
    wanted = port.get("targetPort", port["port"])
    if isinstance(wanted, int):
        return wanted or int(port["port"])
    protocol = port.get("protocol", "TCP")
    same = (
        each["containerPort"] for each in container_ports(pod) if each.get("name") == wanted and each.get("protocol", "TCP") == protocol
    )
    return next(same, None)


def container_ports(pod: Object) -> Iterator[Object]:
    spec = pod.get("spec") or {}
    for container in spec.get("containers") or ():
        yield from container.get("ports") or ()
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            yield from container.get("ports") or ()


def reference(pod: Object) -> Object:
    return {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "uid": meta.uid(pod)}


def hostname(service: Object, pod: Object) -> str | None:
    """The name under which DNS knows the pod by itself, when it belongs to this Service's subdomain."""
    spec = pod.get("spec") or {}
    return spec.get("hostname") if spec.get("hostname") and spec.get("subdomain") == meta.name(service) else None


def affected(old: Object | None, new: Object | None) -> bool:
    """Whether a pod's change can matter to an endpoint: most status updates do not."""
    return old is None or new is None or _essence(old) != _essence(new)


def _essence(pod: Object) -> tuple[object, ...]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return (
        meta.uid(pod),
        meta.labels(pod),
        meta.is_deleting(pod),
        pods.is_finished(pod),
        pods.is_ready(pod),
        status.get("podIP"),
        status.get("podIPs"),
        spec.get("nodeName"),
    )
