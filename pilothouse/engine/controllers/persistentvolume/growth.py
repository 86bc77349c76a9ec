"""What a claim says while its volume grows: that somebody is at work, that the node has its part to do, that it is done.

One of the two conditions holds at a time. Source: kubernetes pkg/volume/util/resize_util.go; KEP-284.
"""

from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from pilothouse.model.quantity import Quantity
from pilothouse.model.volumes import capacity, requested, shown_bytes

RESIZING, PENDING = "Resizing", "FileSystemResizePending"
_WAITS = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."


class Growth:
    """clock: seconds since the epoch."""

    def __init__(self, client: Client, recorder: Recorder, clock: Callable[[], float]) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock

    async def begin(self, claim: Object, message: str, status: Object | None = None) -> Object:
        """message: of the event. status: what else the claim is to say. Returns the claim then, as the others do."""
        if meta.condition(claim, PENDING) is not None or _holds(claim, RESIZING):
            return claim
        self._recorder.say(claim, "Normal", "Resizing", message)
        return await self._condition(claim, {"type": RESIZING, "status": "True"}, status)

    async def leave_to_node(self, claim: Object, status: Object | None = None) -> Object:
        if _holds(claim, PENDING):
            return claim
        self._recorder.say(claim, "Normal", "FileSystemResizeRequired", "Require file system resize of volume on node")
        return await self._condition(claim, {"type": PENDING, "status": "True", "message": _WAITS}, status)

    async def finish(self, claim: Object, volume: Object, status: Object | None = None) -> None:
        """The claim is shown what it asks for when it got it: a volume may be somewhat larger."""
        done = {"capacity": {"storage": str(requested(claim))}, "conditions": _others(claim) or None}
        await self._write(claim, done | (status or {}))
        self._recorder.say(claim, "Normal", "VolumeResizeSuccessful", f"Resize volume {meta.name(volume)} succeeded")

    async def enlarge(self, volume: Object, size_bytes: int, annotations: Object | None = None) -> None:
        """The PersistentVolume says that it is that large."""
        size = shown_bytes(size_bytes)
        if capacity(volume) < Quantity.of(size):
            metadata = {"metadata": {"annotations": annotations}} if annotations else {}
            await self._client.patch(PERSISTENTVOLUMES, meta.name(volume), {"spec": {"capacity": {"storage": size}}} | metadata)

    async def _condition(self, claim: Object, new: Object, status: Object | None) -> Object:
        conditions = meta.with_condition(_others(claim), new, meta.rfc3339(self._clock()))
        return await self._write(claim, {"conditions": conditions} | (status or {}))

    async def _write(self, claim: Object, status: Object) -> Object:
        return await self._client.patch(
            PERSISTENTVOLUMECLAIMS, meta.name(claim), {"status": status}, namespace=meta.namespace(claim), subresource="status"
        )


def _holds(claim: Object, type_: str) -> bool:
    known = meta.condition(claim, type_)
    return known is not None and known.get("status") == "True"


def _others(claim: Object) -> list[Object]:
    conditions = (claim.get("status") or {}).get("conditions") or []
    return [each for each in conditions if each.get("type") not in (RESIZING, PENDING)]


def wants_more(claim: Object) -> bool:
    """Whether a bound claim asks for more than it has."""
    status = claim.get("status") or {}
    has = (status.get("capacity") or {}).get("storage")
    return status.get("phase") == "Bound" and has is not None and requested(claim) > Quantity.of(has)
