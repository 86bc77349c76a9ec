"""Reads policies as the API server tells them, holds them to their bounds, and says why one cannot be carried out."""

from collections.abc import Callable
from types import ModuleType

import structlog

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES
from pilothouse.network.policy import cluster_policy, network_policy
from pilothouse.network.policy.rules import Policy

log = structlog.get_logger("network.policy")

REASON = "NetworkPolicyNotEnforced"
FAULTS_OF_DATA = (ValueError, LookupError, TypeError, AttributeError)


Complaint = Callable[[Object, str], None]
"""A policy, and why it is not carried out."""


class Intake:
    """complain: hears of the policies that cannot be carried out. faults: of each of them its generation, and why."""

    def __init__(self, complain: Complaint | None = None) -> None:
        self._complain = complain
        self._sizes: dict[str, dict[str, int]] = {}
        self._refused: dict[str, str] = {}
        self._beyond: dict[str, dict[str, Object]] = {}
        self.faults: dict[str, tuple[int, str]] = {}

    def beyond(self, namespace: str) -> tuple[str, ...]:
        """Policies of the namespace ("": of the cluster) for which there was no room, in the order in which they came."""
        return tuple(self._beyond.get(namespace, ()))

    def next_beyond(self, key: str) -> Object | None:
        """The first of them in the namespace of a policy that has changed, unless it is this one."""
        first = next(iter(self._beyond.get(_home(key), {}).items()), None)
        return None if first is None or first[0] == key else first[1]

    def taken(self, obj: Object) -> Policy | None:
        """The policy; one that allows nothing where it cannot be carried out; None when nobody can say for whom it holds."""
        kind: ModuleType = cluster_policy if is_of_cluster(obj) else network_policy
        self.faults.pop(meta.key(obj), None)
        try:
            if why := self._refused.get(meta.key(obj)) or self._too_much(obj, kind.size):
                self._say(obj, why)
                return _policy(kind.closed(obj))
            return _policy(kind.parse(obj))
        except FAULTS_OF_DATA as error:
            self._say(obj, f"no rules can be made of it: {error}")
        try:
            return _policy(kind.closed(obj))
        except FAULTS_OF_DATA:
            return None

    def forget(self, key: str) -> None:
        self._refused.pop(key, None)
        self.faults.pop(key, None)
        for kept in (self._sizes, self._beyond):
            own = kept.get(_home(key), {})
            own.pop(key, None)
            if not own:
                kept.pop(_home(key), None)

    def refuse(self, key: str, why: str) -> None:
        """The kernel takes its rules not: it allows nothing until it is another one."""
        self._refused[key] = why

    def changed(self, key: str) -> None:
        self._refused.pop(key, None)

    def _too_much(self, obj: Object, size: Callable[[Object], int]) -> str:
        """Why so large a policy cannot be carried out, "" when it can."""
        own, made = self._sizes.setdefault(meta.namespace(obj), {}), size(obj)
        own.pop(meta.key(obj), None)
        beyond = self._beyond.setdefault(meta.namespace(obj), {})
        beyond.pop(meta.key(obj), None)
        most = cluster_policy.MOST_RULES if is_of_cluster(obj) else network_policy.MOST_RULES
        if made > most:
            return f"it makes {made} rules, {most} are the most; split it, or name networks and ports by ranges"
        if len(own) >= network_policy.MOST_POLICIES or sum(own.values()) + made > network_policy.MOST_OF_NAMESPACE:
            beyond[meta.key(obj)] = obj
            where = "the cluster" if is_of_cluster(obj) else "its namespace"
            there = f"{where} has {len(own)} policies with {sum(own.values())} rules"
            return f"{there}; {network_policy.MOST_POLICIES} and {network_policy.MOST_OF_NAMESPACE} are the most"
        own[meta.key(obj)] = made
        return ""

    def _say(self, obj: Object, why: str) -> None:
        log.error("a network policy allows nothing", policy=meta.key(obj), why=why)
        self.faults[meta.key(obj)] = meta.generation(obj), why
        if self._complain is not None:
            self._complain(obj, f"this policy allows nothing: {why}"[:1000])


def is_of_cluster(obj: Object) -> bool:
    """By its kind; objects of a list may lack it, and then only those without a namespace are."""
    return obj.get("kind") == CLUSTERNETWORKPOLICIES.kind or not meta.namespace(obj)


def _home(key: str) -> str:
    return key.rpartition("/")[0]


def _policy(found: object) -> Policy:
    assert isinstance(found, Policy)
    return found
