"""CSIDrivers, CSINodes, attachments, capacities and classes of attributes in a Table."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.engine.apiserver.kinds.printers.text import AGE_COLUMN, NONE, UNSET, age, name
from pilothouse.model.json import Object

DRIVER_COLUMNS = (
    NAME_COLUMN,
    Column("AttachRequired", "Whether volumes are attached to a node before they are mounted there.", type="boolean"),
    Column("PodInfoOnMount", "Whether the driver learns for which pod a volume is mounted.", type="boolean"),
    Column("StorageCapacity", "Whether pods wait until the driver has reported enough room.", type="boolean"),
    Column("TokenRequests", "For whom the driver gets tokens of the pods' service accounts."),
    Column("RequiresRepublish", "Whether the driver is asked again and again to mount what is mounted.", type="boolean"),
    Column("Modes", "Which kinds of volumes the driver has: persistent ones, those of a single pod, or both."),
    AGE_COLUMN,
)
NODE_COLUMNS = (NAME_COLUMN, Column("Drivers", "How many drivers run on the node.", type="integer"), AGE_COLUMN)
ATTACHMENT_COLUMNS = (
    NAME_COLUMN,
    Column("Attacher", "The driver that attaches the volume.", format="name"),
    Column("PV", "The volume."),
    Column("Node", "The node that it is attached to."),
    Column("Attached", "Whether the driver has attached it.", type="boolean"),
    AGE_COLUMN,
)
CAPACITY_COLUMNS = (
    NAME_COLUMN,
    Column("StorageClassName", "The class that the room is for."),
    Column("Capacity", "How much room there is."),
)
ATTRIBUTES_CLASS_COLUMNS = (NAME_COLUMN, Column("DriverName", "The driver whose volumes the parameters are for."), AGE_COLUMN)


def driver_cells(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    audiences = [request.get("audience") or "" for request in spec.get("tokenRequests") or ()]
    return [
        name(obj),
        spec.get("attachRequired", True),
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        ",".join(audiences) if audiences else UNSET,
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age(obj, now),
    ]


def node_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), len((obj.get("spec") or {}).get("drivers") or ()), age(obj, now)]


def attachment_cells(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    volume = (spec.get("source") or {}).get("persistentVolumeName") or ""
    is_attached = bool((obj.get("status") or {}).get("attached"))
    return [name(obj), spec.get("attacher") or "", volume, spec.get("nodeName") or "", is_attached, age(obj, now)]


def capacity_cells(obj: Object, now: datetime) -> list[Any]:
    room = obj.get("capacity")
    return [name(obj), obj.get("storageClassName") or "", UNSET if room is None else str(room)]


def attributes_class_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), obj.get("driverName") or "", age(obj, now)]
