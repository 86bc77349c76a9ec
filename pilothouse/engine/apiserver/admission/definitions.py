"""Nothing is made of a definition that is being deleted: an instance made after its definition's were removed would be nobody's."""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import MethodNotAllowed
from pilothouse.model.kinds import CRDS
from pilothouse.model.meta import is_deleting


class DefinitionLifecycle:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        self.reserve(write)

    def reserve(self, write: Write) -> None:
        """Once more when the object is about to be stored: the definition may have begun to end meanwhile."""
        if not write.served.custom or write.operation != "CREATE":
            return
        resource = write.served.resource
        definition = self._objects.latest(CRDS, "", resource.group_resource)
        if definition is None or is_deleting(definition):
            details = {"group": resource.group, "kind": resource.plural}
            raise MethodNotAllowed("create not allowed while custom resource definition is terminating", details=details)
