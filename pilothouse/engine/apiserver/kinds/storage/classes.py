"""StorageClasses: who makes the volumes of claims that name the class, and when.

Source: pkg/apis/storage/validation, pkg/apis/storage/v1/defaults.go.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import storage as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

RECLAIM_POLICIES = ("Delete", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_IMMUTABLE = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
MOST_PARAMETERS, MOST_PARAMETER_BYTES = 512, 256 * 1024


def _default(obj: Object) -> None:
    strategy.fill(obj, "reclaimPolicy", "Delete")
    strategy.fill(obj, "volumeBindingMode", "Immediate")


def _validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    causes += validate_provisioner(obj.get("provisioner") or "", "provisioner")
    causes += validate_parameters(obj.get("parameters") or {})
    causes += field.none_or_one_of("reclaimPolicy", obj.get("reclaimPolicy") or None, RECLAIM_POLICIES)
    causes += field.none_or_one_of("volumeBindingMode", obj.get("volumeBindingMode"), BINDING_MODES)
    return causes + _topologies(obj.get("allowedTopologies") or [])


def validate_provisioner(provisioner: str, path: str) -> list[Cause]:
    """Of whoever makes or changes volumes."""
    if not provisioner:
        return [field.required(path)]
    return field.each_invalid(path, provisioner, names.qualified_name(provisioner.lower()))


def validate_parameters(parameters: dict[str, str]) -> list[Cause]:
    """What a provisioner is told, in `parameters` of a class."""
    causes = []
    if len(parameters) > MOST_PARAMETERS:
        # Upstream shows this text in the place of the limit.
        causes.append(Cause("parameters", "FieldValueTooLong", "Too long: may not be more than 512 bytes"))
    size_bytes = sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items())
    causes += [field.invalid("parameters", "", "field can not be empty.") for key in parameters if not key]
    return causes if size_bytes <= MOST_PARAMETER_BYTES else [*causes, field.too_long("parameters", MOST_PARAMETER_BYTES)]


def _topologies(terms: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, term in field.until_enough(causes, enumerate(terms)):
        path = f"allowedTopologies[{i}]"
        keys = field.Unique()
        expressions = term.get("matchLabelExpressions") or []
        for j, expression in field.until_enough(causes, enumerate(expressions)):
            causes += _expression(expression, keys, f"{path}.matchLabelExpressions[{j}]")
        shape = tuple(sorted((each.get("key") or "", tuple(sorted(each.get("values") or ()))) for each in expressions))
        causes += unique.check(f"{path}.matchLabelExpressions", shape, shown="")
    return causes


def _expression(expression: Object, keys: field.Unique, path: str) -> list[Cause]:
    key, values = expression.get("key") or "", expression.get("values") or []
    causes = field.each_invalid(f"{path}.key", key, names.qualified_name(key)) + keys.check(f"{path}.key", key)
    if not values:
        causes.append(field.required(f"{path}.values"))
    seen = field.Unique()
    for i, value in field.until_enough(causes, enumerate(values)):
        causes += seen.check(f"{path}.values[{i}]", value)
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    for name in _IMMUTABLE:
        causes += field.immutable(name, obj.get(name), old.get(name))
    return causes + _topologies(obj.get("allowedTopologies") or [])


STORAGECLASS = Kind(
    kinds.STORAGECLASSES,
    "io.k8s.api.storage.v1.StorageClass",
    default=_default,
    prepare_update=strategy.plain_update,
    validate=_validate,
    validate_update=_validate_update,
    columns=printer.CLASS_COLUMNS,
    cells=printer.class_cells,
    returns_object_on_delete=True,
)
