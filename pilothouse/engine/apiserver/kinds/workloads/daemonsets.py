"""DaemonSets: defaults, validation, and the number of its template.

Source: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation, pkg/registry/apps/daemonset/strategy.go.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.engine.apiserver.kinds.workloads.portions import at_most_all, int_or_percent, number
from pilothouse.engine.apiserver.kinds.workloads.templates import (
    default_set_template,
    validate_collisions,
    validate_set_template,
    warnings,
    warnings_on_update,
)
from pilothouse.model import kinds, names
from pilothouse.model.digits import natural
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""Annotation: how many templates there have been. It is the server's, who writes another is not heard."""
_COUNTS = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady")
_MORE_COUNTS = ("observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy.fill(spec, "revisionHistoryLimit", 10)
    chosen = spec.get("updateStrategy") or {}
    spec["updateStrategy"] = chosen
    chosen["type"] = chosen.get("type") or "RollingUpdate"
    if chosen["type"] == "RollingUpdate":
        strategy.fill(chosen, "rollingUpdate", {})
        strategy.fill(chosen["rollingUpdate"], "maxUnavailable", 1)
        strategy.fill(chosen["rollingUpdate"], "maxSurge", 0)
    default_set_template(spec)


_create = strategy.create(status=dict.fromkeys(_COUNTS, 0))
_update = strategy.update()


def _prepare_create(obj: Object, context: Context) -> None:
    _create(obj, context)
    _number_template(obj, 1)


def _prepare_update(obj: Object, old: Object, context: Context) -> None:
    _update(obj, old, context)
    if context.subresource:
        return
    is_new = not same((obj.get("spec") or {}).get("template"), (old.get("spec") or {}).get("template"))
    _number_template(obj, _template_number(old) + is_new)


def _template_number(obj: Object) -> int:
    return natural((obj["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")) or 1


def _number_template(obj: Object, value: int) -> None:
    annotations = obj["metadata"].get("annotations") or {}
    obj["metadata"]["annotations"] = annotations | {TEMPLATE_GENERATION: str(value)}


def _validate_spec(spec: Object) -> list[Cause]:
    selector = spec.get("selector")
    causes = validate_label_selector(selector, "spec.selector")
    found = validate_set_template(spec, "DaemonSet")
    if selector is not None and not (selector.get("matchLabels") or selector.get("matchExpressions")):
        causes.append(field.invalid("spec.selector", selector, "empty selector is invalid for daemonset"))
    causes += found
    causes += field.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes += _update_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    return causes + field.non_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _update_strategy(chosen: Object, path: str) -> list[Cause]:
    kind, rolling = chosen.get("type"), chosen.get("rollingUpdate")
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        return [field.not_supported(path, {"Type": kind, "RollingUpdate": rolling}, ("RollingUpdate", "OnDelete"))]
    return [field.required(f"{path}.rollingUpdate")] if rolling is None else _rolling(rolling, f"{path}.rollingUpdate")


def _rolling(rolling: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name in ("maxUnavailable", "maxSurge"):
        causes += int_or_percent(rolling.get(name), f"{path}.{name}") + at_most_all(rolling.get(name), f"{path}.{name}")
    unavailable, surge = number(rolling.get("maxUnavailable")), number(rolling.get("maxSurge"))
    if unavailable and surge:
        causes.append(field.invalid(f"{path}.maxSurge", rolling["maxSurge"], "may not be set when maxUnavailable is non-zero"))
    if not unavailable and not surge:
        causes.append(field.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return causes


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _validate_spec(obj.get("spec") or {})


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _validate_spec(spec)
    return causes + field.immutable("spec.selector", spec.get("selector"), before.get("selector"))


def _validate_status(obj: Object, old: Object) -> list[Cause]:
    status = obj.get("status") or {}
    causes = metadata.validate_update(obj, old)
    for name in (*_COUNTS, *_MORE_COUNTS):
        causes += field.non_negative(f"status.{name}", status.get(name))
    return causes + validate_collisions(status, old.get("status") or {})


DAEMONSET = Kind(
    kinds.DAEMONSETS,
    "io.k8s.api.apps.v1.DaemonSet",
    default=default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status,
    warnings=warnings,
    warnings_on_update=warnings_on_update,
    columns=printer.DAEMONSET_COLUMNS,
    cells=printer.daemonset_cells,
)
