"""The node authorizer: a node works on itself, on the pods that are bound to it, and on what these pods refer to.

Per resource, one function that answers why not (None for yes); resources without a function are granted by the fixed rules of a node,
which are those of the ClusterRole `system:node` as shipped (changes to that role do not matter here). A "no" is no refusal yet: RBAC
is asked next. What may be *in* a write is NodeRestriction's to say. Source: kubernetes plugin/pkg/auth/authorizer/node.

Beside upstream's, a node has two objects of its own in kube-system: the Lease with its report on endpoints, and the EndpointSlice of its
DNS server. It reads the Secrets with passwords of the routers that it speaks BGP with.
"""

from collections.abc import Callable, Sequence

from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.authz.graph import NodeGraph
from pilothouse.engine.apiserver.authz.references import ACCOUNTS, CLAIMS, CONFIGMAPS, SECRETS
from pilothouse.engine.apiserver.authz.rules import allows
from pilothouse.model.json import Object
from pilothouse.model.node_objects import NAMESPACE, dns_slice_names, report_name

LEASE_NAMESPACE = "kube-node-lease"
_READ = ("get", "list", "watch")
_NO_PATH = "no relationship found between node '{node}' and this object"

_WhyNot = Callable[[str, Attributes], str | None]


class NodeAuthorizer:
    """rules: what every node may do with resources that no function below decides."""

    def __init__(self, graph: NodeGraph, rules: Sequence[Object]) -> None:
        self._graph = graph
        self._rules = tuple(rules)
        self._deciders: dict[tuple[str, str], _WhyNot] = {
            ("", SECRETS): self._read_referenced,
            ("", CONFIGMAPS): self._read_referenced,
            ("", CLAIMS): self._claim,
            ("", "persistentvolumes"): self._volume,
            ("storage.k8s.io", "volumeattachments"): self._attachment,
            ("", ACCOUNTS): self._account,
            ("", "nodes"): _node,
            ("", "pods"): self._pod,
            ("coordination.k8s.io", "leases"): _lease,
            ("discovery.k8s.io", "endpointslices"): _endpoint_slice,
            ("storage.k8s.io", "csinodes"): _csi_node,
        }

    def decide(self, asked: Attributes) -> tuple[bool, str]:
        """Whether, and why not ("" when there is no reason but that nothing grants it)."""
        node = asked.user.node
        if node is None:
            return False, ""
        decide = None if asked.path else self._deciders.get((asked.group, asked.resource))
        why = decide(node, asked) if decide is not None else self._by_rules(asked)
        return why is None, why or ""

    def _by_rules(self, asked: Attributes) -> str | None:
        return None if any(allows(rule, asked) for rule in self._rules) else ""

    def _read_referenced(self, node: str, asked: Attributes) -> str | None:
        """Reads of one object; a list or watch counts as one when it selects metadata.name."""
        if asked.verb not in _READ or asked.subresource:
            return "can only read resources of this type"
        if not asked.namespace:
            return "can only read namespaced object of this type"
        return self._path(node, asked)

    def _path(self, node: str, asked: Attributes) -> str | None:
        if not asked.name:
            return "No Object name found"
        if self._graph.is_referenced(node, asked.namespace, (asked.resource, asked.name)):
            return None
        if asked.resource == SECRETS and self._graph.is_secret_of_volume(node, asked.namespace, asked.name):
            return None
        if asked.resource == SECRETS and self._graph.is_secret_of_router(node, asked.namespace, asked.name):
            return None
        return _NO_PATH.format(node=node)

    def _claim(self, node: str, asked: Attributes) -> str | None:
        if asked.subresource == "status" and asked.verb in ("get", "update", "patch"):
            return self._path(node, asked)
        return self._path(node, asked) if asked.verb == "get" and not asked.subresource else _only_get(asked)

    def _volume(self, node: str, asked: Attributes) -> str | None:
        if asked.verb != "get" or asked.subresource:
            return _only_get(asked)
        return None if self._graph.is_volume_of(node, asked.name) else _NO_PATH.format(node=node)

    def _attachment(self, node: str, asked: Attributes) -> str | None:
        if asked.verb != "get" or asked.subresource:
            return _only_get(asked)
        return None if self._graph.is_attachment_of(node, asked.name) else _NO_PATH.format(node=node)

    def _account(self, node: str, asked: Attributes) -> str | None:
        if (asked.verb, asked.subresource) not in (("get", ""), ("create", "token")):
            return "can only get service accounts and create tokens for them"
        return self._path(node, asked)

    def _pod(self, node: str, asked: Attributes) -> str | None:
        verb, subresource = asked.verb, asked.subresource
        if (subresource, verb) in (("", "create"), ("", "delete"), ("status", "update"), ("status", "patch"), ("eviction", "create")):
            return None
        if subresource or verb not in _READ:
            return ""
        if verb == "get":
            return None if self._graph.is_bound(node, asked.namespace, asked.name) else _NO_PATH.format(node=node)
        if asked.selected("spec.nodeName") == node:
            return None
        return "can only list/watch pods with spec.nodeName field selector"


def _node(node: str, asked: Attributes) -> str | None:
    if (asked.subresource, asked.verb) in (("", "create"), ("", "update"), ("", "patch"), ("status", "update"), ("status", "patch")):
        return None
    if asked.subresource or asked.verb not in _READ:
        return ""
    if asked.name == node:
        return None
    what = f"'{asked.name}'" if asked.name else "all nodes"
    return f"node '{node}' cannot read {what}, only its own Node object"


def _lease(node: str, asked: Attributes) -> str | None:
    if asked.verb not in ("get", "create", "update", "patch", "delete") or asked.subresource:
        return "can only get, create, update, patch, or delete a node lease"
    if asked.namespace == NAMESPACE and asked.verb != "delete":
        return _own(asked, report_name(node))
    if asked.namespace != LEASE_NAMESPACE:
        return f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
    if asked.verb != "create" and asked.name != node:
        return "can only access node lease with the same name as the requesting node"
    return None


def _endpoint_slice(node: str, asked: Attributes) -> str | None:
    if asked.verb not in ("get", "create", "update", "patch") or asked.subresource or asked.namespace != NAMESPACE:
        return f'can only get, create, update, or patch the endpoint slices of its own DNS server, in the "{NAMESPACE}" namespace'
    return _own(asked, *dns_slice_names(node))


def _own(asked: Attributes, *names: str) -> str | None:
    """What a create is to be called is NodeRestriction's to see."""
    return None if asked.verb == "create" or asked.name in names else f'can only access "{names[0]}" there'


def _csi_node(node: str, asked: Attributes) -> str | None:
    if asked.verb not in ("get", "create", "update", "patch", "delete") or asked.subresource:
        return "can only get, create, update, patch, or delete a CSINode"
    if asked.verb != "create" and asked.name != node:
        return "can only access CSINode with the same name as the requesting node"
    return None


def _only_get(asked: Attributes) -> str:
    return "cannot get subresource" if asked.subresource else "can only get individual resources of this type"
