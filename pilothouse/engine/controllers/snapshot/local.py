"""Takes the snapshots of the volumes that lie on nodes (`pilothouse.io/local`): has their node do it.

A handle of a volume or a snapshot is NODE/NAME, so that nothing else has to be there when it is removed; a snapshot's name follows from
the uid of its VolumeSnapshot, so that every call may be repeated.
"""

from collections.abc import Mapping

from pilothouse.engine.controllers.persistentvolume.nodes import NodeVolumes
from pilothouse.engine.controllers.snapshot.taking import Taken
from pilothouse.model import meta
from pilothouse.model.errors import BadRequest, NotFound
from pilothouse.model.json import Object


class LocalSnapshotDriver:
    def __init__(self, nodes: NodeVolumes) -> None:
        self._nodes = nodes

    async def take(self, content: Object, parameters: Mapping[str, str]) -> Taken:
        if parameters:
            raise BadRequest(f"snapshots of these volumes know no parameter {min(parameters)!r}; take a class without it")
        node, volume = place_of(content["spec"]["source"]["volumeHandle"])
        _, name = _place(content)
        return _taken(node, name, await self._nodes.take_snapshot(node, name, volume))

    async def look(self, content: Object) -> Taken:
        node, name = _place(content)
        return _taken(node, name, await self._nodes.snapshot(node, name))

    async def remove(self, content: Object) -> None:
        node, name = _place(content)
        try:
            await self._nodes.remove_snapshot(node, name)
        except NotFound as error:
            gone = f"{error.message}; when the node is gone for good, take the finalizers off VolumeSnapshotContent {meta.name(content)}"
            raise NotFound(gone) from error


def _place(content: Object) -> tuple[str, str]:
    """Node and name of the snapshot. Raises BadRequest."""
    source = content["spec"]["source"]
    if handle := source.get("snapshotHandle"):
        return place_of(handle)
    node, _ = place_of(source["volumeHandle"])
    return node, f"snapshot-{content['spec']['volumeSnapshotRef'].get('uid')}"


def handle_of(node: str, name: str) -> str:
    return f"{node}/{name}"


def place_of(handle: str) -> tuple[str, str]:
    """Node and name. Raises BadRequest."""
    node, _, name = handle.partition("/")
    if not node or not name:
        raise BadRequest(f"{handle[:64]!r} is no NODE/NAME of what lies on a node")
    return node, name


def _taken(node: str, name: str, said: Object) -> Taken:
    if "sizeBytes" not in said:
        return Taken(handle_of(node, name), is_ready=False)
    return Taken(handle_of(node, name), is_ready=True, taken_ns=said["takenNs"], size_bytes=said["sizeBytes"])
