"""Pods: how they begin, what may be said of them and what may change."""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import UNSUPPORTED_LABEL, Context, Kind
from pilothouse.engine.apiserver.kinds.pod_defaults import default_pod, default_template
from pilothouse.engine.apiserver.kinds.pod_label_keys import select_own_labels
from pilothouse.engine.apiserver.kinds.pod_validation.annotations import (
    APP_ARMOR,
    MIRROR,
    Annotations,
    app_armor_profile,
    validate_agreement,
    validate_annotations,
    validate_annotations_update,
)
from pilothouse.engine.apiserver.kinds.pod_validation.containers import padded_images
from pilothouse.engine.apiserver.kinds.pod_validation.ephemeral import keep_all_but_ephemeral, validate_ephemeral_update
from pilothouse.engine.apiserver.kinds.pod_validation.resize import keep_all_but_resources, validate_resize
from pilothouse.engine.apiserver.kinds.pod_validation.security import validate_app_armor
from pilothouse.engine.apiserver.kinds.pod_validation.spec import validate_pod_spec, validate_template
from pilothouse.engine.apiserver.kinds.pod_validation.status import validate_status
from pilothouse.engine.apiserver.kinds.pod_validation.update import validate_spec_update
from pilothouse.engine.apiserver.kinds.pod_validation.visit import containers
from pilothouse.engine.apiserver.kinds.pod_warnings.spec import pod_warnings, template_warnings
from pilothouse.engine.apiserver.kinds.printers import pods as printer
from pilothouse.engine.apiserver.kinds.printers import workloads
from pilothouse.engine.apiserver.kinds.quantities import amount
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.meta import rfc3339

_GATED = "Scheduling is blocked due to non-empty scheduling gates"
_COMPUTE = ("cpu", "memory")
FINISHED = ("Succeeded", "Failed")


def prepare_create(obj: Object, context: Context) -> None:
    spec = obj.get("spec") or {}
    obj["metadata"]["generation"] = 1
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(spec)}
    if spec.get("schedulingGates"):
        gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": _GATED}
        obj["status"]["conditions"] = [gated | {"lastProbeTime": None, "lastTransitionTime": rfc3339(context.now.timestamp())}]
    if spec.get("affinity") or spec.get("topologySpreadConstraints"):
        select_own_labels(spec, obj["metadata"].get("labels") or {})
    if any(key.startswith(APP_ARMOR) for key in _annotations(obj)):
        _follow_app_armor(spec, _annotations(obj))


def _follow_app_armor(spec: Object, annotations: Annotations) -> None:
    """Profiles that only annotations name become fields of their containers."""
    if (spec.get("os") or {}).get("name") == "windows":
        return
    of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    for container, _ in containers(spec, ""):
        stated, own = annotations.get(APP_ARMOR + (container.get("name") or "")), container.get("securityContext") or {}
        if stated is None or own.get("appArmorProfile") is not None:
            continue
        profile = app_armor_profile(stated)
        if profile is not None and profile != of_pod and not validate_app_armor(profile, ""):
            container["securityContext"] = own | {"appArmorProfile": profile}


def qos_class(spec: Object) -> str:
    """Guaranteed when every container limits CPU and memory to what it requests, BestEffort when none says anything.

    Resources of the pod as a whole say it for all of its containers. Source: pkg/apis/core/v1/helper/qos.
    """
    asked = False
    guaranteed = True
    own: Object = spec.get("resources") or {}
    several = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    for container in [{"resources": own}] if own.get("limits") or own.get("requests") else several:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        given = any(amount(side.get(name)) for side in (limits, requests) for name in _COMPUTE)
        asked = asked or given
        equal = all(amount(limits.get(name)) and amount(limits.get(name)) == amount(requests.get(name)) for name in _COMPUTE)
        guaranteed = guaranteed and equal
    return "BestEffort" if not asked else "Guaranteed" if guaranteed else "Burstable"


_update = strategy.update(frozen_in_status=("ownerReferences",))


def prepare_update(obj: Object, old: Object, context: Context) -> None:
    if context.subresource == "binding":
        strategy.keep_owned(obj, old)
        return
    if context.subresource == "ephemeralcontainers":
        keep_all_but_ephemeral(obj, old)
    if context.subresource == "resize":
        keep_all_but_resources(obj, old)
    _update(obj, old, context)
    if context.subresource != "status":
        return
    status, before = obj.get("status") or {}, old.get("status") or {}
    for name in ("qosClass", "observedGeneration"):
        if not status.get(name) and (known := before.get(name)):
            status = status | {name: known}
    obj["status"] = status = _with_addresses_aligned(status)
    _keep_observed(status.get("conditions") or [], before.get("conditions") or [])


def _with_addresses_aligned(status: Object) -> Object:
    """podIP is the first of podIPs, which are what is judged; one that differs from them is all that there is.

    Source: pkg/apis/core/v1/conversion.go (Convert_v1_PodStatus_To_core_PodStatus).
    """
    address, entries = status.get("podIP") or "", status.get("podIPs") or []
    first = (entries[0].get("ip") or "") if entries else ""
    if address and address != first:
        return status | {"podIPs": [{"ip": address}]}
    return status | {"podIP": first} if first else status


def _keep_observed(conditions: list[Object], before: list[Object]) -> None:
    """A condition that names no generation keeps the one that it named; conditions of one type go by their order."""
    known: dict[str, list[int]] = {}
    for condition in reversed(before):
        known.setdefault(condition.get("type") or "", []).append(condition.get("observedGeneration") or 0)
    for condition in conditions:
        generations = known.get(condition.get("type") or "")
        generation = generations.pop() if generations else 0
        if generation and not condition.get("observedGeneration"):
            condition["observedGeneration"] = generation


