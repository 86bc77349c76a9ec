"""Nodes, pods and counts, fed by the informers' changes; `assume`, `forget` and `nominate` are the scheduler's own.

A pod is assumed the moment it is picked, before the binding is written, so that the next pod sees its demand; the
assumption ends when the cache shows the pod bound, or when binding fails.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from pilothouse.engine.scheduler.snapshot.events import Event, NamespaceChanged, NodeChanged, PodLeft, PodPlaced
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo, pod_info
from pilothouse.engine.scheduler.snapshot.shape import Shapes
from pilothouse.engine.scheduler.snapshot.spread import ZONE
from pilothouse.engine.scheduler.snapshot.tally import Holders, Tallies
from pilothouse.model import meta
from pilothouse.model.json import Object

ENDED = ("Succeeded", "Failed")


class Snapshot:
    """nodes: by name; also those that pods name and that do not exist. images: on how many nodes each is.

    version: another one after each change that could let another pod fit, or none.
    """

    def __init__(self) -> None:
        self.shapes = Shapes()
        self.nodes: dict[str, NodeInfo] = {}
        self.images: Counter[str] = Counter()
        self.tallies = Tallies(self.existing, self._pods_in, self.labels_of)
        self.holders = Holders(self.labels_of)
        self.version = 0
        self._placed: dict[str, tuple[str, PodInfo]] = {}
        self._assumed: set[str] = set()
        self._nominated: dict[str, str] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._by_namespace: dict[str, dict[str, tuple[str, PodInfo]]] = {}
        self._order: list[NodeInfo] | None = None

    def info(self, pod: Object) -> PodInfo:
        return pod_info(pod, self.shapes)

    def existing(self) -> list[NodeInfo]:
        """The nodes that exist, zones by turns, so that any part of the list has nodes of all zones. Not to be changed."""
        if self._order is None:
            self._order = _by_turns([node for node in self.nodes.values() if node.exists])
        return self._order

    def labels_of(self, namespace: str) -> Mapping[str, str]:
        return self._namespaces.get(namespace, {})

    def node_of(self, key: str) -> str | None:
        """The node that the pod is on, or is thought to be on."""
        placed = self._placed.get(key)
        return None if placed is None else placed[0]

    def namespace_changed(self, old: Object | None, new: Object | None) -> list[Event]:
        last = new or old
        assert last is not None
        name, labels = meta.name(last), {} if new is None else meta.labels(new)
        if self._namespaces.get(name, {}) == labels:
            return []
        self._namespaces[name] = labels
        self.version += 1
        self.tallies.forget_others()
        self.holders.forget()
        return [NamespaceChanged()]

    def node_changed(self, old: Object | None, new: Object | None) -> list[Event]:
        if new is None:
            assert old is not None
            gone = self._node(meta.name(old))
            self._node_gone(gone)
            return [NodeChanged(gone, frozenset({"removed"}))]
        node = self._node(meta.name(new))
        if old is not None and node.exists and _same(old, new):
            return []
        self.version += 1
        changed = _changes(old, new) if node.exists and old is not None else frozenset({"added"})
        self._count_images(node, -1)
        if changed & {"added", "labels", "taints"}:
            self._count_node(node, -1)
            node.become(new)
            self._count_node(node, 1)
            self._order = None
        else:
            node.become(new)
        self._count_images(node, 1)
        return [NodeChanged(node, changed)] if changed else []

    def pod_changed(self, old: Object | None, new: Object | None) -> list[Event]:
        if new is None:
            assert old is not None
            self.unnominate(meta.key(old))
            return self._left(meta.key(old))
        node = new["spec"].get("nodeName")
        if (new.get("status") or {}).get("phase") in ENDED:
            self.unnominate(meta.key(new))
            return self._left(meta.key(new))
        if not node:
            self._nominated_changed(old, new)
            return []
        self.unnominate(meta.key(new))
        info = self.info(new)
        before, is_new = self._placed.get(info.key), info.key in self._assumed
        self._assumed.discard(info.key)
        if not self._place(info, node) and not is_new:
            return []
        if before is not None and before[0] == node and (info.shape is not before[1].shape or _is_less(info, before[1])):
            return [PodLeft(before[1], self.nodes[node], info), PodPlaced(info, self.nodes[node])]
        return [PodPlaced(info, self.nodes[node])]

    def assume(self, pod: PodInfo, node: str) -> None:
        self.unnominate(pod.key)
        self._place(pod, node)
        self._assumed.add(pod.key)

    def forget(self, key: str) -> None:
        self._assumed.discard(key)
        placed = self._placed.pop(key, None)
        if placed is not None:
            self.version += 1
            name, pod = placed
            node = self.nodes[name]
            del self._by_namespace[pod.namespace][key]
            self.take(pod, node)
            self._drop_if_unknown(node)

    def nominate(self, pod: PodInfo, node: str) -> None:
        """The node is being made free for the pod: others of less priority shall not take the room."""
        if self._nominated.get(pod.key) != node:
            self.unnominate(pod.key)
            self._nominated[pod.key] = node
            self._node(node).nominated[pod.key] = pod
            self.version += 1

    def unnominate(self, key: str) -> None:
        if (name := self._nominated.pop(key, None)) is not None:
            node = self.nodes[name]
            node.nominated.pop(key, None)
            self.version += 1
            self._drop_if_unknown(node)

    def nominated_node(self, key: str) -> str:
        """The node that is being made free for the pod, or ""."""
        return self._nominated.get(key, "")

    def put(self, pod: PodInfo, node: NodeInfo) -> None:
        """Count the pod on the node; by itself, for trials that take it off again at once."""
        node.add(pod)
        if node.exists:
            self.tallies.count(pod, node, 1)
            self.holders.count(pod, node, 1)

    def take(self, pod: PodInfo, node: NodeInfo) -> None:
        """The reverse of `put`."""
        node.remove(pod)
        if node.exists:
            self.tallies.count(pod, node, -1)
            self.holders.count(pod, node, -1)

    def _place(self, pod: PodInfo, node: str) -> bool:
        """False when that is known already, or nothing that counts for others."""
        before = self._placed.get(pod.key)
        if before is not None and before[0] == node and before[1].counts_like(pod):
            self._placed[pod.key] = self._by_namespace[pod.namespace][pod.key] = (node, pod)
            self.nodes[node].pods[pod.key] = pod
            return False
        self.forget(pod.key)
        self.version += 1
        self._placed[pod.key] = (node, pod)
        self._by_namespace.setdefault(pod.namespace, {})[pod.key] = (node, pod)
        self.put(pod, self._node(node))
        return True

    def _left(self, key: str) -> list[Event]:
        placed = self._placed.get(key)
        if placed is None:
            return []
        self.forget(key)
        return [PodLeft(placed[1], self.nodes.get(placed[0]) or NodeInfo(placed[0]))]

    def _nominated_changed(self, old: Object | None, new: Object) -> None:
        """What is written counts, unless this scheduler has just decided otherwise and has not written it yet."""
        key, before, wanted = meta.key(new), _nominated(old or {}), _nominated(new)
        if before and not wanted:
            self.unnominate(key)
        elif wanted and key not in self._nominated and key not in self._placed:
            self.nominate(self.info(new), wanted)

    def _pods_in(self, namespace: str | None) -> Iterator[tuple[PodInfo, NodeInfo]]:
        placed = self._placed if namespace is None else self._by_namespace.get(namespace, {})
        for name, pod in placed.values():
            if (node := self.nodes[name]).exists:
                yield pod, node

    def _node(self, name: str) -> NodeInfo:
        found = self.nodes.get(name)
        if found is None:
            found = self.nodes[name] = NodeInfo(name)
        return found

    def _node_gone(self, node: NodeInfo) -> None:
        self.version += 1
        self._count_images(node, -1)
        self._count_node(node, -1)
        node.exists = False
        node.touch()
        self._order = None
        self._drop_if_unknown(node)

    def _drop_if_unknown(self, node: NodeInfo) -> None:
        if not (node.exists or node.pods or node.nominated):
            self.nodes.pop(node.name, None)

    def _count_node(self, node: NodeInfo, sign: int) -> None:
        if node.exists:
            self.tallies.node(node, sign)
            for pod in node.pods.values():
                self.holders.count(pod, node, sign)

    def _count_images(self, node: NodeInfo, sign: int) -> None:
        if node.exists:
            for image in node.images:
                self.images[image] += sign


def _nominated(pod: Object) -> str:
    return (pod.get("status") or {}).get("nominatedNodeName") or ""


def _by_turns(nodes: list[NodeInfo]) -> list[NodeInfo]:
    zones: dict[str, list[NodeInfo]] = {}
    for node in sorted(nodes, key=lambda node: node.name):
        zones.setdefault(node.labels.get(ZONE, ""), []).append(node)
    longest = max(map(len, zones.values()), default=0)
    return [zone[turn] for turn in range(longest) for zone in zones.values() if turn < len(zone)]


def _same(old: Object, new: Object) -> bool:
    """A heartbeat: nothing that a decision looks at."""
    before, after = old.get("status") or {}, new.get("status") or {}
    return not _changes(old, new) and before.get("images") == after.get("images")


def _changes(old: Object, new: Object) -> frozenset[str]:
    found = []
    if meta.labels(old) != meta.labels(new):
        found.append("labels")
    before, after = old.get("spec") or {}, new.get("spec") or {}
    if (before.get("taints") or []) != (after.get("taints") or []) or bool(before.get("unschedulable")) != bool(after.get("unschedulable")):
        found.append("taints")
    if (old.get("status") or {}).get("allocatable") != (new.get("status") or {}).get("allocatable"):
        found.append("allocatable")
    return frozenset(found)


def _is_less(now: PodInfo, before: PodInfo) -> bool:
    """Whether a pod holds less of its node than before."""
    resources = now.demand.resources
    return any(resources.get(resource, 0) < amount for resource, amount in before.demand.resources.items())
