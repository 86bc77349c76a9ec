"""What a claim says while its volume gets the attributes of another VolumeAttributesClass: of a CSI driver, or of this provisioner.

One of the two conditions holds at a time. Source: kubernetes-csi external-resizer (pkg/modifycontroller), KEP-3751.
"""

from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS

FAILED = "VolumeModifyFailed"
_MODIFYING, _ERROR = "ModifyingVolume", "ModifyVolumeError"


class AttributesChange:
    """clock: seconds since the epoch. target: name of the class that the claim wants. message: of the event."""

    def __init__(self, client: Client, recorder: Recorder, clock: Callable[[], float]) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock

    async def begin(self, claim: Object, target: str, message: str) -> Object:
        """Returns the claim then."""
        if _says(claim, target, "InProgress", _MODIFYING):
            return claim
        self._recorder.say(claim, "Normal", "VolumeModify", message)
        return await self._say(claim, target, "InProgress", {"type": _MODIFYING, "status": "True"})

    async def fail(self, claim: Object, target: str, state: str, message: str) -> None:
        """state: `Infeasible` for what is refused, `Pending` for what cannot begin yet, `InProgress` for what is tried again."""
        self._recorder.say(claim, "Warning", FAILED, message)
        if not _says(claim, target, state, _ERROR, message):
            await self._say(claim, target, state, {"type": _ERROR, "status": "True", "message": message})

    async def finish(self, claim: Object, target: str, message: str) -> None:
        done = {"currentVolumeAttributesClassName": target, "modifyVolumeStatus": None, "conditions": _others(claim) or None}
        await self._write(claim, done)
        self._recorder.say(claim, "Normal", "VolumeModifySuccessful", message)

    async def forget(self, claim: Object) -> None:
        """The claim wants no other class any more than it has."""
        if is_noted(claim):
            await self._write(claim, {"modifyVolumeStatus": None, "conditions": _others(claim) or None})

    async def _say(self, claim: Object, target: str, state: str, condition: Object) -> Object:
        conditions = meta.with_condition(_others(claim), condition, meta.rfc3339(self._clock()))
        return await self._write(claim, {"modifyVolumeStatus": _noted(target, state), "conditions": conditions})

    async def _write(self, claim: Object, status: Object) -> Object:
        return await self._client.patch(
            PERSISTENTVOLUMECLAIMS, meta.name(claim), {"status": status}, namespace=meta.namespace(claim), subresource="status"
        )


def target_of(claim: Object) -> str:
    """The class that the claim wants and has not; "" when there is nothing to do."""
    spec, status = claim["spec"], claim.get("status") or {}
    wanted: str = spec.get("volumeAttributesClassName") or ""
    return wanted if status.get("phase") == "Bound" and wanted != status.get("currentVolumeAttributesClassName") else ""


def is_noted(claim: Object) -> bool:
    return (claim.get("status") or {}).get("modifyVolumeStatus") is not None


def _noted(target: str, state: str) -> Object:
    return {"targetVolumeAttributesClassName": target, "status": state}


def _says(claim: Object, target: str, state: str, type_: str, message: str = "") -> bool:
    known, noted = meta.condition(claim, type_), (claim.get("status") or {}).get("modifyVolumeStatus")
    return noted == _noted(target, state) and known is not None and (known.get("message") or "") == message


def _others(claim: Object) -> list[Object]:
    return [each for each in (claim.get("status") or {}).get("conditions") or () if each.get("type") not in (_MODIFYING, _ERROR)]
