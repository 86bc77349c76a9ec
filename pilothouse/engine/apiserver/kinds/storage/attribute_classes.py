"""VolumeAttributesClasses: parameters of a driver's volumes that can be changed while the volumes are in use.

Source: pkg/apis/storage/validation, pkg/registry/storage/volumeattributesclass.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import csi as printer
from pilothouse.engine.apiserver.kinds.storage.classes import validate_parameters, validate_provisioner
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object


def _validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    causes += validate_provisioner(obj.get("driverName") or "", "driverName")
    parameters = obj.get("parameters") or {}
    causes += validate_parameters(parameters)
    return causes if parameters else [*causes, field.required("parameters", "must contain at least one key/value pair")]


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    for name in ("driverName", "parameters"):
        if (obj.get(name) or None) != (old.get(name) or None):
            causes.append(field.forbidden(name, f"updates to {name} are forbidden."))
    return causes + _validate(obj)


VOLUMEATTRIBUTESCLASS = Kind(
    kinds.VOLUMEATTRIBUTESCLASSES,
    "io.k8s.api.storage.v1.VolumeAttributesClass",
    prepare_update=strategy.plain_update,
    validate=_validate,
    validate_update=_validate_update,
    columns=printer.ATTRIBUTES_CLASS_COLUMNS,
    cells=printer.attributes_class_cells,
    returns_object_on_delete=True,
)
