"""Whether a cluster has room for an instance's members: by its nodes as they are, and by the quotas of the namespace (pure)."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import parse
from pilothouse.platform.databases.mysql.objects.pods import AGENT_RESOURCES
from pilothouse.platform.databases.mysql.types import MySQLSpec

Amounts = Mapping[str, Fraction]
"""By the names that quotas have for them: cores, bytes, numbers of objects."""


def of_member(spec: MySQLSpec) -> Amounts:
    """What one member asks for, with its agent. Limits of CPU are left out: the agent has none."""
    cpu, memory = parse(spec.resources.cpu).amount, parse(spec.resources.memory).amount
    requests, limits = AGENT_RESOURCES["requests"], AGENT_RESOURCES["limits"]
    return {
        "requests.cpu": cpu + parse(requests["cpu"]).amount,
        "requests.memory": memory + parse(requests["memory"]).amount,
        "limits.memory": memory + parse(limits["memory"]).amount,
        "requests.storage": parse(spec.size).amount,
        "persistentvolumeclaims": Fraction(1),
        "pods": Fraction(1),
    }


def node_fault(spec: MySQLSpec, nodes: Iterable[Object]) -> str:
    """A sentence where no node could ever run a member, however empty it were; "" else, and where no nodes are known."""
    sizes = [(node.get("status") or {}).get("allocatable") or {} for node in nodes]
    asked = of_member(spec)
    if not sizes or any(all(_has(size, asked, each) for each in ("cpu", "memory")) for size in sizes):
        return ""
    largest = max(sizes, key=lambda size: (_amount(size, "memory"), _amount(size, "cpu")))
    wanted = f"{spec.resources.cpu} of cpu and {spec.resources.memory} of memory"
    has = f"{largest.get('cpu', '0')} and {largest.get('memory', '0')}"
    return f"no node can run a member of {wanted}, its agent beside it: the largest has {has} for pods; ask for less, or add a node"


def _has(size: Object, asked: Amounts, resource: str) -> bool:
    return _amount(size, resource) >= asked[f"requests.{resource}"]


def _amount(amounts: Object, key: str) -> Fraction:
    return parse(str(amounts.get(key) or "0")).amount


def quota_faults(spec: MySQLSpec, quotas: Iterable[Object]) -> list[str]:
    """For each amount that a new instance has not: a sentence. Quotas for some pods alone (scopes) are left to the API server."""
    return [fault for quota in quotas if not _is_scoped(quota) for fault in _of_quota(spec, quota)]


def _is_scoped(quota: Object) -> bool:
    return bool(quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"))


def _of_quota(spec: MySQLSpec, quota: Object) -> Iterator[str]:
    status, asked = quota.get("status") or {}, of_member(spec)
    hard, used = status.get("hard") or quota["spec"].get("hard") or {}, status.get("used") or {}
    for key in sorted(hard):
        each = asked.get(key) or asked.get(f"requests.{key}")
        left = _amount(hard, key) - _amount(used, key)
        if each is not None and each * spec.replicas > left:
            there = f"{used.get(key, '0')} of {hard[key]} are used"
            yield f"quota {meta.name(quota)} leaves not enough {key} for {_members(spec)}: {there}; ask for less, or have it raised"


def _members(spec: MySQLSpec) -> str:
    return "one member" if spec.replicas == 1 else f"{spec.replicas} members"
