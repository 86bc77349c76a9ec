"""Objects live in namespaces that exist and are not on their way out; the system's own cannot be deleted.

Source: apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from typing import Any

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.engine.apiserver.served import Served
from pilothouse.model.errors import Forbidden, NotFound

IMMORTAL = ("default", "kube-system", "kube-public")


class NamespaceLifecycle(Passive):
    def __init__(self, store: Any) -> None:
        self._store = store

    def mutate(self, attributes: Attributes) -> None:
        if attributes.group_resource == "namespaces":
            if attributes.operation == "DELETE" and attributes.name in IMMORTAL:
                raise Forbidden.of("namespaces", attributes.name, "this namespace may not be deleted")
            return
        if attributes.operation == "CREATE" and attributes.namespace:
            check(self._store, attributes.served, attributes.namespace, attributes.name)


def check(store: Any, served: Served, namespace: str, name: str) -> None:
    """Raises NotFound for a missing namespace, Forbidden for a dying one."""
    record = store.latest(f"/namespaces//{namespace}")
    if record is None:
        raise NotFound.of("namespaces", namespace)
    if not record.value["metadata"].get("deletionTimestamp"):
        return
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = Forbidden.of(served.resource.plural, name, why, served.resource.group)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    raise Forbidden(error.message, details=(error.details or {}) | {"causes": [cause]})
