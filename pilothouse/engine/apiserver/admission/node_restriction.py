"""NodeRestriction: what a node may write into the objects that it may write at all.

Holds for every identity of a node, whatever other groups it is in. The node authorizer decides by names; this looks into the object:
only the node's own Node, CSINode and Leases, only mirror pods, only the status of its own pods, of claims only how far they have grown,
only tokens that are bound to one of its pods, only certificates in its own name, only its own DNS server behind the DNS Service, only
pods' addresses that are nobody else's.
Source: kubernetes plugin/pkg/admission/noderestriction, which does not look at requests to the signer of clients of any name.
"""

from collections.abc import Callable
from typing import Any

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.admission.node_ranges import NodeRanges, ranges_of
from pilothouse.engine.apiserver.authz.node import LEASE_NAMESPACE
from pilothouse.engine.apiserver.authz.references import ACCOUNTS, CLAIMS, CONFIGMAPS, SECRETS, references
from pilothouse.engine.apiserver.identity import NODE_PREFIX
from pilothouse.engine.apiserver.kinds.pod_validation.annotations import MIRROR
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.certificates import APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, request_of
from pilothouse.model.errors import Forbidden, NotFound
from pilothouse.model.json import Object, same
from pilothouse.model.kinds import (
    CERTIFICATESIGNINGREQUESTS,
    CSIDRIVERS,
    CSINODES,
    ENDPOINTSLICES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
)
from pilothouse.model.node_objects import DNS_SERVICE, NAMESPACE, dns_slice_names, report_name
from pilothouse.model.volumes import claim_names
from pilothouse.wire import certificate_request
from pilothouse.wire.certificate_request import BadRequestError

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
_REFERENCES = {ACCOUNTS: "a service account", SECRETS: "secrets", CONFIGMAPS: "configmaps", CLAIMS: "persistentvolumeclaims"}
_SERVICE_NAME = "kubernetes.io/service-name"
_GROWTH = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")
_UNCOMPARED = ("resourceVersion", "managedFields")
_OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction:
    def __init__(self, objects: Objects, ranges: NodeRanges) -> None:
        self._objects = objects
        self._ranges = ranges
        self._checks: dict[str, Callable[[str, Write], None]] = {
            "pods": self._pod,
            "nodes": self._node,
            "serviceaccounts": self._account,
            "leases.coordination.k8s.io": _lease,
            ENDPOINTSLICES.group_resource: _endpoint_slice,
            CERTIFICATESIGNINGREQUESTS.group_resource: _certificate,
            CSINODES.group_resource: _csi_node,
            PERSISTENTVOLUMECLAIMS.group_resource: _claim,
        }

    async def mutate(self, write: Write) -> None:
        """Refuses only; runs before the server adds things of its own that a node could not."""
        node = write.user.node
        check = self._checks.get(write.group_resource)
        if node is not None and check is not None:
            check(node, write)

    def _pod(self, node: str, write: Write) -> None:
        if write.subresource == "eviction":
            self._own_pod(node, write, "can only evict pods with spec.nodeName set to itself", quote="")
        elif write.subresource == "status":
            self._own_pod(node, write, "can only update pod status for pods with spec.nodeName set to itself")
            if _labels(write.new()) != _labels(write.old or {}):
                raise _refused(write, f'node "{node}" cannot update labels through pod status')
            if _claims(write.new()) != _claims(write.old or {}):
                raise _refused(write, f'node "{node}" cannot update resource claim statues')
        elif write.subresource:
            why = f"unexpected pod subresource \"{write.subresource}\", only 'status' and 'eviction' are allowed"
            raise _refused(write, why)
        elif write.operation == "DELETE":
            self._own_pod(node, write, "can only delete pods with spec.nodeName set to itself")
        elif write.operation == "CREATE":
            self._mirror_pod(node, write)
        else:
            why = f'unexpected operation "{write.operation}", node "{node}" can only create and delete mirror pods'
            raise _refused(write, why)

    def _own_pod(self, node: str, write: Write, rule: str, quote: str = '"') -> None:
        pod = self._objects.latest(PODS, write.namespace, write.name)
        if pod is not None and (pod.get("spec") or {}).get("nodeName") != node:
            raise _refused(write, f"node {quote}{node}{quote} {rule}")

    def _mirror_pod(self, node: str, write: Write) -> None:
        """A pod that the node runs without being asked, shown in the API; it leads to no other object."""
        pod = write.new()
        metadata = pod["metadata"]
        if MIRROR not in (metadata.get("annotations") or {}):
            why = f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
            raise _refused(write, why)
        if (pod.get("spec") or {}).get("nodeName") != node:
            raise _refused(write, f'node "{node}" can only create pods with spec.nodeName set to itself')
        owners = metadata.get("ownerReferences") or []
        if why := _foreign(owners, node):
            raise _refused(write, f'node "{node}" {why}')
        found = self._objects.latest(NODES, "", node)
        if found is None:
            raise NotFound.of("nodes", node)
        stated, uid = owners[0].get("uid") or "", found["metadata"]["uid"]
        if stated != uid:
            raise _refused(write, f"node {node} UID mismatch: expected {stated} got {uid}")
        named = {resource for resource, _ in references(pod)}
        if first := next((shown for resource, shown in _REFERENCES.items() if resource in named), ""):
            raise _refused(write, f'node "{node}" can not create pods that reference {first}')

    def _node(self, node: str, write: Write) -> None:
        _check_node(node, write)
        if write.operation not in ("CREATE", "UPDATE"):
            return
        wanted = ranges_of(write.new())
        if wanted != ranges_of(write.old or {}) and (why := self._ranges.why_not(node, wanted, self._objects.all(NODES))):
            raise _refused(write, f'node "{node}" may not set spec.podCIDR: {why}')

    def _account(self, node: str, write: Write) -> None:
        if write.operation != "CREATE" or write.subresource != "token":
            return
        spec = write.new().get("spec") or {}
        bound = spec.get("boundObjectRef") or {}
        if bound.get("kind") != "Pod" or bound.get("apiVersion") != "v1" or not bound.get("name"):
            raise _refused(write, "node requested token not bound to a pod")
        if not bound.get("uid"):
            raise _refused(write, "node requested token with a pod binding without a uid")
        pod = self._objects.get(PODS, write.namespace, bound["name"])
        if pod is None:
            return  # Refused where the token is made.
        if bound["uid"] != pod["metadata"]["uid"]:
            why = f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record."
            raise _refused(write, f"{why} The object might have been deleted and then recreated")
        if (pod.get("spec") or {}).get("nodeName") != node:
            raise _refused(write, "node requested token bound to a pod scheduled on a different node")
        for audience in spec.get("audiences") or [""]:
            if audience not in _audiences(pod) | self._audiences_of_drivers(write.namespace, pod):
                raise _refused(write, f'audience "{audience}" not found in pod spec volume')

    def _audiences_of_drivers(self, namespace: str, pod: Object) -> set[str]:
        """For whom the drivers of the pod's volumes want tokens of its service account."""
        drivers = {volume["csi"].get("driver") for volume in (pod.get("spec") or {}).get("volumes") or () if volume.get("csi")}
        for name in claim_names(pod):
            claim = self._objects.get(PERSISTENTVOLUMECLAIMS, namespace, name) or {}
            volume = self._objects.get(PERSISTENTVOLUMES, "", (claim.get("spec") or {}).get("volumeName") or "") or {}
            drivers.add(((volume.get("spec") or {}).get("csi") or {}).get("driver"))
        found = (self._objects.get(CSIDRIVERS, "", name) or {} for name in drivers if name)
        return {request.get("audience") or "" for driver in found for request in (driver.get("spec") or {}).get("tokenRequests") or ()}


