"""The definitions of the kinds of snapshot.storage.k8s.io/v1, which accept and refuse what the published ones do. Pure.

Source: kubernetes-csi/external-snapshotter client/config/crd.
"""

from pilothouse.engine.controllers.own_kinds import APPROVED, definition
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.snapshots import DELETE, RETAIN, VOLUMESNAPSHOTCLASSES, VOLUMESNAPSHOTCONTENTS, VOLUMESNAPSHOTS

_APPROVAL = "https://github.com/kubernetes-csi/external-snapshotter/pull/955"

Schema = Object
_QUANTITY = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"


def _text(description: str = "", **more: object) -> Schema:
    return {"type": "string"} | ({"description": description} if description else {}) | more


def _object(properties: Schema, *required: str, **more: object) -> Schema:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {}) | more


def _rules(*rules: tuple[str, str]) -> Schema:
    return {"x-kubernetes-validations": [{"message": message, "rule": rule} for message, rule in rules]}


def _kept(name: str) -> tuple[str, str]:
    return f"{name} is required once set", f"!has(oldSelf.{name}) || has(self.{name})"


def _unchanged(message: str) -> Schema:
    return _rules((message, "self == oldSelf"))


def _one_of(first: str, second: str) -> tuple[str, str]:
    rule = f"(has(self.{first}) && !has(self.{second})) || (!has(self.{first}) && has(self.{second}))"
    return f"exactly one of {first} and {second} must be set", rule


_CLASS_NAME = _text("Name of the VolumeSnapshotClass. Left out: the default class of the volume's driver.") | _rules(
    ("volumeSnapshotClassName must not be the empty string when set", "size(self) > 0")
)
_ERROR = _object({"message": _text(), "time": _text(format="date-time")}, description="What went wrong last; nothing once it is ready.")
_READY: Schema = {"type": "boolean", "description": "Whether volumes can be made of it."}

_CLAIM, _CONTENT = "persistentVolumeClaimName", "volumeSnapshotContentName"
_SNAPSHOT = _object(
    {
        "spec": _object(
            {
                "source": _object(
                    {
                        _CLAIM: _text("The claim of the same namespace that is to be copied.") | _unchanged(f"{_CLAIM} is immutable"),
                        _CONTENT: _text("The content of a snapshot that exists already.") | _unchanged(f"{_CONTENT} is immutable"),
                    }
                )
                | _rules(_kept(_CLAIM), _kept(_CONTENT), _one_of(_CONTENT, _CLAIM)),
                "volumeSnapshotClassName": _CLASS_NAME,
            },
            "source",
        ),
        "status": _object(
            {
                "boundVolumeSnapshotContentName": _text("The content that stands for it; the binding holds when that points back."),
                "creationTime": _text("When the volume was as the snapshot is.", format="date-time"),
                "error": _ERROR,
                "readyToUse": _READY,
                "restoreSize": {"type": "string", "pattern": _QUANTITY, "x-kubernetes-int-or-string": True},
                "volumeGroupSnapshotName": _text(),
            }
        ),
    },
    "spec",
)
_REFERENCE = _object({name: _text() for name in ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid")})
_REFERENCE |= {"x-kubernetes-map-type": "atomic"} | _rules(
    ("both spec.volumeSnapshotRef.name and spec.volumeSnapshotRef.namespace must be set", "has(self.name) && has(self.__namespace__)")
)
_INTEGER: Schema = {"type": "integer", "format": "int64"}
_CONTENT_SCHEMA = _object(
    {
        "spec": _object(
            {
                "deletionPolicy": _text("Whether the snapshot on the storage goes with its VolumeSnapshot.", enum=[DELETE, RETAIN]),
                "driver": _text("Who has the snapshot on its storage."),
                "source": _object(
                    {
                        "snapshotHandle": _text("Of a snapshot that exists already.") | _unchanged("snapshotHandle is immutable"),
                        "volumeHandle": _text("Of the volume that is to be copied.") | _unchanged("volumeHandle is immutable"),
                    }
                )
                | _rules(_kept("volumeHandle"), _kept("snapshotHandle"), _one_of("volumeHandle", "snapshotHandle")),
                "sourceVolumeMode": _text("Filesystem or Block; left out: not known.") | _unchanged("sourceVolumeMode is immutable"),
                "volumeSnapshotClassName": _text(),
                "volumeSnapshotRef": _REFERENCE,
            },
            "deletionPolicy",
            "driver",
            "source",
            "volumeSnapshotRef",
        )
        | _rules(_kept("sourceVolumeMode")),
        "status": _object(
            {
                "creationTime": _INTEGER | {"description": "Nanoseconds since 1970."},
                "error": _ERROR,
                "readyToUse": _READY,
                "restoreSize": _INTEGER | {"minimum": 0, "description": "Bytes that a volume made of it has at least."},
                "snapshotHandle": _text(),
                "volumeGroupSnapshotHandle": _text(),
            }
        ),
    },
    "spec",
)
_CLASS = _object(
    {
        "deletionPolicy": _text("Of the contents that are made for the class.", enum=[DELETE, RETAIN]),
        "driver": _text("Who takes the snapshots."),
        "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "deletionPolicy",
    "driver",
)

_AGE = ("Age", ".metadata.creationTimestamp", "date")
_SNAPSHOT_COLUMNS = (
    ("ReadyToUse", ".status.readyToUse", "boolean"),
    ("SourcePVC", f".spec.source.{_CLAIM}", "string"),
    ("SourceSnapshotContent", f".spec.source.{_CONTENT}", "string"),
    ("RestoreSize", ".status.restoreSize", "string"),
    ("SnapshotClass", ".spec.volumeSnapshotClassName", "string"),
    ("SnapshotContent", ".status.boundVolumeSnapshotContentName", "string"),
    ("CreationTime", ".status.creationTime", "date"),
    _AGE,
)
_CONTENT_COLUMNS = (
    ("ReadyToUse", ".status.readyToUse", "boolean"),
    ("RestoreSize", ".status.restoreSize", "integer"),
    ("DeletionPolicy", ".spec.deletionPolicy", "string"),
    ("Driver", ".spec.driver", "string"),
    ("VolumeSnapshotClass", ".spec.volumeSnapshotClassName", "string"),
    ("VolumeSnapshot", ".spec.volumeSnapshotRef.name", "string"),
    ("VolumeSnapshotNamespace", ".spec.volumeSnapshotRef.namespace", "string"),
    _AGE,
)
_CLASS_COLUMNS = (("Driver", ".driver", "string"), ("DeletionPolicy", ".deletionPolicy", "string"), _AGE)


def _definition(resource: Resource, schema: Schema, columns: tuple[tuple[str, str, str], ...]) -> Object:
    return definition(resource, _whole(schema), columns, annotations={APPROVED: _APPROVAL})


def _whole(schema: Schema) -> Schema:
    properties = {"apiVersion": _text(), "kind": _text(), "metadata": {"type": "object"}} | schema["properties"]
    return schema | {"properties": properties}


DEFINITIONS = (
    _definition(VOLUMESNAPSHOTCLASSES, _CLASS, _CLASS_COLUMNS),
    _definition(VOLUMESNAPSHOTCONTENTS, _CONTENT_SCHEMA, _CONTENT_COLUMNS),
    _definition(VOLUMESNAPSHOTS, _SNAPSHOT, _SNAPSHOT_COLUMNS),
)
