"""Containers, init containers and ephemeral containers."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.environment import validate_env, validate_env_from
from pilothouse.engine.apiserver.kinds.pod_validation.mounts import validate_devices, validate_mounts
from pilothouse.engine.apiserver.kinds.pod_validation.probes import validate_lifecycle, validate_probes
from pilothouse.engine.apiserver.kinds.pod_validation.resources import validate_resize_policy, validate_resources
from pilothouse.engine.apiserver.kinds.pod_validation.restarts import validate_restarts
from pilothouse.engine.apiserver.kinds.pod_validation.security import validate_container_context
from pilothouse.engine.apiserver.kinds.pod_validation.stop_signals import validate_stop_signal
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
NOT_FOR_INIT = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
# In the order of the schema's type.
NOT_FOR_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)
_NOT_FOR_EPHEMERAL = "cannot be set for an Ephemeral Container"


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What a container's rules need to know of its pod."""

    volumes: Mapping[str, Object]
    claim_names: list[str]
    grace_s: int
    restart_policy: str
    host_users: bool
    os_name: str


def validate_containers(containers: list[Object], around: PodFacts, path: str) -> list[Cause]:
    if not containers:
        return [field.required(path)]
    causes: list[Cause] = []
    unique = field.Unique()
    for i, container in field.until_enough(causes, enumerate(containers)):
        here = f"{path}[{i}]"
        causes += _common(container, around, here)
        causes += unique.check(f"{here}.name", container.get("name") or "")
        causes += _running(container, around, here) + validate_restarts(container, here)
    return causes + _host_port_conflicts(containers, path)


def validate_init_containers(containers: list[Object], regular: list[Object], around: PodFacts, path: str) -> list[Cause]:
    causes: list[Cause] = []
    taken = {container.get("name") or "" for container in regular}
    for i, container in field.until_enough(causes, enumerate(containers)):
        here, name = f"{path}[{i}]", container.get("name") or ""
        causes += _common(container, around, here) + validate_restarts(container, here)
        if name in taken:
            causes.append(field.duplicate(f"{here}.name", name))
        elif name:
            taken.add(name)
        causes += _host_port_conflicts([container], path)
        causes += _running(container, around, here) if container.get("restartPolicy") == "Always" else _running_once(container, here)
    return causes


def _running_once(container: Object, path: str) -> list[Cause]:
    """What an init container that is no sidecar may not have."""
    detail = "may not be set for init containers without restartPolicy=Always"
    causes = [field.forbidden(f"{path}.{name}", detail) for name in NOT_FOR_INIT if container.get(name) is not None]
    return causes + [
        field.invalid(
            f"{path}.resizePolicy[{j}].restartPolicy",
            "RestartContainer",
            "must not be set to 'RestartContainer' for non-sidecar initContainers",
        )
        for j, policy in field.until_enough(causes, enumerate(container.get("resizePolicy") or ()))
        if policy.get("restartPolicy") == "RestartContainer"
    ]


def validate_ephemeral_containers(containers: list[Object], others: list[Object], around: PodFacts, path: str) -> list[Cause]:
    causes: list[Cause] = []
    targets = {container.get("name") or "" for container in others}
    unique = field.Unique(targets)
    for i, container in field.until_enough(causes, enumerate(containers)):
        here = f"{path}[{i}]"
        causes += _common(container, around, here) + _padded_image(container, here)
        causes += unique.check(f"{here}.name", container.get("name") or "")
        if (target := container.get("targetContainerName")) and target not in targets:
            causes.append(field.not_found(f"{here}.targetContainerName", target))
        causes += [field.forbidden(f"{here}.{name}", _NOT_FOR_EPHEMERAL) for name in NOT_FOR_EPHEMERAL if container.get(name)]
        causes += [
            field.forbidden(f"{here}.volumeMounts[{j}].{name}", _NOT_FOR_EPHEMERAL)
            for j, mount in enumerate(container.get("volumeMounts") or ())
            for name in ("subPath", "subPathExpr")
            if mount.get(name)
        ]
    return causes


def _common(container: Object, around: PodFacts, path: str) -> list[Cause]:
    get = container.get
    causes = _identity(container, path)
    causes += field.one_of(f"{path}.terminationMessagePolicy", get("terminationMessagePolicy") or "", MESSAGE_POLICIES)
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
    causes += field.one_of(f"{path}.imagePullPolicy", get("imagePullPolicy") or "", PULL_POLICIES)
    if resources := get("resources"):
        causes += validate_resources(resources, around.claim_names, f"{path}.resources")
    if policies := get("resizePolicy"):
        causes += validate_resize_policy(policies, around.restart_policy, f"{path}.resizePolicy")
    if context := get("securityContext"):
        causes += validate_container_context(context, host_users=around.host_users, path=f"{path}.securityContext")
    return causes


def _identity(container: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if name := container.get("name"):
        causes += field.each_invalid(f"{path}.name", name, names.dns1123_label(name))
    else:
        causes.append(field.required(f"{path}.name"))
    if not container.get("image"):
        causes.append(field.required(f"{path}.image"))
    return causes


def _running(container: Object, around: PodFacts, path: str) -> list[Cause]:
    """What containers that keep running may have."""
    causes: list[Cause] = []
    if (lifecycle := container.get("lifecycle")) is not None:
        causes += validate_lifecycle(lifecycle, around.grace_s, f"{path}.lifecycle")
        if (signal := lifecycle.get("stopSignal")) is not None:
            causes += validate_stop_signal(signal, around.os_name, f"{path}.lifecycle.stopSignal")
    return causes + validate_probes(container, around.grace_s, path)


def _ports(ports: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, port in field.until_enough(causes, enumerate(ports)):
        here = f"{path}[{i}]"
        if name := port.get("name"):
            causes += field.each_invalid(f"{here}.name", name, names.port_name(name)) or unique.check(f"{here}.name", name)
        number = port.get("containerPort") or 0
        if not number:
            causes.append(field.required(f"{here}.containerPort"))
        elif said := names.port_number(number):
            causes += field.each_invalid(f"{here}.containerPort", number, said)
        if number := port.get("hostPort") or 0:
            causes += field.each_invalid(f"{here}.hostPort", number, names.port_number(number))
        causes += field.one_of(f"{here}.protocol", port.get("protocol") or "", PROTOCOLS)
    return causes


def _host_port_conflicts(containers: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, container in field.until_enough(causes, enumerate(containers)):
        for j, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{port['hostPort']}"
            causes += unique.check(f"{path}[{i}].ports[{j}].hostPort", key)
    return causes


def padded_images(spec: Object, path: str) -> list[Cause]:
    """Only pods are held to it: templates with padded images exist and must stay writable."""
    causes: list[Cause] = []
    for kind in field.until_enough(causes, ("containers", "initContainers")):
        for i, container in enumerate(spec.get(kind) or ()):
            causes += _padded_image(container, f"{path}.{kind}[{i}]")
    return causes


def _padded_image(container: Object, path: str) -> list[Cause]:
    image = container.get("image") or ""
    return [] if image == image.strip() else [field.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")]
