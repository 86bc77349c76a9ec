"""Pods: how they begin, what may be said of them and what may change."""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import UNSUPPORTED_LABEL, Context, Kind
from pilothouse.engine.apiserver.kinds.pod_defaults import default_pod, default_template
from pilothouse.engine.apiserver.kinds.pod_validation.containers import padded_images
from pilothouse.engine.apiserver.kinds.pod_validation.spec import validate_pod_spec, validate_template
from pilothouse.engine.apiserver.kinds.pod_validation.update import validate_spec_update
from pilothouse.engine.apiserver.kinds.pod_validation.warnings import pod_warnings, spec_warnings
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


def qos_class(spec: Object) -> str:
    """Guaranteed when every container limits CPU and memory to what it requests, BestEffort when none says anything."""
    asked = False
    guaranteed = True
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ()), {"resources": spec.get("resources")}]:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        given = any(amount(side.get(name)) for side in (limits, requests) for name in _COMPUTE)
        asked = asked or given
        if "image" in container or "name" in container:
            equal = all(amount(limits.get(name)) and amount(limits.get(name)) == amount(requests.get(name)) for name in _COMPUTE)
            guaranteed = guaranteed and equal
    return "BestEffort" if not asked else "Guaranteed" if guaranteed else "Burstable"


_update = strategy.update(frozen_in_status=("ownerReferences",))


def prepare_update(obj: Object, old: Object, context: Context) -> None:
    if context.subresource == "binding":
        strategy.keep_owned(obj, old)
        return
    if context.subresource == "ephemeralcontainers":
        asked = (obj.get("spec") or {}).get("ephemeralContainers")
        kept = {name: value for name, value in old["spec"].items() if name != "ephemeralContainers"}
        obj["spec"] = kept | ({"ephemeralContainers": asked} if asked else {})
    _update(obj, old, context)
    status = obj.get("status") or {}
    if not status.get("qosClass") and (known := (old.get("status") or {}).get("qosClass")):
        obj["status"] = status | {"qosClass": known}


def validate(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _metadata_and_spec(obj, spec)
    if spec.get("ephemeralContainers"):
        causes.append(field.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        causes.append(field.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return causes


def _metadata_and_spec(obj: Object, spec: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    causes += validate_pod_spec(spec, "spec")
    return causes + padded_images(spec, "spec")


def validate_update(obj: Object, old: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = metadata.validate_update(obj, old)
    return causes + _metadata_and_spec(obj, spec) + validate_spec_update(spec, old.get("spec") or {})


def validate_ephemeral_update(obj: Object, old: Object) -> list[Cause]:
    """Ephemeral containers are added and never changed or taken away."""
    spec = obj.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _metadata_and_spec(obj, spec)
    new = {each.get("name"): each for each in spec.get("ephemeralContainers") or ()}
    for i, before in field.until_enough(causes, enumerate((old.get("spec") or {}).get("ephemeralContainers") or ())):
        path, name = f"spec.ephemeralContainers[{i}]", before.get("name")
        if name not in new:
            causes.append(field.forbidden("spec.ephemeralContainers", f'existing ephemeral containers "{name}" may not be removed\n'))
        elif new[name] != before:
            causes.append(field.forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n'))
    return causes


def _validate_binding(obj: Object, old: Object) -> list[Cause]:
    """The binding itself has been judged; the pod stays as valid as it was."""
    return metadata.validate_update(obj, old)


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    status, before = obj.get("status") or {}, old.get("status") or {}
    for i, address in field.until_enough(causes, enumerate(status.get("podIPs") or ())):
        ip = address.get("ip") or ""
        causes += field.each_invalid(f"status.podIPs[{i}]", ip, names.ip(ip))
    policy = (obj.get("spec") or {}).get("restartPolicy")
    causes += _transitions(status, before, "containerStatuses", restarts=policy == "Always" or (policy == "OnFailure"))
    return causes


def _transitions(status: Object, before: Object, kind: str, *, restarts: bool) -> list[Cause]:
    """A container that ended for good does not run again."""
    if restarts:
        return []
    ended = {c.get("name") for c in before.get(kind) or () if (c.get("state") or {}).get("terminated")}
    return [
        field.forbidden(f"status.{kind}[{i}].state", "may not be transitioned to non-terminated state")
        for i, container in enumerate(status.get(kind) or ())
        if container.get("name") in ended and not (container.get("state") or {}).get("terminated")
    ]


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
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.restartPolicy": spec.get("restartPolicy") or "",
        "spec.schedulerName": spec.get("schedulerName") or "",
        "spec.serviceAccountName": spec.get("serviceAccountName") or "",
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase") or "",
        "status.podIP": addresses[0].get("ip") or "" if addresses else status.get("podIP") or "",
        "status.podIPs": status.get("podIP") or "",
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
    validate_subresource={"binding": _validate_binding, "ephemeralcontainers": validate_ephemeral_update},
    warnings=pod_warnings,
    columns=printer.COLUMNS,
    cells=printer.cells,
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


PODTEMPLATE = Kind(
    kinds.PODTEMPLATES,
    "io.k8s.api.core.v1.PodTemplate",
    default=_default_podtemplate,
    prepare_create=strategy.create(),
    prepare_update=strategy.update(),
    validate=_validate_podtemplate,
    validate_update=_validate_podtemplate_update,
    warnings=lambda obj: spec_warnings((obj.get("template") or {}).get("spec") or {}, "template.spec"),
    columns=workloads.PODTEMPLATE_COLUMNS,
    cells=workloads.podtemplate_cells,
    returns_object_on_delete=True,
)