def validate(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _metadata_and_spec(obj, spec)
    if spec.get("ephemeralContainers"):
        causes.append(field.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        causes.append(field.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return causes + validate_agreement(_annotations(obj), spec, "spec")


def _annotations(obj: Object) -> Annotations:
    found: Annotations = obj["metadata"].get("annotations") or {}
    return found


def _metadata_and_spec(obj: Object, spec: Object, before: Annotations | None = None) -> list[Cause]:
    """before: the annotations of the stored object, None for a new one."""
    causes = metadata.validate(obj, names.dns1123_subdomain)
    if annotations := _annotations(obj):
        causes += validate_annotations(annotations, spec, "metadata.annotations", before)
    causes += validate_pod_spec(spec, "spec", obj["metadata"])
    if not spec.get("serviceAccountName"):
        causes += _tokens_of_nobody(spec)
    return causes + padded_images(spec, "spec")


def _tokens_of_nobody(spec: Object) -> list[Cause]:
    return [
        field.forbidden(
            f"spec.volumes[{i}].projected.sources[{j}].serviceAccountToken", "must not be specified when serviceAccountName is not set"
        )
        for i, volume in enumerate(spec.get("volumes") or ())
        for j, source in enumerate((volume.get("projected") or {}).get("sources") or ())
        if source.get("serviceAccountToken") is not None
    ]


def validate_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, _annotations(old)
    causes = metadata.validate_update(obj, old) + _metadata_and_spec(obj, spec, before)
    causes += validate_annotations_update(_annotations(obj), before, spec, "metadata.annotations")
    return causes + validate_spec_update(spec, old.get("spec") or {})


def _validate_ephemeral(obj: Object, old: Object) -> list[Cause]:
    if MIRROR in _annotations(old):
        return [field.forbidden("[]", "static pods do not support ephemeral containers")]
    spec = obj.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _metadata_and_spec(obj, spec, _annotations(old))
    return causes + validate_ephemeral_update(spec, old.get("spec") or {})


def _validate_resize(obj: Object, old: Object) -> list[Cause]:
    if MIRROR in _annotations(old):
        return [field.forbidden("[]", "static pods cannot be resized")]
    spec = obj.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _metadata_and_spec(obj, spec, _annotations(old))
    return causes + validate_resize(spec, old.get("spec") or {}, qos_class)


def _validate_binding(obj: Object, old: Object) -> list[Cause]:
    """The binding itself has been judged; the pod stays as valid as it was."""
    return metadata.validate_update(obj, old)


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    causes += validate_annotations_update(_annotations(obj), _annotations(old), obj.get("spec") or {}, "metadata.annotations")
    return causes + validate_status(obj, old)


def grace_s(obj: Object, asked_s: int | None) -> int:
    """Seconds a pod is given to end; one that no node runs, or that has ended, goes at once."""
    spec = obj.get("spec") or {}
    if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in FINISHED:
        return 0
    granted = asked_s if asked_s is not None else spec.get("terminationGracePeriodSeconds")
    return 1 if (granted or 0) < 0 else granted or 0


def selectable(obj: Object) -> dict[str, str]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    addresses = status.get("podIPs") or ()
    return metadata.selectable(obj) | {
        "spec.host": spec.get("nodeName") or "",  # What clients of long ago call it.
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.restartPolicy": spec.get("restartPolicy") or "",
        "spec.schedulerName": spec.get("schedulerName") or "",
        "spec.serviceAccountName": spec.get("serviceAccountName") or "",
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase") or "",
        "status.podIP": addresses[0].get("ip") or "" if addresses else status.get("podIP") or "",
        "status.podIPs": "",
        "status.nominatedNodeName": status.get("nominatedNodeName") or "",
    }


POD = Kind(
    kinds.PODS,
    "io.k8s.api.core.v1.Pod",
    default=default_pod,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    validate_status_update=validate_status_update,
    validate_subresource={"binding": _validate_binding, "ephemeralcontainers": _validate_ephemeral, "resize": _validate_resize},
    warnings=pod_warnings,
    warnings_on_update=lambda obj, old: [],
    columns=printer.COLUMNS,
    cells=printer.cells,
    row_conditions=printer.row_conditions,
    selectable=selectable,
    selectable_fields=frozenset(selectable({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
    returns_object_on_delete=True,
    grace_s=grace_s,
)


def _default_podtemplate(obj: Object) -> None:
    default_template(obj.setdefault("template", {}))


def _validate_podtemplate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + validate_template(obj.get("template") or {}, "template")


def _validate_podtemplate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + validate_template(obj.get("template") or {}, "template")


def _podtemplate_warnings_on_update(obj: Object, old: Object) -> list[str]:
    return template_warnings(obj.get("template") or {}, "template") if strategy.is_new_generation(obj, old) else []


PODTEMPLATE = Kind(
    kinds.PODTEMPLATES,
    "io.k8s.api.core.v1.PodTemplate",
    default=_default_podtemplate,
    prepare_create=strategy.create(),
    prepare_update=strategy.update(),
    validate=_validate_podtemplate,
    validate_update=_validate_podtemplate_update,
    warnings=lambda obj: template_warnings(obj.get("template") or {}, "template"),
    warnings_on_update=_podtemplate_warnings_on_update,
    columns=workloads.PODTEMPLATE_COLUMNS,
    cells=workloads.podtemplate_cells,
    returns_object_on_delete=True,
)

BINDING = Kind(kinds.BINDINGS, "io.k8s.api.core.v1.Binding", is_stored=False)
