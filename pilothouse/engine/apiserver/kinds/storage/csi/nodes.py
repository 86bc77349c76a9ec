"""CSINodes: which drivers run on a node, under what name each knows it, and how many volumes it can have there.

Source: pkg/apis/storage/validation, pkg/registry/storage/csinode.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import csi as printer
from pilothouse.engine.apiserver.kinds.storage.csi.names import driver_name
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_NODE_ID_MAX_BYTES = 256


def _default(obj: Object) -> None:
    """An empty list of drivers is shown as upstream shows what it has stored of one."""
    spec = obj.setdefault("spec", {})
    spec["drivers"] = spec.get("drivers") or None


def _validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    known = field.Unique()
    for index, driver in field.until_enough(causes, enumerate((obj.get("spec") or {}).get("drivers") or ())):
        causes += _driver(driver, known, f"spec.drivers[{index}]")
    return causes


def _driver(driver: Object, known: field.Unique, path: str) -> list[Cause]:
    name, node_id = driver.get("name") or "", driver.get("nodeID") or ""
    causes = driver_name(name, f"{path}.name")
    if not node_id:
        causes.append(field.required(f"{path}.nodeID"))
    if len(node_id.encode()) > _NODE_ID_MAX_BYTES:
        causes.append(field.invalid(f"{path}.nodeID", node_id, f"must be {_NODE_ID_MAX_BYTES} characters or less"))
    causes += field.non_negative(f"{path}.allocatable.count", (driver.get("allocatable") or {}).get("count"))
    causes += known.check(f"{path}.name", name)
    keys = field.Unique()
    for key in field.until_enough(causes, driver.get("topologyKeys") or ()):
        causes += [] if key else [field.required(path)]
        causes += keys.check(path, key) + field.each_invalid(path, key, names.qualified_name(key))
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    """A driver that stays keeps what it said of itself, but for how much it can have."""
    causes = metadata.validate_common_update(obj, old) + _validate(obj)
    before = {driver.get("name"): driver for driver in (old.get("spec") or {}).get("drivers") or ()}
    for driver in field.until_enough(causes, (obj.get("spec") or {}).get("drivers") or ()):
        known = before.get(driver.get("name"))
        if known is not None and _identity(driver) != _identity(known):
            causes.append(field.invalid("spec.drivers", _identity(driver), field.IMMUTABLE))
    return causes


def _identity(driver: Object) -> Object:
    """As upstream shows it in its message."""
    return {
        "Name": driver.get("name") or "",
        "NodeID": driver.get("nodeID") or "",
        "TopologyKeys": driver.get("topologyKeys") or None,
        "Allocatable": None,
    }


CSINODE = Kind(
    kinds.CSINODES,
    "io.k8s.api.storage.v1.CSINode",
    default=_default,
    prepare_update=strategy.plain_update,
    validate=_validate,
    validate_update=_validate_update,
    columns=printer.NODE_COLUMNS,
    cells=printer.node_cells,
    unconditional_update=False,
    returns_object_on_delete=True,
)
