"""Who owns whom: every object of the cluster by uid, with its owners and its dependents.

Pure bookkeeping fed by the caches. An owner that a dependent names need not be known: its uid then has dependents but no object.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Node:
    """What matters of an object. The object itself stays in its cache alone."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    owners: tuple[Object, ...]
    finalizers: tuple[str, ...]
    is_deleting: bool

    @classmethod
    def of(cls, resource: Resource, obj: Object) -> "Node":
        return cls(
            resource,
            meta.namespace(obj),
            meta.name(obj),
            meta.uid(obj),
            tuple(meta.owner_references(obj)),
            tuple(meta.finalizers(obj)),
            meta.is_deleting(obj),
        )

    @property
    def waits_for_dependents(self) -> bool:
        return self.is_deleting and FOREGROUND in self.finalizers

    def blocks(self, owner: str) -> bool:
        """Whether the foreground deletion of the owner waits for this object."""
        return any(each["uid"] == owner and each.get("blockOwnerDeletion") for each in self.owners)


class Graph:
    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def dependents(self, uid: str) -> list[Node]:
        return [self._nodes[each] for each in self._dependents.get(uid, ())]

    def put(self, node: Node) -> list[str]:
        """Take an object as it is; returns the uids to look at because of it."""
        old = self._nodes.get(node.uid)
        if old == node:
            return []
        self._link(old, node)
        self._nodes[node.uid] = node
        return [*self._to_judge(node), *_let_go(old, node)]

    def remove(self, uid: str) -> list[str]:
        """Forget an object that is gone; returns the uids to look at because of it: its dependents, and owners that waited for it."""
        old = self._nodes.pop(uid, None)
        if old is None:
            return []
        self._link(old, None)
        return [*self._dependents.get(uid, ()), *(each["uid"] for each in old.owners)]

    def _link(self, old: Node | None, new: Node | None) -> None:
        before = {} if old is None else {each["uid"]: old.uid for each in old.owners}
        after = {} if new is None else {each["uid"]: new.uid for each in new.owners}
        for owner, uid in before.items():
            if owner not in after:
                self._unlink(owner, uid)
        for owner, uid in after.items():
            self._dependents.setdefault(owner, {})[uid] = None

    def _unlink(self, owner: str, uid: str) -> None:
        dependents = self._dependents.get(owner, {})
        dependents.pop(uid, None)
        if not dependents:
            self._dependents.pop(owner, None)

    def _to_judge(self, node: Node) -> Iterator[str]:
        """The object itself when its fate may be open, and its dependents when theirs depends on it."""
        if node.is_deleting and (FOREGROUND in node.finalizers or ORPHAN in node.finalizers):
            yield node.uid
            yield from self._dependents.get(node.uid, ())
        elif node.owners and not node.is_deleting and not self._is_safe(node):
            yield node.uid

    def _is_safe(self, node: Node) -> bool:
        """Every owner is known and stays."""
        owners = [self._nodes.get(each["uid"]) for each in node.owners]
        return all(owner is not None and not owner.waits_for_dependents for owner in owners)


def _let_go(old: Node | None, new: Node) -> Iterator[str]:
    """Owners that a change may have freed of a dependent that they wait for."""
    if old is not None:
        yield from (each["uid"] for each in old.owners if old.blocks(each["uid"]) and not new.blocks(each["uid"]))
