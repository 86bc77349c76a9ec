"""ResourceQuotas and LimitRanges: how much a namespace may ask for.

Source: pkg/apis/core/validation, pkg/apis/core/v1/defaults.go, pkg/apis/core/helper.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.pod_validation.resources import quantity, resource_name
from pilothouse.engine.apiserver.kinds.printers import cluster as printer
from pilothouse.engine.apiserver.kinds.quantities import amount, is_fractional, is_huge_page, is_standard, is_whole, round_amounts
from pilothouse.model import kinds, names
from pilothouse.model.errors import MOST_CAUSES, Cause
from pilothouse.model.json import Object

_COMPUTE = ("cpu", "memory")
_POD_RESOURCES = frozenset({"pods", *_COMPUTE, *(f"{side}.{name}" for side in ("requests", "limits") for name in _COMPUTE)})
SCOPES = {
    "Terminating": _POD_RESOURCES,
    "NotTerminating": _POD_RESOURCES,
    "NotBestEffort": _POD_RESOURCES,
    "BestEffort": frozenset({"pods"}),
    "PriorityClass": _POD_RESOURCES,
    "CrossNamespacePodAffinity": _POD_RESOURCES,
    "VolumeAttributesClass": frozenset({"requests.storage", "persistentvolumeclaims"}),
}
_OPPOSITES = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_MUST_EXIST = "must be 'Exist' when scope is any of Terminating, NotTerminating, BestEffort and NotBestEffort"
_SOME_VALUE = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
_NO_VALUE = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"
_ALWAYS_EXISTS = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity")


def _default_quota(obj: Object) -> None:
    for part in ("spec", "status"):
        for name in ("hard", "used"):
            if amounts := (obj.get(part) or {}).get(name):
                round_amounts(amounts)


def _quota_spec(spec: Object) -> list[Cause]:
    hard = spec.get("hard") or {}
    causes = _hard(hard, "spec.hard")
    scopes = spec.get("scopes") or []
    causes += _scopes(scopes, scopes, hard, "spec.scopes")
    selector = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    path = "spec.scopeSelector.matchExpressions"
    for expression in field.until_enough(causes, selector):
        causes += _scopes([expression.get("scopeName") or ""], selector, hard, path, several=False)
        causes += _scope_operator(expression, path)
    return causes


def _hard(hard: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name, value in field.until_enough(causes, hard.items()):
        here = f"{path}[{name}]"
        causes += resource_name(name, here) + quantity(value, here)
        if is_whole(name) and is_fractional(value):
            causes.append(field.invalid(here, str(amount(value)), "must be an integer"))
    return causes


def _scopes(scopes: list[str], shown: object, hard: Object, path: str, *, several: bool = True) -> list[Cause]:
    causes: list[Cause] = []
    for scope in field.until_enough(causes, scopes):
        counted = SCOPES.get(scope)
        if counted is None:
            causes.append(field.invalid(path, shown, "unsupported scope"))
            continue
        if len(causes) > MOST_CAUSES:
            return causes  # Scopes times resources is more than anybody reads, and than there is time for.
        causes += [
            field.invalid(path, shown, "unsupported scope applied to resource")
            for name in hard
            if is_standard(name) and name not in counted and not (is_huge_page(name) and counted is _POD_RESOURCES)
        ]
    if several:
        causes += [field.invalid(path, shown, "conflicting scopes") for pair in _OPPOSITES if pair <= set(scopes)]
    return causes


def _scope_operator(expression: Object, path: str) -> list[Cause]:
    operator, values = expression.get("operator") or "", expression.get("values") or []
    if expression.get("scopeName") in _ALWAYS_EXISTS and operator != "Exists":
        return [field.invalid(f"{path}.operator", operator, _MUST_EXIST)]
    if operator in ("In", "NotIn"):
        return [] if values else [field.required(f"{path}.values", _SOME_VALUE)]
    if operator in ("Exists", "DoesNotExist"):
        return [field.invalid(f"{path}.values", values, _NO_VALUE)] if values else []
    return [field.invalid(f"{path}.operator", operator, "not a valid selector operator")]


def _validate_quota(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _quota_spec(obj.get("spec") or {})


def _validate_quota_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    causes = metadata.validate_update(obj, old)
    if (spec.get("scopes") or []) != (before.get("scopes") or []):
        causes.append(field.invalid("spec.scopes", spec.get("scopes"), field.IMMUTABLE))
    return causes + _quota_spec(spec)


def _validate_quota_status(obj: Object, old: Object) -> list[Cause]:
    status = obj.get("status") or {}
    causes = metadata.validate_update(obj, old)
    return causes + _hard(status.get("hard") or {}, "status.hard") + _hard(status.get("used") or {}, "status.used")


RESOURCEQUOTA = Kind(
    kinds.RESOURCEQUOTAS,
    "io.k8s.api.core.v1.ResourceQuota",
    default=_default_quota,
    prepare_create=strategy.create(status={}, generation=False),
    prepare_update=strategy.update(generation=False),
    validate=_validate_quota,
    validate_update=_validate_quota_update,
    validate_status_update=_validate_quota_status,
    columns=printer.QUOTA_COLUMNS,
    cells=printer.quota_cells,
    returns_object_on_delete=True,
)

LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_LIMITS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_CALLED = {"min": "min value", "max": "max value", "default": "default value", "defaultRequest": "default request value"}
# (the lower, the higher, where it is reported, whose value is shown)
_ORDER = (
    ("min", "max", "min", "min"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest"),
    ("min", "default", "default", "min"),
    ("default", "max", "default", "max"),
)


def _default_limits(obj: Object) -> None:
    for item in (obj.get("spec") or {}).get("limits") or ():
        for name in _LIMITS:
            if amounts := item.get(name):
                round_amounts(amounts)
        if item.get("type") == "Container":
            limit = (item.get("max") or {}) | (item.get("default") or {})
            request = (item.get("min") or {}) | limit | (item.get("defaultRequest") or {})
            item.update({name: value for name, value in (("default", limit), ("defaultRequest", request)) if value})


def _validate_limits(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    seen: set[str] = set()
    for i, item in field.until_enough(causes, enumerate((obj.get("spec") or {}).get("limits") or ())):
        here, kind = f"spec.limits[{i}]", item.get("type") or ""
        causes += _limit_type(kind, f"{here}.type")
        if kind in seen:
            causes.append(field.duplicate(f"{here}.type", kind))
        seen.add(kind)
        causes += _limit(item, kind, here)
    return causes


def _limit_type(kind: str, path: str) -> list[Cause]:
    if causes := field.each_invalid(path, kind, names.qualified_name(kind)):
        return causes
    if "/" not in kind and kind not in LIMIT_TYPES:
        return [field.invalid(path, kind, "must be a standard limit type or fully qualified")]
    return []


def _limit(item: Object, kind: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    checked = ["max", "min"]
    if kind == "Pod":
        detail = "may not be specified when `type` is 'Pod'"
        causes += [field.forbidden(f"{path}.{name}", detail) for name in ("default", "defaultRequest") if item.get(name)]
    else:
        checked += ["default", "defaultRequest"]
    for name in field.until_enough(causes, checked):
        for resource in item.get(name) or ():
            causes += resource_name(resource, f"{path}.{name}[{resource}]")
    if kind == "PersistentVolumeClaim" and "storage" not in {*(item.get("min") or ()), *(item.get("max") or ())}:
        causes.append(field.required(f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"))
    for resource in dict.fromkeys(key for name in checked for key in field.until_enough(causes, item.get(name) or ())):
        causes += _order(item, resource, path)
    return causes


def _order(item: Object, resource: str, path: str) -> list[Cause]:
    """min <= defaultRequest <= default <= max, as far as they are given; a ratio is at least one."""
    given = {name: amount(item[name][resource]) for name in _LIMITS if resource in (item.get(name) or ())}
    causes = [
        field.invalid(
            f"{path}.{at}[{resource}]", str(given[shown]), f"{_CALLED[low]} {given[low]} is greater than {_CALLED[high]} {given[high]}"
        )
        for low, high, at, shown in _ORDER
        if low in given and high in given and given[low] > given[high]
    ]
    ratio = given.get("maxLimitRequestRatio")
    if ratio is not None and ratio < amount("1"):
        causes.append(field.invalid(f"{path}.maxLimitRequestRatio[{resource}]", str(ratio), f"ratio {ratio} is less than 1"))
    return causes


LIMITRANGE = Kind(
    kinds.LIMITRANGES,
    "io.k8s.api.core.v1.LimitRange",
    default=_default_limits,
    prepare_update=strategy.plain_update,
    validate=_validate_limits,
    validate_update=lambda obj, old: metadata.validate_update(obj, old) + _validate_limits(obj),
    create_on_update=True,
)
