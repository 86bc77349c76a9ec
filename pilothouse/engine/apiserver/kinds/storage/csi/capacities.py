"""CSIStorageCapacities: how much room a driver has for a class in one part of the cluster.

Source: pkg/apis/storage/validation, pkg/registry/storage/csistoragecapacity.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.pod_validation.resources import quantity
from pilothouse.engine.apiserver.kinds.printers import csi as printer
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same


def _validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    causes += validate_label_selector(obj.get("nodeTopology"), "nodeTopology")
    name = obj.get("storageClassName") or ""
    causes += field.each_invalid("storageClassName", name, names.dns1123_subdomain(name))
    return causes + (quantity(obj["capacity"], "capacity") if obj.get("capacity") is not None else [])


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    """What the driver was asked for stays; what it answered may change."""
    causes = metadata.validate_update(obj, old)
    for name in ("nodeTopology", "storageClassName"):
        if not same(obj.get(name), old.get(name)):
            causes.append(field.invalid(name, obj.get(name), field.IMMUTABLE))
    return causes


CSISTORAGECAPACITY = Kind(
    kinds.CSISTORAGECAPACITIES,
    "io.k8s.api.storage.v1.CSIStorageCapacity",
    prepare_update=strategy.plain_update,
    validate=_validate,
    validate_update=_validate_update,
    columns=printer.CAPACITY_COLUMNS,
    cells=printer.capacity_cells,
    unconditional_update=False,
)
