"""Nothing is made of a definition that is being deleted: an instance made after its definition's were removed would be nobody's.

Nor is anything stored that was judged by a schema which is not the definition's any more: it would be taken to suit the present one.
Nor is a resource defined that the cluster serves itself: both would be the same objects, and the definition's end would be theirs.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import Cause, Conflict, MethodNotAllowed
from pilothouse.model.kinds import CRDS
from pilothouse.model.meta import is_deleting


class DefinitionLifecycle:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        self.reserve(write)

    async def validate(self, write: Write) -> None:
        """Raises Invalid."""
        if write.group_resource != CRDS.group_resource or write.operation != "CREATE":
            return
        spec = write.new()["spec"]
        plural = spec["names"]["plural"]
        if (name := f"{plural}.{spec['group']}") in BUILT_IN:
            text = f'Invalid value: "{plural}": {name} is served by the cluster itself; choose another plural or another group'
            raise write.served.invalid(write.name, [Cause("spec.names.plural", "FieldValueInvalid", text)])

    def reserve(self, write: Write) -> None:
        """Once more when the object is about to be stored: the definition may have begun to end meanwhile, or have another schema."""
        if not write.served.custom:
            return
        resource = write.served.resource
        if write.operation != "DELETE" and not (write.served.is_current and self._is_settled(resource.group_resource)):
            why = "its definition has changed since the request came in; please try again"
            raise Conflict.of(resource.plural, write.name, why, resource.group)
        if write.operation != "CREATE":
            return
        definition = self._objects.latest(CRDS, "", resource.group_resource)
        if definition is None or is_deleting(definition):
            details = {"group": resource.group, "kind": resource.plural}
            raise MethodNotAllowed("create not allowed while custom resource definition is terminating", details=details)

    def _is_settled(self, name: str) -> bool:
        """Whether no change of the definition is on its way to disk: this object would be stored behind it, as one of the new schema."""
        stored, coming = self._objects.get(CRDS, "", name), self._objects.latest(CRDS, "", name)
        if stored is None or coming is None:
            return True
        return bool(stored["metadata"]["generation"] == coming["metadata"]["generation"])
