"""FlowSchemas and priority levels as the server uses them, read from their API objects.

Source: k8s.io/api/flowcontrol/v1; apiserver/pkg/util/flowcontrol/rule.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pilothouse.engine.apiserver.identity import SERVICE_ACCOUNT_PREFIX, User
from pilothouse.engine.apiserver.request.routing import Target
from pilothouse.model.json import Object

EVERY = "*"
BY_USER, BY_NAMESPACE = "ByUser", "ByNamespace"


@dataclass(frozen=True, slots=True)
class ResourceRule:
    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    namespaces: frozenset[str]
    cluster_scope: bool

    def covers(self, verb: str, target: Target) -> bool:
        resource = f"{target.resource}/{target.subresource}" if target.subresource else target.resource
        return (
            _has(self.verbs, verb)
            and _has(self.groups, target.group)
            and _has(self.resources, resource)
            and (_has(self.namespaces, target.namespace) if target.namespace else self.cluster_scope)
        )


@dataclass(frozen=True, slots=True)
class PathRule:
    verbs: frozenset[str]
    paths: frozenset[str]

    def covers(self, verb: str, target: Target) -> bool:
        if not _has(self.verbs, verb):
            return False
        return _has(self.paths, target.path) or any(path.endswith("/*") and target.path.startswith(path[:-1]) for path in self.paths)


@dataclass(frozen=True, slots=True)
class Rules:
    """accounts: (namespace, name) of service accounts. "*" stands for any name in all of them."""

    users: frozenset[str]
    groups: frozenset[str]
    accounts: frozenset[tuple[str, str]]
    resources: tuple[ResourceRule, ...]
    paths: tuple[PathRule, ...]

    def concern(self, user: User) -> bool:
        if _has(self.users, user.name) or EVERY in self.groups or not self.groups.isdisjoint(user.groups):
            return True
        if not self.accounts or not user.name.startswith(SERVICE_ACCOUNT_PREFIX):
            return False
        namespace, _, name = user.name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
        return (namespace, name) in self.accounts or (namespace, EVERY) in self.accounts

    def cover(self, verb: str, target: Target) -> bool:
        rules: Iterable[ResourceRule | PathRule] = self.resources if target.is_resource else self.paths
        return any(rule.covers(verb, target) for rule in rules)


@dataclass(frozen=True, slots=True)
class FlowSchema:
    """distinguisher: what makes one flow of requests: BY_USER, BY_NAMESPACE, or "" when all of them are one."""

    name: str
    uid: str
    level: str
    precedence: int
    distinguisher: str
    rules: tuple[Rules, ...]

    def flow(self, user: User, target: Target) -> str:
        if self.distinguisher == BY_USER:
            return user.name
        return target.namespace if self.distinguisher == BY_NAMESPACE else ""


@dataclass(frozen=True, slots=True)
class PriorityLevel:
    """shares: of all seats, beside the other levels' shares. lendable_percent: of its seats, to other levels.

    borrowing_percent: how many seats it may have beyond its own, None for any number. queues: 0 when nobody waits and what finds
    no seat is refused. hand_size: queues' worth of its requests that a flow may have waiting.
    """

    name: str
    uid: str = ""
    exempt: bool = False
    shares: int = 0
    lendable_percent: int = 0
    borrowing_percent: int | None = None
    queues: int = 0
    hand_size: int = 1
    queue_length: int = 0


def flow_schema(value: Object) -> FlowSchema:
    metadata, spec = value["metadata"], value["spec"]
    return FlowSchema(
        metadata["name"],
        metadata.get("uid", ""),
        spec["priorityLevelConfiguration"]["name"],
        spec.get("matchingPrecedence", 1000),
        (spec.get("distinguisherMethod") or {}).get("type", ""),
        tuple(map(_rules, spec.get("rules") or ())),
    )


def priority_level(value: Object) -> PriorityLevel:
    name, uid, spec = value["metadata"]["name"], value["metadata"].get("uid", ""), value["spec"]
    if spec["type"] == "Exempt":
        exempt = spec.get("exempt") or {}
        shares, lendable = exempt.get("nominalConcurrencyShares", 0), exempt.get("lendablePercent", 0)
        return PriorityLevel(name, uid, exempt=True, shares=shares, lendable_percent=lendable)
    limited = spec["limited"]
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    return PriorityLevel(
        name,
        uid,
        shares=limited.get("nominalConcurrencyShares", 30),
        lendable_percent=limited.get("lendablePercent", 0),
        borrowing_percent=limited.get("borrowingLimitPercent"),
        queues=queuing.get("queues", 0),
        hand_size=queuing.get("handSize", 1),
        queue_length=queuing.get("queueLengthLimit", 0),
    )


def _rules(rules: Object) -> Rules:
    subjects: list[Any] = rules.get("subjects") or []
    return Rules(
        frozenset(each["user"]["name"] for each in subjects if each["kind"] == "User"),
        frozenset(each["group"]["name"] for each in subjects if each["kind"] == "Group"),
        frozenset(
            (each["serviceAccount"]["namespace"], each["serviceAccount"]["name"]) for each in subjects if each["kind"] == "ServiceAccount"
        ),
        tuple(map(_resource_rule, rules.get("resourceRules") or ())),
        tuple(PathRule(frozenset(rule["verbs"]), frozenset(rule["nonResourceURLs"])) for rule in rules.get("nonResourceRules") or ()),
    )


def _resource_rule(rule: Object) -> ResourceRule:
    return ResourceRule(
        frozenset(rule["verbs"]),
        frozenset(rule["apiGroups"]),
        frozenset(rule["resources"]),
        frozenset(rule.get("namespaces") or ()),
        rule.get("clusterScope", False),
    )


def _has(names: frozenset[str], name: str) -> bool:
    return EVERY in names or name in names
