"""Which objects a node's pods lead to: the paths on which the node authorizer lets a node read.

Follows the store, so that a pod counts from the moment it is committed with a nodeName to the moment it is gone. A pod's references
are worked out when a node first asks about its namespace, not at every change of the pod's status.
Source: kubernetes plugin/pkg/auth/authorizer/node/graph.go.
"""

from dataclasses import dataclass

from pilothouse.engine.apiserver.authz.references import CLAIMS, Reference, references
from pilothouse.engine.apiserver.authz.router_secrets import RouterSecrets
from pilothouse.engine.apiserver.authz.volume_secrets import VolumeSecrets
from pilothouse.engine.apiserver.following import follow_resource
from pilothouse.engine.apiserver.kinds.pod_validation.annotations import MIRROR
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PERSISTENTVOLUMES, PODS, VOLUMEATTACHMENTS


@dataclass(slots=True)
class _BoundPod:
    """references: None until somebody asks. Not the pod itself: the graph has all pods, and a decoded one is large."""

    node: str
    references: frozenset[Reference] | None = None


class NodeGraph:
    """An index (see `follow_resource`) of the pods that are bound to nodes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._objects = Objects(store)
        self._pods: dict[tuple[str, str], _BoundPod] = {}
        self._by_node: dict[tuple[str, str], dict[str, _BoundPod]] = {}
        self._volume_secrets = VolumeSecrets()
        self._router_secrets = RouterSecrets()

    def follow(self) -> None:
        """Take in all pods, the Secrets of volumes and routers, and every change from now on."""
        follow_resource(self._store, PODS, self)
        self._volume_secrets.follow(self._store)
        self._router_secrets.follow(self._store)

    def clear(self) -> None:
        self._pods.clear()
        self._by_node.clear()

    def put(self, namespace: str, name: str, pod: Object) -> None:
        self.drop(namespace, name)
        node = (pod.get("spec") or {}).get("nodeName")
        if node:
            bound = self._pods[namespace, name] = _BoundPod(node)
            self._by_node.setdefault((node, namespace), {})[name] = bound

    def drop(self, namespace: str, name: str) -> None:
        bound = self._pods.pop((namespace, name), None)
        if bound is None:
            return
        found = self._by_node[bound.node, namespace]
        del found[name]
        if not found:
            del self._by_node[bound.node, namespace]

    def is_bound(self, node: str, namespace: str, pod: str) -> bool:
        found = self._pods.get((namespace, pod))
        return found is not None and found.node == node

    def is_referenced(self, node: str, namespace: str, reference: Reference) -> bool:
        """Whether a pod of the node, in that namespace, names the object."""
        pods = self._by_node.get((node, namespace), {})
        return any(reference in self._references(namespace, name, bound) for name, bound in pods.items())

    def _references(self, namespace: str, name: str, bound: _BoundPod) -> frozenset[Reference]:
        if bound.references is None:
            pod = self._objects.peek(PODS, namespace, name)
            bound.references = frozenset() if pod is None else _named_by(pod)
        return bound.references

    def is_volume_of(self, node: str, volume: str) -> bool:
        """Whether a PersistentVolume is bound to a claim of a pod of the node."""
        found = self._objects.get(PERSISTENTVOLUMES, "", volume)
        claim = ((found.get("spec") or {}).get("claimRef") or {}) if found is not None else {}
        return bool(claim) and self.is_referenced(node, claim.get("namespace", ""), (CLAIMS, claim.get("name", "")))

    def is_secret_of_volume(self, node: str, namespace: str, secret: str) -> bool:
        """Whether a PersistentVolume of a pod of the node needs the Secret there."""
        return any(self.is_volume_of(node, volume) for volume in self._volume_secrets.volumes_with(namespace, secret))

    def is_secret_of_router(self, node: str, namespace: str, secret: str) -> bool:
        """Whether a router that the node speaks BGP with has its password in the Secret."""
        if not self._router_secrets.is_named(namespace, secret):
            return False
        found = self._objects.get(NODES, "", node)
        return found is not None and self._router_secrets.is_for(found, namespace, secret)

    def is_attachment_of(self, node: str, attachment: str) -> bool:
        found = self._objects.get(VOLUMEATTACHMENTS, "", attachment)
        return found is not None and (found.get("spec") or {}).get("nodeName") == node


def _named_by(pod: Object) -> frozenset[Reference]:
    # A mirror pod is written by the node itself: what it names must not become readable by that.
    return frozenset() if MIRROR in (pod["metadata"].get("annotations") or {}) else references(pod)
