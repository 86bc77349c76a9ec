"""Deployments, ReplicaSets and the ControllerRevisions beside them.

Source: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation.
"""

from typing import Any

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.pod_defaults import default_template
from pilothouse.engine.apiserver.kinds.pod_validation.spec import validate_template
from pilothouse.engine.apiserver.kinds.pod_validation.warnings import spec_warnings
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.engine.apiserver.kinds.selectors import is_empty, validate_label_selector
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.selector import SelectorError, from_label_selector

_STRATEGIES = ("Recreate", "RollingUpdate")
_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas", "observedGeneration")


def default_deployment(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _absent(spec, "replicas", 1)
    _absent(spec, "revisionHistoryLimit", 10)
    _absent(spec, "progressDeadlineSeconds", 600)
    strategy = spec.get("strategy") or {}
    spec["strategy"] = strategy
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = rolling
        _absent(rolling, "maxUnavailable", "25%")
        _absent(rolling, "maxSurge", "25%")
    _default_template(spec)


def default_replicaset(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _absent(spec, "replicas", 1)
    _default_template(spec)


def _absent(target: Object, name: str, value: Any) -> None:
    if target.get(name) is None:
        target[name] = value


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
    causes += validate_template(template, "spec.template")
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") != "Always":
        causes.append(field.not_supported("spec.template.spec.restartPolicy", pod.get("restartPolicy"), ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
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
    if isinstance(value, str):
        digits = value.removesuffix("%")
        return int(digits) if digits.isdecimal() else 0
    return value or 0


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
    return metadata.validate_update(obj, old) + _replicaset_spec(obj.get("spec") or {}) + _same_selector(obj, old)


def _validate_status_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    status = obj.get("status") or {}
    for name in field.until_enough(causes, (*_COUNTS, "fullyLabeledReplicas")):
        causes += field.non_negative(f"status.{name}", status.get(name))
    total, ready = status.get("replicas") or 0, status.get("readyReplicas") or 0
    for name in field.until_enough(causes, ("updatedReplicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")):
        if (status.get(name) or 0) > total:
            causes.append(field.invalid(f"status.{name}", status[name], "cannot be greater than status.replicas"))
    if (status.get("availableReplicas") or 0) > ready:
        causes.append(field.invalid("status.availableReplicas", status["availableReplicas"], "cannot be greater than readyReplicas"))
    before, collisions = (old.get("status") or {}).get("collisionCount"), status.get("collisionCount")
    if collisions is not None and before is not None and collisions < before:
        causes.append(field.invalid("status.collisionCount", collisions, "cannot be decremented"))
    return causes


def _warnings(obj: Object) -> list[str]:
    return spec_warnings(((obj.get("spec") or {}).get("template") or {}).get("spec") or {}, "spec.template.spec")


def _warnings_on_update(obj: Object, old: Object) -> list[str]:
    return _warnings(obj) if strategy.is_new_generation(obj, old) else []


DEPLOYMENT = Kind(
    kinds.DEPLOYMENTS,
    "io.k8s.api.apps.v1.Deployment",
    default=default_deployment,
    prepare_create=strategy.create(status={}),
    prepare_update=strategy.update(frozen_in_status=("labels",), counted=("annotations",)),
    validate=_validate_deployment,
    validate_update=_validate_deployment_update,
    validate_status_update=_validate_status_update,
    warnings=_warnings,
    warnings_on_update=_warnings_on_update,
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
    validate_status_update=_validate_status_update,
    warnings=_warnings,
    warnings_on_update=_warnings_on_update,
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
    _absent(obj, "revision", 0)


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
