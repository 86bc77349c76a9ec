"""Which webhooks a write concerns, and in which version of its resource."""

from dataclasses import dataclass

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.admission.webhooks.hook import Hook
from pilothouse.engine.apiserver.identity import CONTROLLER_MANAGER, SCHEDULER
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES
from pilothouse.model.selector import Selector

_OWN_GROUP = "admissionregistration.k8s.io"
_HEARTBEAT_NAMESPACES = ("kube-node-lease", "kube-system")
_SYSTEM_ACCOUNTS = "system:serviceaccounts:kube-system"


@dataclass(frozen=True, slots=True)
class Invocation:
    """served: the resource and version in which the webhook wants to see the write."""

    hook: Hook
    served: ServedResource


class Selection:
    def __init__(self, objects: Objects, table: ServedResources) -> None:
        self._objects = objects
        self._table = table
        self._equivalents: dict[str, list[ServedResource]] = {}
        self._generation = -1

    def concerned(self, hook: Hook, write: Write) -> Invocation | None:
        """None when rules or selectors leave the write out. Raises NotFound for a namespace that is not there."""
        served = self._matching(hook, write)
        if served is None or not self._selects_object(hook.objects, write) or not self._selects_namespace(hook.namespaces, write):
            return None
        return Invocation(hook, served)

    def _matching(self, hook: Hook, write: Write) -> ServedResource | None:
        """In what the request came, if a rule names that; else in the first version that a rule names."""
        if any(rule.matches(write.operation, write.served, write.subresource) for rule in hook.rules):
            return write.served
        if not hook.matches_equivalents:
            return None
        others = self._others(write)
        return next(
            (other for rule in hook.rules for other in others if rule.matches(write.operation, other, write.subresource)),
            None,
        )

    def _others(self, write: Write) -> list[ServedResource]:
        """The same objects under other versions or groups, with the subresource that is written."""
        if self._generation != self._table.generation:
            self._generation = self._table.generation
            self._equivalents = {}
            for row in self._table:
                self._equivalents.setdefault(row.prefix, []).append(row)
        subresource = write.subresource
        return [
            row
            for row in self._equivalents.get(write.served.prefix, ())
            if row is not write.served and (not subresource or subresource in row.kind.subresources)
        ]

    def _selects_namespace(self, selector: Selector, write: Write) -> bool:
        """Objects of the cluster are never left out, but for namespaces themselves."""
        is_namespace = write.group_resource == "namespaces"
        if selector.is_everything or not (write.namespace or is_namespace):
            return True
        if is_namespace and not write.subresource and write.value is not None:
            return selector.matches(_labels(write.value))
        name = write.name if is_namespace else write.namespace
        namespace = self._objects.latest(NAMESPACES, "", name)
        if namespace is None:
            raise NotFound.of("namespaces", name)
        return selector.matches(_labels(namespace))

    def _selects_object(self, selector: Selector, write: Write) -> bool:
        if selector.is_everything:
            return True
        return any(obj is not None and selector.matches(_labels(obj)) for obj in (write.value, write.old))


def _labels(obj: Object) -> dict[str, str]:
    found: dict[str, str] = (obj.get("metadata") or {}).get("labels") or {}
    return found


def is_exempt(write: Write) -> bool:
    """What no webhook is ever called for: its own configurations, what it has seen already, and the heartbeats of the cluster's own parts.

    WHY heartbeats, which upstream does not leave out: a webhook for everything whose server is gone would have nodes found dead and
    leaders give up, so that nothing could start the server again.
    """
    return write.is_admitted or write.served.resource.group == _OWN_GROUP or _is_heartbeat(write)


def fails_open(write: Write) -> bool:
    """Whether no failure of a webhook keeps the write back, only its denial: what a node says of itself, without which it runs no pods.

    WHY, other than upstream: the webhook's own server may be what the node would run.
    """
    return write.group_resource == "nodes" and write.user.node == write.name != ""


def _is_heartbeat(write: Write) -> bool:
    if write.group_resource != "leases.coordination.k8s.io" or write.namespace not in _HEARTBEAT_NAMESPACES:
        return False
    user = write.user
    return user.node is not None or user.name in (CONTROLLER_MANAGER.name, SCHEDULER.name) or _SYSTEM_ACCOUNTS in user.groups
