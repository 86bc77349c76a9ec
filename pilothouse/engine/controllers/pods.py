"""What controllers read from a pod."""

from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object

FINISHED = ("Succeeded", "Failed")


def phase(pod: Object) -> str:
    found: str = (pod.get("status") or {}).get("phase") or ""
    return found


def node(pod: Object) -> str:
    """The node it is assigned to, or ""."""
    found: str = (pod.get("spec") or {}).get("nodeName") or ""
    return found


def is_finished(pod: Object) -> bool:
    return phase(pod) in FINISHED


def is_active(pod: Object) -> bool:
    return not is_finished(pod) and not meta.is_deleting(pod)


def is_ready(pod: Object) -> bool:
    return meta.is_true(pod, "Ready")


def ready_since(pod: Object) -> float | None:
    """Seconds since the epoch; None unless the pod is ready and says since when."""
    found = meta.condition(pod, "Ready")
    if found is None or found.get("status") != "True" or not found.get("lastTransitionTime"):
        return None
    return meta.parse_rfc3339(found["lastTransitionTime"])


def available_in(pod: Object, min_ready_s: int, now: float) -> float | None:
    """Seconds until the pod counts as available: 0 when it does, None while it is not ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if min_ready_s == 0:
        return 0.0
    return None if since is None else max(0.0, since + min_ready_s - now)


def restarts(pod: Object) -> int:
    """The most restarts of any container."""
    status = pod.get("status") or {}
    counts = [each.get("restartCount") or 0 for field in ("containerStatuses", "initContainerStatuses") for each in status.get(field) or ()]
    return max(counts, default=0)


def by_controller_uid(obj: Object) -> list[str]:
    """Index values: the uid of the owner that controls the object, or `orphans/<namespace>` of one that nobody controls."""
    owner = meta.controller_of(obj)
    return [f"orphans/{meta.namespace(obj)}"] if owner is None else [owner["uid"]]


def orphans(namespace: str) -> str:
    return f"orphans/{namespace}"


def by_node(pod: Object) -> list[str]:
    return [node(pod)] if node(pod) else []


def from_template(template: Object, owner: Object, api_version: str, kind: str, **metadata: Any) -> Object:
    """A new pod of a controller: the template's labels, annotations, finalizers and spec, named after its owner."""
    given = template.get("metadata") or {}
    kept = {field: given[field] for field in ("labels", "annotations", "finalizers") if given.get(field)}
    own = {
        "generateName": f"{meta.name(owner)}-",
        "namespace": meta.namespace(owner),
        "ownerReferences": [meta.owner_reference(owner, api_version, kind)],
    }
    return {"metadata": own | kept | metadata, "spec": template.get("spec") or {}}
