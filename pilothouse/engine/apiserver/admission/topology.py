"""A pod that is given to a node says in its labels in which zone and region that is.

Source: kubernetes plugin/pkg/admission/podtopologylabels.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES

COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class TopologyLabels:
    """Of bindings, whose labels become those of the pod, and of pods that are created with a node's name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        if write.group_resource != "pods" or write.operation != "CREATE" or write.subresource not in ("", "binding"):
            return
        value = write.new()
        node = self._objects.get(NODES, "", _node(value, write.subresource)) or {}
        found = (node.get("metadata") or {}).get("labels") or {}
        if copied := {key: found[key] for key in COPIED if key in found}:
            meta = value["metadata"]
            meta["labels"] = copied | (meta.get("labels") or {})


def _node(value: Object, subresource: str) -> str:
    name: str = ((value.get("target") or {}).get("name") if subresource else (value.get("spec") or {}).get("nodeName")) or ""
    return name
