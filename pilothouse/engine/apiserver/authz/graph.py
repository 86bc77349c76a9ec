"""Which objects a node's pods lead to: the paths on which the node authorizer lets a node read.

Follows the store, so that a pod counts from the moment it is committed with a nodeName to the moment it is gone. A pod's references
are worked out when a node first asks about its namespace, not at every change of the pod's status.
Source: kubernetes plugin/pkg/auth/authorizer/node/graph.go.
"""

from dataclasses import dataclass

from pilothouse.engine.apiserver.authz.references import CLAIMS, Reference, references
from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object

PODS = "/pods/"
MIRROR = "kubernetes.io/config.mirror"


@dataclass(slots=True)
class _BoundPod:
    """references: None until somebody asks. Not the pod itself: the graph has all pods, and a decoded one is large."""

    node: str
    namespace: str
    references: frozenset[Reference] | None = None


class NodeGraph:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._pods: dict[str, _BoundPod] = {}
        self._by_node: dict[tuple[str, str], dict[str, _BoundPod]] = {}

    def follow(self) -> None:
        """Take in all pods and every change from now on."""
        follow(self._store, (PODS,), self)

    def clear(self) -> None:
        self._pods.clear()
        self._by_node.clear()

    def put(self, key: str, pod: Object) -> None:
        self.drop(key)
        node = (pod.get("spec") or {}).get("nodeName")
        if node:
            bound = self._pods[key] = _BoundPod(node, pod["metadata"]["namespace"])
            self._by_node.setdefault((node, bound.namespace), {})[key] = bound

    def drop(self, key: str) -> None:
        bound = self._pods.pop(key, None)
        if bound is None:
            return
        place = bound.node, bound.namespace
        found = self._by_node[place]
        del found[key]
        if not found:
            del self._by_node[place]

    def is_bound(self, node: str, namespace: str, pod: str) -> bool:
        found = self._pods.get(f"{PODS}{namespace}/{pod}")
        return found is not None and found.node == node

    def is_referenced(self, node: str, namespace: str, reference: Reference) -> bool:
        """Whether a pod of the node, in that namespace, names the object."""
        return any(reference in self._references(*entry) for entry in self._by_node.get((node, namespace), {}).items())

    def _references(self, key: str, bound: _BoundPod) -> frozenset[Reference]:
        if bound.references is None:
            record = self._store.get(key)
            bound.references = frozenset() if record is None else _named_by(record.peek())
        return bound.references

    def is_volume_of(self, node: str, volume: str) -> bool:
        """Whether a PersistentVolume is bound to a claim of a pod of the node."""
        record = self._store.get(f"/persistentvolumes//{volume}")
        claim = ((record.value.get("spec") or {}).get("claimRef") or {}) if record is not None else {}
        return bool(claim) and self.is_referenced(node, claim.get("namespace", ""), (CLAIMS, claim.get("name", "")))

    def is_attachment_of(self, node: str, attachment: str) -> bool:
        record = self._store.get(f"/volumeattachments.storage.k8s.io//{attachment}")
        return record is not None and (record.value.get("spec") or {}).get("nodeName") == node


def _named_by(pod: Object) -> frozenset[Reference]:
    # A mirror pod is written by the node itself: what it names must not become readable by that.
    return frozenset() if MIRROR in (pod["metadata"].get("annotations") or {}) else references(pod)
