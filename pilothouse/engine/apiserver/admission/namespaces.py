"""Objects live in namespaces that exist and are not on their way out; the system's own cannot be deleted.

Source: apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.errors import Forbidden, NotFound
from pilothouse.model.kinds import NAMESPACES

IMMORTAL = ("default", "kube-system", "kube-public")


class NamespaceLifecycle:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        if write.group_resource == "namespaces" and write.operation == "DELETE" and write.name in IMMORTAL:
            raise Forbidden.of("namespaces", write.name, "this namespace may not be deleted")
        self.reserve(write)

    def reserve(self, write: Write) -> None:
        """Once more when the object is about to be stored: nothing may be left behind in a namespace that ended meanwhile."""
        if write.operation == "CREATE" and write.namespace and write.group_resource != "namespaces":
            check(self._objects, write.served, write.namespace, write.name)


def check(objects: Objects, served: ServedResource, namespace: str, name: str) -> None:
    """Raises NotFound for a missing namespace, Forbidden for a dying one."""
    found = objects.latest(NAMESPACES, "", namespace)
    if found is None:
        raise NotFound.of("namespaces", namespace)
    if not found["metadata"].get("deletionTimestamp"):
        return
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = Forbidden.of(served.resource.plural, name, why, served.resource.group)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    raise Forbidden(error.message, details=(error.details or {}) | {"causes": [cause]})
