"""StatefulSets: defaults, validation, and what of one may be changed.

Source: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation, pkg/registry/apps/statefulset/strategy.go. Unlike a server of this
version with its gates as they come, `maxUnavailable` of a rolling update is kept and carried out.
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
from pilothouse.model.json import Object, same

MOST_CLAIM_TEMPLATES = 100
_CHANGEABLE = (
    *("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy"),
    "minReadySeconds",
)
_FROZEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_RETENTION = ("Retain", "Delete")
_KEEPS_ALL = "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy.fill(spec, "replicas", 1)
    strategy.fill(spec, "revisionHistoryLimit", 10)
    chosen = spec.get("updateStrategy") or {}
    spec["updateStrategy"] = chosen
    chosen["type"] = chosen.get("type") or "RollingUpdate"
    if chosen["type"] == "RollingUpdate":
        strategy.fill(chosen, "rollingUpdate", {})
        strategy.fill(chosen["rollingUpdate"], "partition", 0)
    strategy.fill(spec, "persistentVolumeClaimRetentionPolicy", {})
    for event in ("whenDeleted", "whenScaled"):
        policy = spec["persistentVolumeClaimRetentionPolicy"]
        policy[event] = policy.get(event) or "Retain"
    for claim in spec.get("volumeClaimTemplates") or ():
        _default_claim(claim)
    default_set_template(spec)


def _default_claim(claim: Object) -> None:
    claim.update({"apiVersion": kinds.PERSISTENTVOLUMECLAIMS.api_version, "kind": kinds.PERSISTENTVOLUMECLAIMS.kind})
    strategy.fill(claim, "metadata", {})
    strategy.fill(claim, "spec", {})
    strategy.fill(claim["spec"], "volumeMode", "Filesystem")
    strategy.fill(claim["spec"], "resources", {})
    strategy.fill(claim, "status", {})
    claim["status"]["phase"] = claim["status"].get("phase") or "Pending"


def _validate_spec(spec: Object) -> list[Cause]:
    causes = _management(spec.get("podManagementPolicy") or "") + _update_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for event in ("whenDeleted", "whenScaled"):
        path = f"spec.persistentVolumeClaimRetentionPolicy.{event}"
        causes += field.none_or_one_of(path, retention.get(event), _RETENTION)
    causes += field.non_negative("spec.replicas", spec.get("replicas"))
    causes += field.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes += field.non_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    claims = _claim_templates(spec.get("volumeClaimTemplates") or [], "spec.volumeClaimTemplates")
    volumes = () if claims else tuple(_volume(each) for each in spec.get("volumeClaimTemplates") or ())
    causes += validate_selector(spec, "statefulset")
    return causes + validate_set_template(spec, "StatefulSet", bad_selector="", volumes=volumes) + claims


def _management(policy: str) -> list[Cause]:
    if not policy:
        return [field.required("spec.podManagementPolicy")]
    if policy in ("OrderedReady", "Parallel"):
        return []
    return [field.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")]


def _update_strategy(chosen: Object, path: str) -> list[Cause]:
    kind, rolling = chosen.get("type"), chosen.get("rollingUpdate")
    if kind == "RollingUpdate":
        return _rolling(rolling or {}, f"{path}.rollingUpdate")
    if not kind:
        return [field.required(path)]
    if kind != "OnDelete":
        return [field.invalid(path, {"Type": kind, "RollingUpdate": rolling}, "must be 'RollingUpdate' or 'OnDelete'")]
    if rolling is not None:
        value = {"Partition": rolling.get("partition"), "MaxUnavailable": rolling.get("maxUnavailable")}
        return [field.invalid(f"{path}.rollingUpdate", value, "only allowed for updateStrategy 'RollingUpdate'")]
    return []


def _rolling(rolling: Object, path: str) -> list[Cause]:
    causes = field.non_negative(f"{path}.partition", rolling.get("partition"))
    unavailable = rolling.get("maxUnavailable")
    if unavailable is None:
        return causes
    causes += int_or_percent(unavailable, f"{path}.maxUnavailable")
    if not number(unavailable):
        causes.append(field.invalid(f"{path}.maxUnavailable", unavailable, "cannot be 0"))
    return causes + at_most_all(unavailable, f"{path}.maxUnavailable")


def _claim_templates(templates: list[Object], path: str) -> list[Cause]:
    """Their names, from which those of claims and volumes are made: the rest is judged when a claim is created."""
    causes: list[Cause] = []
    unique = field.Unique()
    for i, each in enumerate(field.bounded(causes, path, templates, MOST_CLAIM_TEMPLATES)):
        name, here = (each.get("metadata") or {}).get("name") or "", f"{path}[{i}].metadata.name"
        causes += field.each_invalid(here, name, names.dns1123_label(name)) if name else [field.required(here)]
        causes += unique.check(here, name)
    return causes


def _volume(template: Object) -> Object:
    """What a pod gets for a claim: the name is one that fits."""
    name = template["metadata"]["name"]
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


def _validate(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = metadata.validate(obj, names.dns1123_subdomain) + _validate_spec(spec)
    if service := spec.get("serviceName"):
        causes += field.each_invalid("spec.serviceName", service, names.dns1123_label(service))
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _validate_spec(spec)
    if any(not same(spec.get(name), before.get(name)) for name in {*spec, *before}.difference(_CHANGEABLE)):
        causes.append(field.forbidden("spec", _FROZEN))
    return causes


def _validate_status(obj: Object, old: Object) -> list[Cause]:
    status = obj.get("status") or {}
    causes = metadata.validate_update(obj, old)
    for name in ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "observedGeneration"):
        causes += field.non_negative(f"status.{name}", status.get(name))
    total = status.get("replicas") or 0
    for name in ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"):
        part = status.get(name) or 0
        if part > total:
            causes.append(field.invalid(f"status.{name}", part, "cannot be greater than status.replicas"))
    available = status.get("availableReplicas") or 0
    if available > (status.get("readyReplicas") or 0):
        causes.append(field.invalid("status.availableReplicas", available, "cannot be greater than status.readyReplicas"))
    return causes + validate_collisions(status, old.get("status") or {})


def _limit_warning(obj: Object) -> list[str]:
    return [_KEEPS_ALL] if ((obj.get("spec") or {}).get("revisionHistoryLimit") or 0) < 0 else []


def _warnings(obj: Object) -> list[str]:
    return warnings(obj) + _limit_warning(obj)


def _warnings_on_update(obj: Object, old: Object) -> list[str]:
    return [*warnings_on_update(obj, old), *(_limit_warning(obj) if strategy.is_new_generation(obj, old) else [])]


STATEFULSET = Kind(
    kinds.STATEFULSETS,
    "io.k8s.api.apps.v1.StatefulSet",
    default=default,
    prepare_create=strategy.create(status={"availableReplicas": 0, "replicas": 0}),
    prepare_update=strategy.update(),
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status,
    warnings=_warnings,
    warnings_on_update=_warnings_on_update,
    columns=printer.STATEFULSET_COLUMNS,
    cells=printer.statefulset_cells,
)
