"""NodeRestriction: what a node may write into the objects that it may write at all.

Holds for every identity of a node, whatever other groups it is in. The node authorizer decides by names; this looks into the object:
only the node's own Node and Lease, only mirror pods, only the status of its own pods, only tokens that are bound to one of its pods.
Source: kubernetes plugin/pkg/admission/noderestriction.
"""

from collections.abc import Callable

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.engine.apiserver.authz.graph import MIRROR, PODS
from pilothouse.engine.apiserver.authz.node import LEASE_NAMESPACE
from pilothouse.engine.apiserver.authz.references import references
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object

_RESTRICTED = "node-restriction.kubernetes.io"
_RESERVED = ("kubernetes.io", "k8s.io")
_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "node.kubernetes.io/windows-build",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
    }
)
_OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction(Passive):
    def __init__(self, store: Store) -> None:
        self._store = store
        self._checks: dict[str, Callable[[str, Attributes], None]] = {
            "pods": self._pod,
            "nodes": _node,
            "serviceaccounts": self._account,
            "leases.coordination.k8s.io": _lease,
        }

    def mutate(self, attributes: Attributes) -> None:
        """Refuses only; runs before the server adds things of its own that a node could not."""
        node = attributes.user.node
        check = self._checks.get(attributes.group_resource)
        if node is not None and check is not None:
            check(node, attributes)

    def _pod(self, node: str, attributes: Attributes) -> None:
        if attributes.subresource == "eviction":
            self._own_pod(node, attributes, "can only evict pods with spec.nodeName set to itself")
        elif attributes.subresource == "status":
            self._own_pod(node, attributes, "can only update pod status for pods with spec.nodeName set to itself")
            if _labels(attributes.new()) != _labels(attributes.old or {}):
                raise _refused(attributes, f'node "{node}" cannot update labels through pod status')
        elif attributes.subresource:
            why = f"unexpected pod subresource \"{attributes.subresource}\", only 'status' and 'eviction' are allowed"
            raise _refused(attributes, why)
        elif attributes.operation == "DELETE":
            self._own_pod(node, attributes, "can only delete pods with spec.nodeName set to itself")
        elif attributes.operation == "CREATE":
            _mirror_pod(node, attributes)
        else:
            why = f'unexpected operation "{attributes.operation}", node "{node}" can only create and delete mirror pods'
            raise _refused(attributes, why)

    def _own_pod(self, node: str, attributes: Attributes, rule: str) -> None:
        record = self._store.latest(f"{PODS}{attributes.namespace}/{attributes.name}")
        if record is not None and (record.value.get("spec") or {}).get("nodeName") != node:
            raise _refused(attributes, f'node "{node}" {rule}')

    def _account(self, node: str, attributes: Attributes) -> None:
        if attributes.operation != "CREATE" or attributes.subresource != "token":
            return
        spec = attributes.new().get("spec") or {}
        bound = spec.get("boundObjectRef") or {}
        if bound.get("kind") != "Pod" or bound.get("apiVersion") != "v1" or not bound.get("name"):
            raise _refused(attributes, "node requested token not bound to a pod")
        if not bound.get("uid"):
            raise _refused(attributes, "node requested token with a pod binding without a uid")
        record = self._store.get(f"{PODS}{attributes.namespace}/{bound['name']}")
        if record is None:
            return  # Refused where the token is made, as is another uid.
        if (record.value.get("spec") or {}).get("nodeName") != node:
            raise _refused(attributes, "node requested token bound to a pod scheduled on a different node")
        for audience in spec.get("audiences") or [""]:
            if audience not in _audiences(record.value):
                raise _refused(attributes, f'audience "{audience}" not found in pod spec volume')


def _audiences(pod: Object) -> set[str]:
    """For whom the pod's volumes want tokens; "" stands for the API server."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    sources = (source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or ())
    return {(source["serviceAccountToken"].get("audience") or "") for source in sources if source.get("serviceAccountToken")}


def _mirror_pod(node: str, attributes: Attributes) -> None:
    """A pod that the node runs without being asked, shown in the API; it leads to no other object."""
    pod = attributes.new()
    metadata = pod["metadata"]
    if MIRROR not in (metadata.get("annotations") or {}):
        why = f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
        raise _refused(attributes, why)
    if (pod.get("spec") or {}).get("nodeName") != node:
        raise _refused(attributes, f'node "{node}" can only create pods with spec.nodeName set to itself')
    owners = metadata.get("ownerReferences") or []
    if len(owners) != 1 or (owners[0].get("apiVersion"), owners[0].get("kind"), owners[0].get("name")) != ("v1", "Node", node):
        raise _refused(attributes, f'node "{node}" can only create pods with an owner reference set to itself')
    if named := sorted(references(pod)):
        raise _refused(attributes, f'node "{node}" can not create pods that reference {named[0][0]}')


def _node(node: str, attributes: Attributes) -> None:
    if attributes.name != node:
        raise _refused(attributes, f'node "{node}" is not allowed to modify node "{attributes.name}"')
    if attributes.operation not in ("CREATE", "UPDATE"):
        return
    new, old = attributes.new(), attributes.old or {"metadata": {}}
    if attributes.operation == "UPDATE":
        if ((new.get("spec") or {}).get("taints") or []) != ((old.get("spec") or {}).get("taints") or []):
            raise _refused(attributes, f'node "{node}" is not allowed to modify taints')
        if (new["metadata"].get("ownerReferences") or []) != (old["metadata"].get("ownerReferences") or []):
            raise _refused(attributes, f'node "{node}" is not allowed to modify ownerReferences')
    before, after = _labels(old), _labels(new)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if wrong := sorted(filter(_is_reserved, changed)):
        what = "set the following labels" if attributes.operation == "CREATE" else "modify labels"
        raise _refused(attributes, f'node "{node}" is not allowed to {what}: {", ".join(wrong)}')


def _is_reserved(label: str) -> bool:
    """Whether only an administrator may put the label on a node: others trust it to say what the node is for."""
    domain, slash, _ = label.rpartition("/")
    if not slash or _is_in(domain, _RESTRICTED):
        return bool(slash)
    if not any(_is_in(domain, reserved) for reserved in _RESERVED):
        return False
    return label not in _OWN_LABELS and not any(_is_in(domain, own) for own in _OWN_LABEL_DOMAINS)


def _is_in(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def _lease(node: str, attributes: Attributes) -> None:
    if attributes.namespace != LEASE_NAMESPACE:
        raise _refused(attributes, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if attributes.name != node:
        raise _refused(attributes, "can only access node lease with the same name as the requesting node")


def _labels(obj: Object) -> Object:
    return (obj.get("metadata") or {}).get("labels") or {}


def _refused(attributes: Attributes, why: str) -> Forbidden:
    resource = attributes.served.resource
    return Forbidden.of(resource.plural, attributes.name, why, resource.group)
