"""An Ingress that names no class gets the cluster's default one, so that it stays with it when another one is marked.

Source: kubernetes plugin/pkg/admission/network/defaultingressclass.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model import meta
from pilothouse.model.ingresses import default_class, names_class
from pilothouse.model.kinds import INGRESSCLASSES, INGRESSES


class DefaultIngressClass:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        if write.group_resource != INGRESSES.group_resource or write.operation != "CREATE" or write.subresource:
            return
        if names_class(write.new()):
            return
        default = default_class(self._objects.all(INGRESSCLASSES))
        if default is not None:
            write.new().setdefault("spec", {})["ingressClassName"] = meta.name(default)
