"""Deployments, ReplicaSets and the ControllerRevisions beside them.

Source: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.engine.apiserver.kinds.workloads.portions import at_most_all, int_or_percent, number
from pilothouse.engine.apiserver.kinds.workloads.templates import (
    default_set_template,
    validate_collisions,
    validate_selector,
    validate_set_template,
    warnings,
    warnings_on_update,
)
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

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
    default_set_template(spec)


def default_replicaset(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy.fill(spec, "replicas", 1)
    default_set_template(spec)


def _deployment_spec(spec: Object) -> list[Cause]:
    causes = field.non_negative("spec.replicas", spec.get("replicas"))
    causes += validate_selector(spec, "deployment") + validate_set_template(spec, "ReplicaSet")
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
    causes = int_or_percent(unavailable, f"{path}.maxUnavailable") + int_or_percent(surge, f"{path}.maxSurge")
    if not number(unavailable) and not number(surge):
        causes.append(field.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return causes + at_most_all(unavailable, f"{path}.maxUnavailable")


def _validate_deployment(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _deployment_spec(obj.get("spec") or {})


def _validate_deployment_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + _deployment_spec(obj.get("spec") or {}) + _same_selector(obj, old)


def _same_selector(obj: Object, old: Object) -> list[Cause]:
    return field.immutable("spec.selector", (obj.get("spec") or {}).get("selector"), (old.get("spec") or {}).get("selector"))


def _replicaset_spec(spec: Object) -> list[Cause]:
    causes = field.non_negative("spec.replicas", spec.get("replicas"))
    causes += field.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    return causes + validate_selector(spec, "deployment") + validate_set_template(spec, "ReplicaSet")


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
    return causes + validate_collisions(status, before)


def _validate_replicaset_status(obj: Object, old: Object) -> list[Cause]:
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas", "observedGeneration")
    causes = metadata.validate_update(obj, old)
    return causes + validate_counts(obj.get("status") or {}, counts, ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"))


def validate_counts(status: Object, counts: tuple[str, ...], parts: tuple[str, ...]) -> list[Cause]:
    """parts: counts of some of the replicas."""
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


DEPLOYMENT = Kind(
    kinds.DEPLOYMENTS,
    "io.k8s.api.apps.v1.Deployment",
    default=default_deployment,
    prepare_create=strategy.create(status={}),
    prepare_update=strategy.update(frozen_in_status=("labels",), counted=("annotations",)),
    validate=_validate_deployment,
    validate_update=_validate_deployment_update,
    validate_status_update=_validate_deployment_status,
    warnings=warnings,
    warnings_on_update=warnings_on_update,
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
    warnings=warnings,
    warnings_on_update=warnings_on_update,
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
