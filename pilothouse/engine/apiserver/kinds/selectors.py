"""Label selectors as fields of objects."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.metadata import labels
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_NEEDED = "must be specified when `operator` is 'In' or 'NotIn'"
_REFUSED = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"


def validate_label_selector(selector: Object | None, path: str) -> list[Cause]:
    if not selector:
        return []
    causes = labels(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for i, expression in field.until_enough(causes, enumerate(selector.get("matchExpressions") or ())):
        causes += _requirement(expression, f"{path}.matchExpressions[{i}]")
    return causes


def _requirement(expression: Object, path: str) -> list[Cause]:
    values = expression.get("values") or []
    causes = operator(expression, path)
    key = expression.get("key") or ""
    causes += field.each_invalid(f"{path}.key", key, names.qualified_name(key))
    for i, value in field.until_enough(causes, enumerate(values)):
        causes += field.each_invalid(f"{path}.values[{i}]", value, names.label_value(value))
    return causes


def operator(expression: Object, path: str) -> list[Cause]:
    """Whether operator and values go together."""
    values, wanted = expression.get("values"), expression.get("operator") or ""
    if wanted in ("In", "NotIn"):
        return [] if values else [field.required(f"{path}.values", _NEEDED)]
    if wanted in ("Exists", "DoesNotExist"):
        return [field.forbidden(f"{path}.values", _REFUSED)] if values else []
    return [field.invalid(f"{path}.operator", wanted, "not a valid selector operator")]


def is_empty(selector: Object | None) -> bool:
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))
