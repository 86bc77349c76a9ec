"""A pod's spec as a whole, in pods and in templates."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.metadata import annotations, labels
from pilothouse.engine.apiserver.kinds.pod_validation import naming, scheduling
from pilothouse.engine.apiserver.kinds.pod_validation.containers import (
    Surroundings,
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from pilothouse.engine.apiserver.kinds.pod_validation.platform import validate_os
from pilothouse.engine.apiserver.kinds.pod_validation.resources import quantity, resource_name, validate_resources
from pilothouse.engine.apiserver.kinds.pod_validation.security import validate_pod_context
from pilothouse.engine.apiserver.kinds.pod_validation.volumes import validate_volumes
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DEADLINE_MAX_S = 2**31 - 1
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")


def validate_pod_spec(spec: Object, path: str) -> list[Cause]:
    get = spec.get
    volumes, causes = validate_volumes(get("volumes") or [], f"{path}.volumes")
    claims = get("resourceClaims") or []
    if claims:
        causes += _claims(claims, f"{path}.resourceClaims")
    policy = get("restartPolicy") or ""
    around = Surroundings(
        volumes,
        [claim.get("name") or "" for claim in claims],
        get("terminationGracePeriodSeconds") or 0,
        policy,
        get("hostUsers") is not False,
    )
    causes += _all_containers(spec, around, path)
    if resources := get("resources"):
        causes += validate_resources(resources, [], f"{path}.resources")
    if get("hostNetwork"):
        causes += _host_network(spec, path)
    if policy not in RESTART_POLICIES:
        causes.append(_one_of(f"{path}.restartPolicy", policy, RESTART_POLICIES))
    causes += naming.validate_dns_policy(get("dnsPolicy") or "", f"{path}.dnsPolicy")
    if selector := get("nodeSelector"):
        causes += labels(selector, f"{path}.nodeSelector")
    causes += validate_pod_context(spec, path)
    return causes + _placement(spec, path) + _own_names(spec, path) + _rest(spec, path)


def _all_containers(spec: Object, around: Surroundings, path: str) -> list[Cause]:
    regular, init = spec.get("containers") or [], spec.get("initContainers") or []
    causes = validate_containers(regular, around, f"{path}.containers")
    if init:
        causes += validate_init_containers(init, regular, around, f"{path}.initContainers")
    if ephemeral := spec.get("ephemeralContainers"):
        causes += validate_ephemeral_containers(ephemeral, [*regular, *init], around, f"{path}.ephemeralContainers")
    return causes


def _one_of(path: str, value: str, supported: tuple[str, ...]) -> Cause:
    return field.not_supported(path, value, supported) if value else field.required(path)


def _claims(claims: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, claim in field.until_enough(causes, enumerate(claims)):
        here, name = f"{path}[{i}]", claim.get("name") or ""
        if not name:
            causes.append(field.required(f"{here}.name"))
        elif name in seen:
            causes.append(field.duplicate(f"{here}.name", name))
        else:
            causes += field.each_invalid(f"{here}.name", name, names.dns1123_label(name))
        seen.add(name)
        given = [kind for kind in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(kind)]
        if len(given) != 1:
            said = "at most one of" if given else "must specify one of:"
            causes.append(field.invalid(here, claim, f"{said} `resourceClaimName`, `resourceClaimTemplateName`"))
    return causes


def _host_network(spec: Object, path: str) -> list[Cause]:
    return [
        field.invalid(
            f"{path}.{kind}[{i}].ports[{j}].hostPort", port.get("hostPort"), "must match `containerPort` when `hostNetwork` is true"
        )
        for kind in ("containers", "initContainers")
        for i, container in enumerate(spec.get(kind) or ())
        for j, port in enumerate(container.get("ports") or ())
        if (port.get("hostPort") or 0) != (port.get("containerPort") or 0)
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
    return causes


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
    for name in field.until_enough(causes, ("priorityClassName", "runtimeClassName")):
        if value := get(name):
            causes += field.each_invalid(f"{path}.{name}", value, names.dns1123_subdomain(value))
    if (preemption := get("preemptionPolicy")) not in (None, *PREEMPTION_POLICIES):
        causes.append(_one_of(f"{path}.preemptionPolicy", preemption or "", PREEMPTION_POLICIES))
    for resource, value in field.until_enough(causes, (get("overhead") or {}).items()):
        here = f"{path}.overhead[{resource}]"
        causes += resource_name(resource, here) + quantity(value, here)
    if get("os") is not None:
        causes += validate_os(spec, path)
    return causes


def validate_template(template: Object, path: str) -> list[Cause]:
    """A PodTemplateSpec: its labels and annotations, its spec, and nothing that only running pods have."""
    meta = template.get("metadata") or {}
    causes = labels(meta.get("labels") or {}, f"{path}.metadata.labels")
    causes += annotations(meta.get("annotations") or {}, f"{path}.metadata.annotations")
    spec = template.get("spec") or {}
    causes += validate_pod_spec(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        causes.append(field.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))
    return causes
