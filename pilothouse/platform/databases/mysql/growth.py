"""CPU, memory and volumes of members that run, changed in place (pure).

Memory is given to a pod before its server is told to use it, and taken from the pod after the server has given it up.
"""

from collections.abc import Iterator, Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import parse
from pilothouse.platform.databases.mysql.objects import claims, pods
from pilothouse.platform.databases.mysql.orders import Amounts
from pilothouse.platform.databases.mysql.types import MySQLSpec

PENDING = "PodResizePending"
"""Condition of a pod; KEP-1287."""


def wanted(spec: MySQLSpec) -> Amounts:
    return Amounts(parse(spec.resources.cpu).milli_value, parse(spec.resources.memory).value)


def given(pod: Object | None) -> Amounts | None:
    """What the pod's server has now, as its node says it; as it was made where the node does not say. None without a pod."""
    if pod is None:
        return None
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    limits = next((_limits(each) for each in statuses if each.get("name") == pods.DATABASE), {}) or _asked(pod)
    return Amounts(parse(str(limits["cpu"])).milli_value, parse(str(limits["memory"])).value) if limits else None


def told(spec: MySQLSpec, pod: Object | None) -> Amounts:
    """What the server is to make do with: the lesser of what is wanted and what it has."""
    want, have = wanted(spec), given(pod)
    return want if have is None else Amounts(min(want.cpu_millis, have.cpu_millis), min(want.memory_bytes, have.memory_bytes))


def patch(spec: MySQLSpec, pod: Object, *, is_told: bool) -> Object | None:
    """Of the pod's subresource `resize`; None when there is nothing to change, or not yet. is_told: its server does with what is wanted."""
    limits, want = _asked(pod), wanted(spec)
    asked = Amounts(parse(str(limits["cpu"])).milli_value, parse(str(limits["memory"])).value) if limits else want
    if asked == want or (want.memory_bytes < asked.memory_bytes and not is_told):
        return None
    amounts = pods.resources(spec)
    return {"spec": {"containers": [{"name": pods.DATABASE, "resources": {"requests": amounts, "limits": amounts}}]}}


def hindrances(spec: MySQLSpec, found: Mapping[str, Object]) -> Iterator[str]:
    """Why pods have not what is wanted, as sentences. found: the members' pods by name."""
    for name, pod in found.items():
        if is_pending(pod):
            pending = meta.condition(pod, PENDING) or {}
            yield f"{name}: {pending.get('message') or pending.get('reason')}"
        elif given(pod) not in (None, wanted(spec)):
            yield f"{name} is being resized"


def is_pending(pod: Object) -> bool:
    """Whether its node has no room for what it is to have."""
    return meta.is_true(pod, PENDING)


def growing(spec: MySQLSpec, found: Mapping[str, Object]) -> list[Object]:
    """Claims that ask for less than is wanted."""
    size = parse(spec.size)
    return [claim for claim in found.values() if claims.requested(claim) < size]


def unprovided(spec: MySQLSpec, found: Mapping[str, Object]) -> Iterator[str]:
    """Volumes that are smaller than is wanted, as sentences."""
    for name, claim in found.items():
        have = claims.provided(claim)
        if not have.is_zero and have < parse(spec.size):
            yield f"volume {name} has {have} of {spec.size}"


def _limits(container: Object) -> Object:
    return (container.get("resources") or {}).get("limits") or {}


def _asked(pod: Object) -> Object:
    return next((_limits(each) for each in pod["spec"]["containers"] if each["name"] == pods.DATABASE), {})
