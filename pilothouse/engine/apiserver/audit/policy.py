"""Which requests are recorded and how much of each: the rules of an audit.k8s.io/v1 Policy, of which the first that matches counts.

Source: apiserver/pkg/audit/policy/checker.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from pilothouse.engine.apiserver.audit.confidential import is_confidential
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.request.routing import Target
from pilothouse.model.caching import LONGEST

RECEIVED, STARTED, COMPLETE, PANIC = STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")


class Level(IntEnum):
    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def title(self) -> str:
        return LEVELS[self]


LEVELS = ("None", "Metadata", "Request", "RequestResponse")


@dataclass(frozen=True, slots=True)
class Decision:
    """What is recorded of one request. omitted: the stages that are not."""

    level: Level
    omitted: frozenset[str] = frozenset()
    omits_managed_fields: bool = False


UNRECORDED = Decision(Level.NONE)


@dataclass(frozen=True, slots=True)
class Resources:
    """One entry of a rule's `resources`. resources: `pods`, `pods/log`, `pods/*`, `*/scale` or `*`; empty for all of the group."""

    group: str = ""
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def matches(self, target: Target) -> bool:
        if self.group != target.group:
            return False
        if not self.resources:
            return True
        if self.names and target.name not in self.names:
            return False
        resource, subresource = target.resource, target.subresource
        if "*" in self.resources or f"{resource}/*" in self.resources:
            return True
        if not subresource:
            return resource in self.resources
        return f"{resource}/{subresource}" in self.resources or f"*/{subresource}" in self.resources


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """Empty conditions match everything. urls: paths of what is no resource, a `*` at the end stands for any rest."""

    decision: Decision
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    resources: tuple[Resources, ...] = ()
    urls: tuple[str, ...] = ()

    def matches(self, target: Target, verb: str, user: User | None) -> bool:
        if self.verbs and verb not in self.verbs:
            return False
        if self.users and (user is None or user.name not in self.users):
            return False
        if self.groups and (user is None or self.groups.isdisjoint(user.groups)):
            return False
        if self.namespaces or self.resources:
            return target.is_resource and self._matches_resource(target)
        return not self.urls or (not target.is_resource and any(_covers(url, target.path) for url in self.urls))

    def _matches_resource(self, target: Target) -> bool:
        if self.namespaces and target.namespace not in self.namespaces:
            return False
        return not self.resources or any(each.matches(target) for each in self.resources)


def _covers(url: str, path: str) -> bool:
    return url == path or (url.endswith("*") and path.startswith(url.rstrip("*")))


_MOST_KEPT = 4096


class Policy:
    """Decisions are remembered: most requests are like many before them."""

    def __init__(self, rules: Sequence[PolicyRule]) -> None:
        self.rules = tuple(rules)
        self._is_by_name = any(resources.names for rule in rules for resources in rule.resources)
        self._kept: dict[object, Decision] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and self.rules == other.rules

    def __hash__(self) -> int:
        return hash(self.rules)

    def decide(self, target: Target, verb: str, user: User | None) -> Decision:
        """user: None where nobody knows who asks. Of what is confidential the level is Metadata at most, whatever the rules say."""
        what: object = (target.group, target.resource, target.subresource, target.namespace) if target.is_resource else target.path
        name = target.name if self._is_by_name else ""
        key = (verb, what, name, user and user.name, user and user.groups)
        found = self._kept.get(key)
        if found is None:
            if len(target.path) > LONGEST:
                # Kept are only short keys, so that what is kept is bounded in bytes.
                return self._judged(target, verb, user)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = self._judged(target, verb, user)
        return found

    def _judged(self, target: Target, verb: str, user: User | None) -> Decision:
        decision = next((rule.decision for rule in self.rules if rule.matches(target, verb, user)), UNRECORDED)
        if decision.level > Level.METADATA and is_confidential(target):
            return Decision(Level.METADATA, decision.omitted)
        return decision
