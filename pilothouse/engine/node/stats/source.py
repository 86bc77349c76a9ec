"""What statistics need to know of a pod that the node has, beside the kernel's own figures."""

from dataclasses import dataclass

from pilothouse.engine.node.runtime.seam import Container
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class PodSource:
    """sandbox: its id, "" when it has none. started_at: seconds since the epoch. containers: the newest incarnation of each."""

    pod: Object
    sandbox: str
    started_at: float
    containers: tuple[Container, ...]

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])
