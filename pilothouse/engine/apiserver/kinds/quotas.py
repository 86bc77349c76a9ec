"""ResourceQuotas and LimitRanges: how much a namespace may ask for.

Source: pkg/apis/core/validation, pkg/apis/core/v1/defaults.go, pkg/apis/core/helper.
"""

from typing import Any

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.pod_validation.resources import container_resource_name, quantity, resource_name, whole
from pilothouse.engine.apiserver.kinds.printers import cluster as printer
from pilothouse.engine.apiserver.kinds.quantities import amount, is_counted, may_be_overcommitted, round_amounts
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

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
_MUST_EXIST = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort,"
    " ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_SOME_VALUE = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
_NO_VALUE = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
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
    counted = [name for name in hard if is_counted(name)]
    causes += _scopes(scopes, counted, "spec.scopes")
    selector = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    path = "spec.scopeSelector.matchExpressions"
    for expression in field.until_enough(causes, selector):
        scope = expression.get("scopeName") or ""
        if scope not in SCOPES:
            causes.append(field.invalid(f"{path}.scopeName", scope, "unsupported scope"))
        causes += _applied(scope, spec.get("scopeSelector"), counted, path) + _scope_operator(expression, path)
    return causes + _opposites({expression.get("scopeName") for expression in selector}, spec.get("scopes"), path)


