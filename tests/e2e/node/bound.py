"""Claims that are bound without a controller: what the API shows when the control plane has done its part."""

from typing import Any

from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from pilothouse.model.volumes import BIND_COMPLETED

DRIVER = "folders.test"


async def introduce(client: Client, **spec: Any) -> None:
    """The CSIDriver of the tests' driver."""
    about = {"attachRequired": False, "podInfoOnMount": True} | spec
    await client.create(CSIDRIVERS, {"metadata": {"name": DRIVER}, "spec": about})


async def bind(
    client: Client, claim: str, volume: str, *, annotations: dict[str, str] | None = None, mode: str = "ReadWriteOnce", **spec: Any
) -> None:
    """A claim and its volume. spec: of the volume, its source among it."""
    claimed = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": volume, "storageClassName": ""}
    if "volumeMode" in spec:
        claimed["volumeMode"] = spec["volumeMode"]
    metadata = {"name": claim, "namespace": "default", "annotations": {BIND_COMPLETED: "yes"}}
    made = await client.create(PERSISTENTVOLUMECLAIMS, {"metadata": metadata, "spec": claimed})
    reference = {"namespace": "default", "name": claim, "uid": meta.uid(made)}
    whole = {"accessModes": [mode], "capacity": {"storage": "1Gi"}, "claimRef": reference} | spec
    await client.create(PERSISTENTVOLUMES, {"metadata": {"name": volume, "annotations": annotations or {}}, "spec": whole})
    status: Object = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": [mode]}
    await client.patch(PERSISTENTVOLUMECLAIMS, claim, {"status": status}, namespace="default", subresource="status")


def source(handle: str, **more: Any) -> Object:
    return {"csi": {"driver": DRIVER, "volumeHandle": handle} | more}
