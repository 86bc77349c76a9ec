"""Containers, init containers and ephemeral containers."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.environment import validate_env, validate_env_from
from pilothouse.engine.apiserver.kinds.pod_validation.mounts import validate_devices, validate_mounts
from pilothouse.engine.apiserver.kinds.pod_validation.probes import validate_lifecycle, validate_probes
from pilothouse.engine.apiserver.kinds.pod_validation.resources import validate_resize_policy, validate_resources
from pilothouse.engine.apiserver.kinds.pod_validation.security import validate_container_context
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
NOT_FOR_INIT = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
NOT_FOR_EPHEMERAL = ("ports", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "resources", "resizePolicy")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container's rules need to know of its pod."""

    volumes: Mapping[str, Object]
    claim_names: list[str]
    grace_s: int
    restart_policy: str
    host_users: bool


def validate_containers(containers: list[Object], around: Surroundings, path: str) -> list[Cause]:
    if not containers:
        return [field.required(path)]
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, container in field.until_enough(causes, enumerate(containers)):
        here = f"{path}[{i}]"
        causes += _common(container, around, here)
        causes += _unique_name(container, seen, here)
        causes += _running(container, around, here)
        if container.get("restartPolicy") is not None:
            causes += _restart_policy(container, here)
    return causes + _host_port_conflicts(containers, path)


def validate_init_containers(containers: list[Object], regular: list[Object], around: Surroundings, path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen = {container.get("name") or "" for container in regular} - {""}
    for i, container in field.until_enough(causes, enumerate(containers)):
        here = f"{path}[{i}]"
        causes += _common(container, around, here)
        causes += _unique_name(container, seen, here)
        causes += _host_port_conflicts([container], path)
        if container.get("restartPolicy") == "Always":
            causes += _running(container, around, here)
            continue
        detail = "may not be set for init containers without restartPolicy=Always"
        causes += [field.forbidden(f"{here}.{name}", detail) for name in NOT_FOR_INIT if container.get(name) is not None]
        if container.get("restartPolicy") is not None:
            causes += _restart_policy(container, here)
    return causes


def validate_ephemeral_containers(containers: list[Object], others: list[Object], around: Surroundings, path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen = {container.get("name") or "" for container in others} - {""}
    targets = {container.get("name") for container in others}
    for i, container in field.until_enough(causes, enumerate(containers)):
        here = f"{path}[{i}]"
        causes += _common(container, around, here)
        causes += _unique_name(container, seen, here)
        if (target := container.get("targetContainerName")) and target not in targets:
            causes.append(field.not_found(f"{here}.targetContainerName", target))
        causes += [
            field.forbidden(f"{here}.{name}", "field is not allowed for ephemeral containers")
            for name in NOT_FOR_EPHEMERAL
            if container.get(name)
        ]
    return causes


def _common(container: Object, around: Surroundings, path: str) -> list[Cause]:
    get = container.get
    causes = _identity(container, path)
    policy = get("terminationMessagePolicy") or ""
    if policy not in MESSAGE_POLICIES:
        causes.append(_one_of(f"{path}.terminationMessagePolicy", policy, MESSAGE_POLICIES))
    if ports := get("ports"):
        causes += _ports(ports, f"{path}.ports")
    if env := get("env"):
        causes += validate_env(env, f"{path}.env")
    if sources := get("envFrom"):
        causes += validate_env_from(sources, f"{path}.envFrom")
    if get("volumeMounts"):
        causes += validate_mounts(container, around.volumes, f"{path}.volumeMounts")
    if get("volumeDevices"):
        causes += validate_devices(container, around.volumes, f"{path}.volumeDevices")
    pull = get("imagePullPolicy") or ""
    if pull not in PULL_POLICIES:
        causes.append(_one_of(f"{path}.imagePullPolicy", pull, PULL_POLICIES))
    if resources := get("resources"):
        causes += validate_resources(resources, around.claim_names, f"{path}.resources")
    if policies := get("resizePolicy"):
        causes += validate_resize_policy(policies, around.restart_policy, f"{path}.resizePolicy")
    if context := get("securityContext"):
        causes += validate_container_context(context, host_users=around.host_users, path=f"{path}.securityContext")
    return causes


def _one_of(path: str, value: str, supported: tuple[str, ...]) -> Cause:
    return field.not_supported(path, value, supported) if value else field.required(path)


def _identity(container: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if name := container.get("name"):
        causes += field.each_invalid(f"{path}.name", name, names.dns1123_label(name))
    else:
        causes.append(field.required(f"{path}.name"))
    if not container.get("image"):
        causes.append(field.required(f"{path}.image"))
    return causes


def _unique_name(container: Object, seen: set[str], path: str) -> list[Cause]:
    name = container.get("name") or ""
    if name in seen:
        return [field.duplicate(f"{path}.name", name)]
    seen.add(name)
    return []


def _running(container: Object, around: Surroundings, path: str) -> list[Cause]:
    """What containers that keep running may have."""
    causes: list[Cause] = []
    if (lifecycle := container.get("lifecycle")) is not None:
        causes += validate_lifecycle(lifecycle, around.grace_s, f"{path}.lifecycle")
    return causes + validate_probes(container, around.grace_s, path)


def _restart_policy(container: Object, path: str) -> list[Cause]:
    policy = container["restartPolicy"]
    return [] if policy in RESTART_POLICIES else [field.not_supported(f"{path}.restartPolicy", policy, RESTART_POLICIES)]


def _ports(ports: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, port in field.until_enough(causes, enumerate(ports)):
        here = f"{path}[{i}]"
        if name := port.get("name"):
            if said := names.port_name(name):
                causes += field.each_invalid(f"{here}.name", name, said)
            elif name in seen:
                causes.append(field.duplicate(f"{here}.name", name))
            seen.add(name)
        number = port.get("containerPort") or 0
        if not number:
            causes.append(field.required(f"{here}.containerPort"))
        elif said := names.port_number(number):
            causes += field.each_invalid(f"{here}.containerPort", number, said)
        if number := port.get("hostPort") or 0:
            causes += field.each_invalid(f"{here}.hostPort", number, names.port_number(number))
        if (protocol := port.get("protocol") or "") not in PROTOCOLS:
            causes.append(_one_of(f"{here}.protocol", protocol, PROTOCOLS))
    return causes


def _host_port_conflicts(containers: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, container in field.until_enough(causes, enumerate(containers)):
        for j, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if key in seen:
                causes.append(field.duplicate(f"{path}[{i}].ports[{j}].hostPort", key))
            seen.add(key)
    return causes


def padded_images(spec: Object, path: str) -> list[Cause]:
    """Only pods are held to it: templates with padded images exist and must stay writable."""
    causes: list[Cause] = []
    for kind in field.until_enough(causes, ("containers", "initContainers", "ephemeralContainers")):
        for i, container in enumerate(spec.get(kind) or ()):
            image = container.get("image") or ""
            if image != image.strip():
                causes.append(field.invalid(f"{path}.{kind}[{i}].image", image, "must not have leading or trailing whitespace"))
    return causes