def _hard(hard: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name, value in field.until_enough(causes, hard.items()):
        here = f"{path}[{name}]"
        causes += resource_name(name, here)
        if "/" not in name and not is_counted(name):
            causes.append(field.invalid(here, name, "must be a standard resource for quota"))
        causes += quantity(value, here) + whole(name, value, here)
    return causes


def _scopes(scopes: list[str], counted: list[str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for scope in field.until_enough(causes, scopes):
        if scope not in SCOPES:
            causes.append(field.invalid(path, scopes, "unsupported scope"))
        causes += _applied(scope, scopes, counted, path)
    return causes + _opposites(set(scopes), scopes, path)


def _applied(scope: str, shown: object, counted: list[str], path: str) -> list[Cause]:
    """shown: what a message names. counted: the resources that quotas know, of those that are limited."""
    fitting = SCOPES.get(scope)
    if fitting is None:
        return []
    return [field.invalid(path, shown, "unsupported scope applied to resource") for name in counted if name not in fitting]


def _opposites(scopes: set[Any], shown: object, path: str) -> list[Cause]:
    return [field.invalid(path, shown, "conflicting scopes") for pair in _OPPOSITES if pair <= scopes]


def _scope_operator(expression: Object, path: str) -> list[Cause]:
    operator, values = expression.get("operator") or "", expression.get("values") or []
    causes: list[Cause] = []
    if expression.get("scopeName") in _ALWAYS_EXISTS and operator != "Exists":
        causes.append(field.invalid(f"{path}.operator", operator, _MUST_EXIST))
    if operator in ("In", "NotIn"):
        return causes if values else [*causes, field.required(f"{path}.values", _SOME_VALUE)]
    if operator in ("Exists", "DoesNotExist"):
        return [*causes, field.invalid(f"{path}.values", values, _NO_VALUE)] if values else causes
    return [*causes, field.invalid(f"{path}.operator", operator, "not a valid selector operator")]


def _validate_quota(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _quota_spec(obj.get("spec") or {})


def _validate_quota_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _quota_spec(spec)
    if set(spec.get("scopes") or ()) != set(before.get("scopes") or ()):
        causes.append(field.invalid("spec.scopes", spec.get("scopes"), field.IMMUTABLE))
    return causes


def _validate_quota_status(obj: Object, old: Object) -> list[Cause]:
    status = obj.get("status") or {}
    causes = metadata.validate_update(obj, old)
    return causes + _hard(status.get("hard") or {}, "status.hard") + _hard(status.get("used") or {}, "status.used")


def _quota_warnings(obj: Object) -> list[str]:
    """Of requests that may be more than limits; only when a quota is made."""
    hard, found = (obj.get("spec") or {}).get("hard") or {}, []
    for name in ("cpu", "memory", "storage", "ephemeral-storage"):
        lower, upper = f"requests.{name}", f"limits.{name}"
        if lower not in hard and name in _COMPUTE:
            lower = name
        if lower in hard and upper in hard and amount(hard[lower]) > amount(hard[upper]):
            shown = f"{lower} ({amount(hard[lower])}) should be less than {upper} ({amount(hard[upper])})"
            found.append(f"ResourceQuota {shown}")
    return found


RESOURCEQUOTA = Kind(
    kinds.RESOURCEQUOTAS,
    "io.k8s.api.core.v1.ResourceQuota",
    default=_default_quota,
    prepare_create=strategy.create(status={}, generation=False),
    prepare_update=strategy.update(generation=False),
    validate=_validate_quota,
    validate_update=_validate_quota_update,
    validate_status_update=_validate_quota_status,
    warnings=_quota_warnings,
    warnings_on_update=lambda obj, old: [],
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
    unique = field.Unique()
    for i, item in field.until_enough(causes, enumerate((obj.get("spec") or {}).get("limits") or ())):
        here, kind = f"spec.limits[{i}]", item.get("type") or ""
        causes += _limit_type(kind, f"{here}.type")
        causes += unique.check(f"{here}.type", kind)
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
            causes += _limited(kind, resource, f"{path}.{name}[{resource}]")
    if kind == "PersistentVolumeClaim" and "storage" not in {*(item.get("min") or ()), *(item.get("max") or ())}:
        causes.append(field.required(f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"))
    for resource in item.get("maxLimitRequestRatio") or ():
        causes += _limited(kind, resource, f"{path}.maxLimitRequestRatio[{resource}]")
    checked.append("maxLimitRequestRatio")
    for resource in dict.fromkeys(key for name in checked for key in field.until_enough(causes, item.get(name) or ())):
        causes += _order({name: item.get(name) for name in checked}, resource, path)
    return causes


def _limited(kind: str, resource: str, path: str) -> list[Cause]:
    """What containers and pods are limited in is what containers can ask for."""
    return container_resource_name(resource, path) if kind in ("Pod", "Container") else resource_name(resource, path)


def _order(item: Object, resource: str, path: str) -> list[Cause]:
    """min <= defaultRequest <= default <= max, as far as they are given; a ratio is between one and max/min."""
    given = {name: amount(item[name][resource]) for name in _LIMITS if resource in (item.get(name) or ())}
    causes = [
        field.invalid(
            f"{path}.{at}[{resource}]", str(given[shown]), f"{_CALLED[low]} {given[low]} is greater than {_called(high, low)} {given[high]}"
        )
        for low, high, at, shown in _ORDER
        if low in given and high in given and given[low] > given[high]
    ]
    causes += _ratio(given, f"{path}.maxLimitRequestRatio[{resource}]")
    default, request = given.get("default"), given.get("defaultRequest")
    if default is not None and request is not None and default != request and not may_be_overcommitted(resource):
        detail = f"default value {default} must equal to defaultRequest value {request} in {resource}"
        causes.append(field.invalid(f"{path}.defaultRequest[{resource}]", str(request), detail))
    return causes


def _called(high: str, low: str) -> str:
    return "default limit value" if (low, high) == ("defaultRequest", "default") else _CALLED[high]


def _ratio(given: dict[str, Quantity], path: str) -> list[Cause]:
    ratio = given.get("maxLimitRequestRatio")
    if ratio is None:
        return []
    causes = [field.invalid(path, str(ratio), f"ratio {ratio} is less than 1")] if ratio < amount("1") else []
    least, most = given.get("min"), given.get("max")
    if least is not None and most is not None and not least.is_zero and ratio.amount > most.amount / least.amount:
        causes.append(field.invalid(path, str(ratio), f"ratio {ratio} is greater than max/min = {float(most.amount / least.amount):f}"))
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
