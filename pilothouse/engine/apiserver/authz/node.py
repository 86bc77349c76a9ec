"""What a node's own identity may do: work on itself, its pods and what those pods refer to.

Source: kubernetes plugin/pkg/auth/authorizer/node. The general rights are the rules of the ClusterRole `system:node`; secrets,
config maps and tokens are reached only in namespaces where a pod of that node runs.
"""

from typing import Any

from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.authz.rbac import Rbac
from pilothouse.engine.apiserver.authz.rules import allows

_NODES = "system:nodes"
_PREFIX = "system:node:"
_SENSITIVE = ("secrets", "configmaps", "serviceaccounts")


class NodeRights:
    def __init__(self, rbac: Rbac, store: Any) -> None:
        self._rbac = rbac
        self._store = store

    def allows(self, asked: Attributes) -> bool:
        user = asked.user
        if _NODES not in user.groups or not user.name.startswith(_PREFIX):
            return False
        node = user.name.removeprefix(_PREFIX)
        rules = self._rbac.rules_of("ClusterRole", "", "system:node") or ()
        if not any(allows(rule, asked) for rule in rules):
            return False
        if asked.resource == "nodes" and asked.verb not in ("create", "list", "watch"):
            return asked.name == node
        return asked.resource not in _SENSITIVE or self._runs_in(node, asked.namespace)

    def _runs_in(self, node: str, namespace: str) -> bool:
        pods = self._store.scan(f"/pods/{namespace}/") if namespace else ()
        return any((pod.value.get("spec") or {}).get("nodeName") == node for pod in pods)
