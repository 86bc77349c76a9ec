"""RuntimeClasses: which of a node's runtimes runs a pod, what that costs and where it can be had.

Source: pkg/apis/node/validation, pkg/apis/node/v1/defaults.go.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.node_labels import DEPRECATED
from pilothouse.engine.apiserver.kinds.pod_validation.resources import validate_resources
from pilothouse.engine.apiserver.kinds.pod_validation.scheduling import validate_tolerations
from pilothouse.engine.apiserver.kinds.printers import cluster as printer
from pilothouse.engine.apiserver.kinds.quantities import round_amounts
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, dumps


def _default(obj: Object) -> None:
    if amounts := (obj.get("overhead") or {}).get("podFixed"):
        round_amounts(amounts)


def _validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    handler = obj.get("handler") or ""
    causes += field.each_invalid("handler", handler, names.dns1123_label(handler)) if handler else [field.required("handler")]
    if fixed := (obj.get("overhead") or {}).get("podFixed"):
        causes += validate_resources({"limits": fixed}, [], "overhead")
    return causes + _scheduling(obj.get("scheduling") or {})


def _scheduling(scheduling: Object) -> list[Cause]:
    tolerations = scheduling.get("tolerations") or []
    causes = metadata.labels(scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector")
    causes += validate_tolerations(tolerations, "scheduling.tolerations")
    seen: set[bytes] = set()
    for index, toleration in field.until_enough(causes, enumerate(tolerations)):
        shape = dumps(sorted(toleration.items()))
        if shape in seen:
            causes.append(field.duplicate(f"scheduling.tolerations[{index}]", toleration))
        seen.add(shape)
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + field.immutable("handler", obj.get("handler"), old.get("handler"))


def _warnings(obj: Object) -> list[str]:
    keys = (obj.get("scheduling") or {}).get("nodeSelector") or ()
    return [f"scheduling.nodeSelector: {DEPRECATED[key]}" for key in keys if key in DEPRECATED]


RUNTIMECLASS = Kind(
    kinds.RUNTIMECLASSES,
    "io.k8s.api.node.v1.RuntimeClass",
    default=_default,
    prepare_update=strategy.plain_update,
    validate=_validate,
    validate_update=_validate_update,
    warnings=_warnings,
    columns=printer.RUNTIMECLASS_COLUMNS,
    cells=printer.runtimeclass_cells,
    create_on_update=True,
)