def _audiences(pod: Object) -> set[str]:
    """For whom the pod's volumes want tokens; "" stands for the API server."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    sources = (source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or ())
    return {(source["serviceAccountToken"].get("audience") or "") for source in sources if source.get("serviceAccountToken")}


def _foreign(owners: list[Object], node: str) -> str:
    """What a pod's owners have that a pod of the node itself must not have; "" for nothing."""
    if len(owners) > 1:
        return "can only create pods with a single owner reference set to itself"
    owner = owners[0] if owners else {}
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        return "can only create pods with an owner reference set to itself"
    if not owner.get("controller"):
        return "can only create pods with a controller owner reference set to itself"
    return "must not set blockOwnerDeletion on an owner reference" if owner.get("blockOwnerDeletion") else ""


def _check_node(node: str, write: Write) -> None:
    if write.name != node:
        raise _refused(write, f'node "{node}" is not allowed to modify node "{write.name}"')
    if write.operation not in ("CREATE", "UPDATE"):
        return
    new, old = write.new(), write.old or {"metadata": {}}
    if write.operation == "UPDATE":
        if ((new.get("spec") or {}).get("taints") or []) != ((old.get("spec") or {}).get("taints") or []):
            raise _refused(write, f'node "{node}" is not allowed to modify taints')
        if (new["metadata"].get("ownerReferences") or []) != (old["metadata"].get("ownerReferences") or []):
            raise _refused(write, f'node "{node}" is not allowed to modify ownerReferences')
    before, after = _labels(old), _labels(new)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if wrong := sorted(filter(_is_reserved, changed)):
        what = f'node "{node}" is not allowed to set the following' if write.operation == "CREATE" else "is not allowed to modify"
        raise _refused(write, f"{what} labels: {', '.join(wrong)}")


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


