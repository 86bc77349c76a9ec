"""A pod's spec as a whole, in pods and in templates."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.metadata import annotations, labels
from pilothouse.engine.apiserver.kinds.pod_validation import naming, scheduling
from pilothouse.engine.apiserver.kinds.pod_validation.annotations import MIRROR, validate_agreement, validate_annotations
from pilothouse.engine.apiserver.kinds.pod_validation.containers import (
    PodFacts,
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from pilothouse.engine.apiserver.kinds.pod_validation.platform import validate_os, validate_user_namespace
from pilothouse.engine.apiserver.kinds.pod_validation.pod_resources import validate_pod_resources
from pilothouse.engine.apiserver.kinds.pod_validation.resources import validate_resources
from pilothouse.engine.apiserver.kinds.pod_validation.security import validate_pod_context
from pilothouse.engine.apiserver.kinds.pod_validation.visit import containers
from pilothouse.engine.apiserver.kinds.pod_validation.volumes import validate_volumes
from pilothouse.engine.apiserver.kinds.pod_validation.windows import validate_host_processes
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DEADLINE_MAX_S = 2**31 - 1
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
_STATIC = "static pods do not support resource claims"


def validate_pod_spec(spec: Object, path: str, meta: Object | None = None) -> list[Cause]:
    """meta: of the pod itself, None for the spec of a template."""
    get = spec.get
    volumes, causes = validate_volumes(get("volumes") or [], f"{path}.volumes", (meta or {}).get("name") or "")
    claims = get("resourceClaims") or []
    if claims and MIRROR in ((meta or {}).get("annotations") or {}):
        causes += [field.forbidden("[]", _STATIC) for _ in claims]
    elif claims:
        causes += _claims(claims, f"{path}.resourceClaims")
    policy = get("restartPolicy") or ""
    around = PodFacts(
        volumes,
        [claim["name"] for claim in claims if claim.get("name")],
        get("terminationGracePeriodSeconds") or 0,
        policy,
        get("hostUsers") is not False,
        (get("os") or {}).get("name") or "",
    )
    causes += _all_containers(spec, around, path)
    if get("resources") is not None:
        causes += validate_pod_resources(spec, path)
    if get("hostNetwork"):
        causes += _host_network(spec, path, is_pod=meta is not None)
    causes += field.one_of(f"{path}.restartPolicy", policy, RESTART_POLICIES)
    causes += naming.validate_dns_policy(get("dnsPolicy") or "", f"{path}.dnsPolicy")
    if selector := get("nodeSelector"):
        causes += labels(selector, f"{path}.nodeSelector")
    causes += validate_pod_context(spec, path)
    return causes + _placement(spec, path) + _own_names(spec, path) + _rest(spec, path)


def _all_containers(spec: Object, around: PodFacts, path: str) -> list[Cause]:
    regular, init = spec.get("containers") or [], spec.get("initContainers") or []
    causes = validate_containers(regular, around, f"{path}.containers")
    if init:
        causes += validate_init_containers(init, regular, around, f"{path}.initContainers")
    if ephemeral := spec.get("ephemeralContainers"):
        causes += validate_ephemeral_containers(ephemeral, [*regular, *init], around, f"{path}.ephemeralContainers")
    return causes


def _claims(claims: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, claim in field.until_enough(causes, enumerate(claims)):
        here, name = f"{path}[{i}]", claim.get("name") or ""
        if not name:
            causes.append(field.required(f"{here}.name"))
        else:
            causes += unique.check(f"{here}.name", name) or field.each_invalid(f"{here}.name", name, names.dns1123_label(name))
        causes += _claim_source(claim, here)
    return causes


def _claim_source(claim: Object, path: str) -> list[Cause]:
    given = [kind for kind in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(kind) is not None]
    causes: list[Cause] = []
    if len(given) > 1:
        causes.append(field.invalid(path, claim, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"))
    if not given:
        causes.append(field.invalid(path, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"))
    for kind in given:
        causes += field.each_invalid(f"{path}.{kind}", claim[kind], names.dns1123_subdomain(claim[kind]))
    return causes


def _host_network(spec: Object, path: str, *, is_pod: bool) -> list[Cause]:
    """A template may leave out the port of the host: its pods get it by default."""
    return [
        field.invalid(f"{path}.containers[{i}].ports[{j}].hostPort", of_host, "must match `containerPort` when `hostNetwork` is true")
        for i, container in enumerate(spec.get("containers") or ())
        for j, port in enumerate(container.get("ports") or ())
        for of_host in [port.get("hostPort") or 0]
        if (is_pod or of_host) and of_host != (port.get("containerPort") or 0)
    ]


def _placement(spec: Object, path: str) -> list[Cause]:
    get = spec.get
    causes: list[Cause] = []
    if affinity := get("affinity"):
        causes += scheduling.validate_affinity(affinity, f"{path}.affinity")
    causes += naming.validate_dns_config(get("dnsConfig"), get("dnsPolicy") or "", f"{path}.dnsConfig")
    for i, gate in field.until_enough(causes, enumerate(get("readinessGates") or ())):
        kind = gate.get("conditionType") or ""
        causes += field.each_invalid(f"{path}.readinessGates[{i}].conditionType", kind, names.qualified_name(kind))
    if gates := get("schedulingGates"):
        causes += scheduling.validate_gates(gates, f"{path}.schedulingGates")
    if constraints := get("topologySpreadConstraints"):
        causes += scheduling.validate_spread(constraints, f"{path}.topologySpreadConstraints")
    causes += validate_host_processes(spec, path) + validate_user_namespace(spec, path)
    return causes + naming.validate_hostname_override(spec, path)


def _own_names(spec: Object, path: str) -> list[Cause]:
    get = spec.get
    causes: list[Cause] = []
    for name in field.until_enough(causes, ("serviceAccountName", "nodeName")):
        if value := get(name):
            causes += field.each_invalid(f"{path}.{name}", value, names.dns1123_subdomain(value))
    deadline_s = get("activeDeadlineSeconds")
    if deadline_s is not None and not 1 <= deadline_s <= DEADLINE_MAX_S:
        causes.append(field.invalid(f"{path}.activeDeadlineSeconds", deadline_s, names.out_of_range(1, DEADLINE_MAX_S)))
    for name in field.until_enough(causes, ("hostname", "subdomain")):
        if value := get(name):
            causes += field.each_invalid(f"{path}.{name}", value, names.dns1123_label(value))
    return causes


def _rest(spec: Object, path: str) -> list[Cause]:
    get = spec.get
    causes: list[Cause] = []
    if tolerations := get("tolerations"):
        causes += scheduling.validate_tolerations(tolerations, f"{path}.tolerations")
    if aliases := get("hostAliases"):
        causes += naming.validate_host_aliases(aliases, f"{path}.hostAliases")
    if priority := get("priorityClassName"):
        causes += field.each_invalid(f"{path}.priorityClassName", priority, names.dns1123_subdomain(priority))
    if (runtime := get("runtimeClassName")) is not None:
        causes += field.each_invalid(f"{path}.runtimeClassName", runtime, names.dns1123_subdomain(runtime))
    if (preemption := get("preemptionPolicy")) is not None:
        causes += field.one_of(f"{path}.preemptionPolicy", preemption, PREEMPTION_POLICIES)
    if overhead := get("overhead"):
        causes += validate_resources({"limits": overhead}, [], f"{path}.overhead")
    if get("os") is not None:
        causes += validate_os(spec, path)
    return causes + _files_of_variables(spec, path)


def _files_of_variables(spec: Object, path: str) -> list[Cause]:
    """Variables come from files that containers of the pod have written, so from an emptyDir."""
    sources = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    causes: list[Cause] = []
    refs = (
        (ref.get("volumeName") or "", f"{here}.env[{j}].valueFrom.fileKeyRef.volumeName")
        for container, here in containers(spec, path)
        for j, variable in enumerate(container.get("env") or ())
        if (ref := (variable.get("valueFrom") or {}).get("fileKeyRef")) is not None
    )
    for volume, here in field.until_enough(causes, refs):
        if volume not in sources:
            causes.append(field.not_found(here, volume))
        elif sources[volume].get("emptyDir") is None:
            causes.append(field.invalid(here, volume, "referenced volume must be of type emptyDir"))
    return causes


def validate_template(template: Object, path: str) -> list[Cause]:
    """A PodTemplateSpec: its labels and annotations, its spec, and nothing that only running pods have.

    Upstream reports the metadata at the template itself.
    """
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    notes = meta.get("annotations") or {}
    causes = labels(meta.get("labels") or {}, f"{path}.labels")
    if notes:
        causes += annotations(notes, f"{path}.annotations") + validate_annotations(notes, spec, f"{path}.annotations")
    causes += validate_pod_spec(spec, f"{path}.spec") + validate_agreement(notes, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        causes.append(field.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))
    return causes
