"""A CustomResourceDefinition waits for its instances to go: it carries a finalizer from the start of its deletion on."""

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.engine.apiserver.crds.naming import FINALIZER

CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class DefinitionFinalizer(Passive):
    def mutate(self, attributes: Attributes) -> None:
        if attributes.group_resource != CRDS or attributes.operation != "CREATE":
            return
        metadata = attributes.new()["metadata"]
        if FINALIZER not in (metadata.get("finalizers") or ()):
            metadata["finalizers"] = [*(metadata.get("finalizers") or ()), FINALIZER]