def _lease(node: str, write: Write) -> None:
    if write.namespace == NAMESPACE:
        if write.name != report_name(node):
            raise _refused(write, f'can only access the lease "{report_name(node)}" there')
        return
    if write.namespace != LEASE_NAMESPACE:
        raise _refused(write, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if write.name != node:
        raise _refused(write, "can only access node lease with the same name as the requesting node")


def _csi_node(node: str, write: Write) -> None:
    if write.name != node:
        raise _refused(write, "can only access CSINode with the same name as the requesting node")


def _claim(node: str, write: Write) -> None:
    """A node says how far the growth of a volume has come, and nothing else."""
    if write.subresource != "status":
        raise _refused(write, "may only update PVC status")
    if write.operation != "UPDATE":
        raise _refused(write, f'unexpected operation "{write.operation}"')
    if not same(_without_growth(write.new()), _without_growth(write.old or {})):
        raise _refused(write, f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions')


def _without_growth(claim: Object) -> Object:
    status = {name: value for name, value in (claim.get("status") or {}).items() if name not in _GROWTH}
    metadata = {name: value for name, value in (claim.get("metadata") or {}).items() if name not in _UNCOMPARED}
    return claim | {"status": status, "metadata": metadata}


def _endpoint_slice(node: str, write: Write) -> None:
    if write.namespace != NAMESPACE or write.name not in dns_slice_names(node):
        raise _refused(write, f'can only access the endpoint slice "{NAMESPACE}/{dns_slice_names(node)[0]}"')
    if write.operation not in ("CREATE", "UPDATE"):
        return
    if _labels(write.new()).get(_SERVICE_NAME) != DNS_SERVICE:
        raise _refused(write, f'can only lead the service "{DNS_SERVICE}" to itself')
    if any(endpoint.get("nodeName") != node for endpoint in write.new().get("endpoints") or ()):
        raise _refused(write, "can only show endpoints with nodeName set to itself")


def _certificate(node: str, write: Write) -> None:
    """Also when somebody else approves it: a node must not get the certificate of another, from whichever signer."""
    spec = write.new().get("spec") or {} if write.operation == "CREATE" else {}
    signer = spec.get("signerName")
    if signer not in (APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING):
        return
    try:
        asked = certificate_request.parse(request_of(write.new()))
    except BadRequestError as error:
        raise _refused(write, f"unable to parse csr: {error}") from error
    is_own = asked.common_name == write.user.name
    is_of_a_node = any(name.startswith(NODE_PREFIX) for name in asked.common_names)
    if not is_own and (is_of_a_node or signer != APISERVER_CLIENT):
        raise _refused(write, f"can only create a node CSR with CN={write.user.name}")


def _claims(pod: Object) -> list[tuple[Any, Any]]:
    found = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    return [(claim.get("name"), claim.get("resourceClaimName")) for claim in found]


def _labels(obj: Object) -> Object:
    return (obj.get("metadata") or {}).get("labels") or {}


def _refused(write: Write, why: str) -> Forbidden:
    resource = write.served.resource
    return Forbidden.of(resource.plural, write.name, why, resource.group)
