"""Reads what belongs to an object of a kind that makes, counts or holds up pods without an app around it."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from pilothouse.cli.why.reader import Parts, Reader, owned
from pilothouse.model import kinds, meta
from pilothouse.model.errors import Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import (
    ALLOCATED_FROM,
    BGPADVERTISEMENTS,
    L2ADVERTISEMENTS,
    NAMESPACE,
    SERVICE_NAME_LABEL,
    SERVICEL2STATUSES,
    annotation,
)
from pilothouse.model.resource import Resource
from pilothouse.model.selector import SelectorError, from_label_selector
from pilothouse.model.volumes import claim_names
from pilothouse.platform.databases.mysql.labels import INSTANCE
from pilothouse.platform.databases.resource import MYSQLS

Read = Callable[[Reader, str, str], Awaitable[Parts]]
"""(reader, name, namespace)."""


async def _with_own_pods(resource: Resource, reader: Reader, name: str, namespace: str) -> Parts:
    found = await reader.get_or_none(resource, name, namespace)
    return {"workload": found, "pods": await owned(reader, kinds.PODS, namespace, [found] if found is not None else [])}


async def _cron_job(reader: Reader, name: str, namespace: str) -> Parts:
    found = await reader.get_or_none(kinds.CRONJOBS, name, namespace)
    jobs = await owned(reader, kinds.JOBS, namespace, [found] if found is not None else [])
    return {"workload": found, "jobs": jobs, "pods": await owned(reader, kinds.PODS, namespace, jobs)}


async def _claim(reader: Reader, name: str, namespace: str) -> Parts:
    """With the pods that mount it and have not ended."""
    found = await reader.get_or_none(kinds.PERSISTENTVOLUMECLAIMS, name, namespace)
    pods = (await reader.list_all(kinds.PODS, namespace)).items if found is not None else []
    return {"workload": found, "pods": [pod for pod in pods if name in claim_names(pod) and not _has_ended(pod)]}


async def _budget(reader: Reader, name: str, namespace: str) -> Parts:
    """With the pods that it counts."""
    found = await reader.get_or_none(kinds.PODDISRUPTIONBUDGETS, name, namespace)
    if found is None:
        return {"workload": None}
    try:
        selector = from_label_selector(found["spec"].get("selector"))
    except SelectorError:
        return {"workload": found}
    pods = (await reader.list_all(kinds.PODS, namespace)).items
    return {"workload": found, "pods": [pod for pod in pods if selector.matches(meta.labels(pod)) and not _has_ended(pod)]}


async def _autoscaler(reader: Reader, name: str, namespace: str) -> Parts:
    return {"workload": await reader.get_or_none(kinds.HORIZONTALPODAUTOSCALERS, name, namespace)}


async def _service(reader: Reader, name: str, namespace: str) -> Parts:
    """With the pods that it selects, its endpoints, and who answers for addresses of pools."""
    found = await reader.get_or_none(kinds.SERVICES, name, namespace)
    if found is None:
        return {"workload": None}
    selector = (found.get("spec") or {}).get("selector") or {}
    pods = (await reader.list_all(kinds.PODS, namespace)).items if selector else []
    chosen = [pod for pod in pods if selector.items() <= meta.labels(pod).items() and not _has_ended(pod)]
    return {"workload": found, "pods": chosen, "endpoints": await _slices(reader, name, namespace), **await _announced(reader, found)}


async def _slices(reader: Reader, name: str, namespace: str) -> list[Object] | None:
    """None for a user who may not see them."""
    try:
        return (await reader.list_all(kinds.ENDPOINTSLICES, namespace, label_selector=f"{SERVICE_NAME_LABEL}={name}")).items
    except Forbidden:
        return None


async def _announced(reader: Reader, service: Object) -> Parts:
    if not annotation(service, ALLOCATED_FROM):
        return {}
    try:
        statuses = (await reader.list_all(SERVICEL2STATUSES, NAMESPACE)).items
        told = (await reader.list_all(L2ADVERTISEMENTS, NAMESPACE)).items
    except (Forbidden, NotFound):
        return {}
    mine = [each["status"] for each in statuses if _is_of(each.get("status") or {}, service)]
    return {"announcers": [each.get("node", "") for each in mine], "is_advertised": bool(told) or await _has_bgp(reader)}


async def _has_bgp(reader: Reader) -> bool:
    try:
        return bool((await reader.list_all(BGPADVERTISEMENTS, NAMESPACE)).items)
    except (Forbidden, NotFound):
        return False


def _is_of(status: Object, service: Object) -> bool:
    return (status.get("serviceNamespace"), status.get("serviceName")) == (meta.namespace(service), meta.name(service))


async def _instance(reader: Reader, name: str, namespace: str) -> Parts:
    """With the pods of its members."""
    found = await reader.get_or_none(MYSQLS, name, namespace)
    if found is None:
        return {"workload": None}
    pods = (await reader.list_all(kinds.PODS, namespace, label_selector=f"{INSTANCE}={name}")).items
    return {"workload": found, "pods": [pod for pod in pods if (meta.controller_of(pod) or {}).get("kind") == "StatefulSet"]}


def _has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


PARTS: Mapping[str, Read] = {
    "CronJob": _cron_job,
    "DaemonSet": partial(_with_own_pods, kinds.DAEMONSETS),
    "HorizontalPodAutoscaler": _autoscaler,
    "Job": partial(_with_own_pods, kinds.JOBS),
    "MySQL": _instance,
    "PersistentVolumeClaim": _claim,
    "PodDisruptionBudget": _budget,
    "Service": _service,
    "ReplicationController": partial(_with_own_pods, kinds.REPLICATIONCONTROLLERS),
    "StatefulSet": partial(_with_own_pods, kinds.STATEFULSETS),
}
"""By kind; each answers `workload`: None when there is none of that name."""
