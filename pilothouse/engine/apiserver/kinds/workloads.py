"""Deployments, ReplicaSets and the ControllerRevisions beside them.

Source: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation.
"""

import sys
from typing import Any

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.pod_defaults import default_template
from pilothouse.engine.apiserver.kinds.pod_validation.spec import validate_template
from pilothouse.engine.apiserver.kinds.pod_warnings.spec import name_warnings, template_warnings
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.engine.apiserver.kinds.selectors import is_empty, validate_label_selector
from pilothouse.model import kinds, names
from pilothouse.model.digits import natural
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.selector import SelectorError, from_label_selector

_STRATEGIES = ("Recreate", "RollingUpdate")


def default_deployment(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy.fill(spec, "replicas", 1)
    strategy.fill(spec, "revisionHistoryLimit", 10)
    strategy.fill(spec, "progressDeadlineSeconds", 600)
    chosen = spec.get("strategy") or {}
    spec["strategy"] = chosen
    chosen["type"] = chosen.get("type") or "RollingUpdate"
    if chosen["type"] == "RollingUpdate":
        rolling = chosen.get("rollingUpdate") or {}
        chosen["rollingUpdate"] = rolling
        strategy.fill(rolling, "maxUnavailable", "25%")
        strategy.fill(rolling, "maxSurge", "25%")
    _default_template(spec)


def default_replicaset(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy.fill(spec, "replicas", 1)
    _default_template(spec)


def _default_template(spec: Object) -> None:
    if spec.get("template") is None:
        spec["template"] = {}
    default_template(spec["template"])


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a selector finds a template with these labels; none finds nothing. Raises SelectorError."""
    return selector is not None and from_label_selector(selector).matches(labels)


def validate_selector(spec: Object, path: str) -> list[Cause]:
    selector = spec.get("selector")
    if selector is None:
        return [field.required(path)]
    causes = validate_label_selector(selector, path)
    if is_empty(selector):
        causes.append(field.invalid(path, selector, "empty selector is invalid for deployment"))
    return causes


def _validate_set_template(spec: Object) -> list[Cause]:
    """The template of a set of pods that run for good, and that its selector finds."""
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    try:
        found = selects(selector, labels or {})
    except SelectorError:
        return [field.invalid("spec.selector", selector, "invalid label selector")]
    causes: list[Cause] = []
    if not found:
        causes.append(field.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return causes + validate_lasting_template(template, "ReplicaSet")


def validate_lasting_template(template: Object, kind: str) -> list[Cause]:
    """Of pods that run for good. kind: what the messages call the kind that makes them."""
    causes = validate_template(template, "spec.template")
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") != "Always":
        causes.append(field.not_supported("spec.template.spec.restartPolicy", pod.get("restartPolicy"), ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        causes.append(field.forbidden("spec.template.spec.activeDeadlineSeconds", detail))
    return causes


def _deployment_spec(spec: Object) -> list[Cause]:
    causes = field.non_negative("spec.replicas", spec.get("replicas"))
    causes += validate_selector(spec, "spec.selector") + _validate_set_template(spec)
    causes += _strategy(spec.get("strategy") or {}, "spec.strategy")
    for name in field.until_enough(causes, ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")):
        causes += field.non_negative(f"spec.{name}", spec.get(name))
    deadline_s = spec.get("progressDeadlineSeconds")
    if deadline_s is not None and deadline_s <= (spec.get("minReadySeconds") or 0):
        causes.append(field.invalid("spec.progressDeadlineSeconds", deadline_s, "must be greater than minReadySeconds"))
    return causes


def _strategy(strategy: Object, path: str) -> list[Cause]:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "RollingUpdate":
        if rolling is None:
            return [field.required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")]
        return _rolling(rolling, f"{path}.rollingUpdate")
    if kind != "Recreate":
        return [field.not_supported(path, {"Type": kind, "RollingUpdate": rolling}, _STRATEGIES)]
    if rolling is not None:
        return [field.forbidden(f"{path}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")]
    return []


def _rolling(rolling: Object, path: str) -> list[Cause]:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    causes = _int_or_percent(unavailable, f"{path}.maxUnavailable") + _int_or_percent(surge, f"{path}.maxSurge")
    if not _number(unavailable) and not _number(surge):
        causes.append(field.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    if isinstance(unavailable, str) and _number(unavailable) > 100:
        causes.append(field.invalid(f"{path}.maxUnavailable", unavailable, "must not be greater than 100%"))
    return causes


def _int_or_percent(value: Any, path: str) -> list[Cause]:
    if isinstance(value, str):
        return field.each_invalid(path, value, names.percent(value))
    return field.non_negative(path, value)


def _number(value: Any) -> int:
    """0 of text that is no percentage; of one with more digits than numbers have here, more than any limit."""
    if not isinstance(value, str):
        return value or 0
    if names.percent(value):
        return 0
    found = natural(value.removesuffix("%"))
    return sys.maxsize if found is None else found


def _validate_deployment(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _deployment_spec(obj.get("spec") or {})


def _validate_deployment_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + _deployment_spec(obj.get("spec") or {}) + _same_selector(obj, old)


def _same_selector(obj: Object, old: Object) -> list[Cause]:
    return field.immutable("spec.selector", (obj.get("spec") or {}).get("selector"), (old.get("spec") or {}).get("selector"))


def _replicaset_spec(spec: Object) -> list[Cause]:
    causes = field.non_negative("spec.replicas", spec.get("replicas"))
    causes += field.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    return causes + validate_selector(spec, "spec.selector") + _validate_set_template(spec)


def _validate_replicaset(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _replicaset_spec(obj.get("spec") or {})


def _validate_replicaset_update(obj: Object, old: Object) -> list[Cause]:
    # Upstream judges the whole set and then the new spec once more.
    spec = obj.get("spec") or {}
    return _validate_replicaset(obj) + metadata.validate_update(obj, old) + _replicaset_spec(spec) + _same_selector(obj, old)


def _validate_deployment_status(obj: Object, old: Object) -> list[Cause]:
    status, before = obj.get("status") or {}, old.get("status") or {}
    counts = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
    causes = metadata.validate_update(obj, old)
    causes += validate_counts(
        status, (*counts, "terminatingReplicas", "collisionCount"), ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    had, has = before.get("collisionCount"), status.get("collisionCount")
    if had is not None and (has is None or has < had):
        causes.append(field.invalid("status.collisionCount", has or 0, "cannot be decremented"))
    return causes


def _validate_replicaset_status(obj: Object, old: Object) -> list[Cause]:
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas", "observedGeneration")
    causes = metadata.validate_update(obj, old)
    return causes + validate_counts(obj.get("status") or {}, counts, ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"))


def validate_counts(status: Object, counts: tuple[str, ...], parts: tuple[str, ...]) -> list[Cause]:
    """Of a status. counts: its numbers; parts: those of some of the replicas."""
    causes: list[Cause] = []
    for name in field.until_enough(causes, counts):
        causes += field.non_negative(f"status.{name}", status.get(name))
    total, ready, available = (status.get(name) or 0 for name in ("replicas", "readyReplicas", "availableReplicas"))
    for name in field.until_enough(causes, parts):
        part = status.get(name) or 0
        if part > total:
            causes.append(field.invalid(f"status.{name}", part, "cannot be greater than status.replicas"))
    if available > ready:
        causes.append(field.invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"))
    return causes


def _template_warnings(obj: Object) -> list[str]:
    return template_warnings((obj.get("spec") or {}).get("template") or {}, "spec.template")


def set_warnings(obj: Object) -> list[str]:
    return name_warnings(obj) + _template_warnings(obj)


def set_warnings_on_update(obj: Object, old: Object) -> list[str]:
    return _template_warnings(obj) if strategy.is_new_generation(obj, old) else []


DEPLOYMENT = Kind(
    kinds.DEPLOYMENTS,
    "io.k8s.api.apps.v1.Deployment",
    default=default_deployment,
    prepare_create=strategy.create(status={}),
    prepare_update=strategy.update(frozen_in_status=("labels",), counted=("annotations",)),
    validate=_validate_deployment,
    validate_update=_validate_deployment_update,
    validate_status_update=_validate_deployment_status,
    warnings=set_warnings,
    warnings_on_update=set_warnings_on_update,
    columns=printer.DEPLOYMENT_COLUMNS,
    cells=printer.deployment_cells,
)
REPLICASET = Kind(
    kinds.REPLICASETS,
    "io.k8s.api.apps.v1.ReplicaSet",
    default=default_replicaset,
    prepare_create=strategy.create(status={"replicas": 0}),
    prepare_update=strategy.update(),
    validate=_validate_replicaset,
    validate_update=_validate_replicaset_update,
    validate_status_update=_validate_replicaset_status,
    warnings=set_warnings,
    warnings_on_update=set_warnings_on_update,
    columns=printer.REPLICASET_COLUMNS,
    cells=printer.replicaset_cells,
)


def _validate_revision(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    if obj.get("data") is None:
        causes.append(field.required("data", "data is mandatory"))
    return causes + field.non_negative("revision", obj.get("revision"))


def _validate_revision_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old) + _validate_revision(obj)
    return causes + field.immutable("data", obj.get("data"), old.get("data"))


def _default_revision(obj: Object) -> None:
    strategy.fill(obj, "revision", 0)


CONTROLLERREVISION = Kind(
    kinds.CONTROLLERREVISIONS,
    "io.k8s.api.apps.v1.ControllerRevision",
    default=_default_revision,
    prepare_update=strategy.plain_update,
    validate=_validate_revision,
    validate_update=_validate_revision_update,
    columns=printer.REVISION_COLUMNS,
    cells=printer.revision_cells,
)
