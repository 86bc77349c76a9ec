"""What the controllers have nodes do with the volumes that lie on them. Every call may be repeated."""

from typing import Protocol

from pilothouse.model.io_limits import IoLimits
from pilothouse.model.json import Object

WORKERS = 16
"""Of a controller that asks nodes: a few nodes that do not answer hold some of them, since each has only so many calls at a time."""


class NodeVolumes(Protocol):
    async def ensure(self, node: str, name: str, size_bytes: int, mode: str = "", source: str = "") -> Object:
        """Makes the volume on the node, or has it grow: its sizeBytes, path, enforcement and isPending then.

        mode: of a volume that may be made; "" for one that must be there. source: the volume or snapshot there whose content it gets;
        while that is being copied, the answer is copiedBytes alone. Raises ApiError.
        """
        ...

    async def remove(self, node: str, name: str) -> None:
        """Raises ApiError: Conflict while it is in use."""
        ...

    async def confirm(self, node: str, name: str) -> None:
        """The volume has a PersistentVolume now. Raises ApiError."""
        ...

    async def limit(self, node: str, name: str, limits: IoLimits) -> None:
        """How much the volume may be read and written from now on. Raises ApiError: BadRequest where the node cannot limit that."""
        ...

    async def unconfirmed(self, node: str) -> list[str]:
        """Names of the volumes of the node that nobody has confirmed. Raises ApiError."""
        ...

    async def take_snapshot(self, node: str, name: str, volume: str) -> Object:
        """sizeBytes, takenNs and mode of the snapshot; copiedBytes alone while it is being copied. Raises ApiError."""
        ...

    async def snapshot(self, node: str, name: str) -> Object:
        """The same of one that has been taken. Raises ApiError: NotFound."""
        ...

    async def remove_snapshot(self, node: str, name: str) -> None:
        """Also one that is being copied; one that is not there is no failure. Raises ApiError."""
        ...
