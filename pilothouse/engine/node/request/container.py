"""From a container of a pod to what the runtime is asked to create: command, environment, mounts, limits, privileges. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.environment import expand_all
from pilothouse.engine.node.request.resources import linux_resources
from pilothouse.engine.node.request.sandbox import namespaces
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import (
    CONTAINER_NAME,
    MESSAGE_FILE,
    MESSAGE_PATH,
    MESSAGE_POLICY,
    POD_NAME,
    POD_NAMESPACE,
    POD_UID,
    RESTARTS,
    Image,
)
from pilothouse.model.json import Object

MASKED = ("/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap")  # fmt: skip
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made ready for one container: its environment, its mounts and devices, and its termination message file."""

    environment: dict[str, str]
    mounts: Sequence[api.Mount]
    message_file: str = ""
    devices: Sequence[api.Device] = ()


def container_config(
    pod: Object, container: Object, *, attempt: int, prepared: Prepared, image: Image, profiles: Path, node_memory_bytes: int,
    target: str = "",
) -> api.ContainerConfig:  # fmt: skip
    """image: the reference that the image was pulled as. attempt: how often it was started before. target: id of the container whose
    processes it shares, "" for none. Raises ConfigMissing for arguments that no program can be started with.
    """
    metadata = pod["metadata"]
    variables = prepared.environment
    name = container["name"]
    message_path = container.get("terminationMessagePath") or "/dev/termination-log"
    return api.ContainerConfig(
        metadata=api.ContainerMetadata(name=name, attempt=attempt),
        image=api.ImageSpec(image=image.id),
        command=expand_all(container.get("command") or (), variables),
        args=expand_all(container.get("args") or (), variables),
        working_dir=container.get("workingDir") or "",
        envs=[api.KeyValue(key=key, value=value) for key, value in variables.items()],
        mounts=prepared.mounts,
        devices=prepared.devices,
        labels={CONTAINER_NAME: name, POD_NAME: metadata["name"], POD_NAMESPACE: metadata["namespace"], POD_UID: metadata["uid"]},
        annotations={
            RESTARTS: str(attempt),
            MESSAGE_PATH: message_path,
            MESSAGE_POLICY: container.get("terminationMessagePolicy") or "File",
            MESSAGE_FILE: prepared.message_file,
        },
        log_path=log_name(name, attempt),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        linux=api.LinuxContainerConfig(
            resources=resources(pod, container, node_memory_bytes),
            security_context=security_context(pod, container, image, profiles, target),
        ),
    )


def log_name(name: str, attempt: int) -> str:
    """Path of a container's log below the pod's log folder."""
    return f"{name}/{attempt}.log"


def resources(pod: Object, container: Object, node_memory_bytes: int) -> api.LinuxContainerResources:
    request = podspec.amount(container, "requests", "cpu") or podspec.amount(container, "limits", "cpu")
    limits = (podspec.amount(container, "limits", resource) for resource in podspec.RESOURCES)
    result = linux_resources(0 if request is None else request.milli_value, *limits)
    result.oom_score_adj = oom_score(pod, container, node_memory_bytes)
    return result


def oom_score(pod: Object, container: Object, node_memory_bytes: int) -> int:
    """Whom the kernel kills first when the node runs out of memory: a sidecar not before the containers that it serves.

    Source: kubelet/qos/policy.go.
    """
    quality = podspec.qos_class(pod)
    if quality == "Guaranteed" or podspec.is_node_critical(pod):
        return -997
    if quality == "BestEffort":
        return 1000
    requested = podspec.requested_memory(pod, container)
    if podspec.is_sidecar(container):
        requested = max(requested, min((podspec.requested_memory(pod, each) for each in podspec.containers(pod)), default=0))
    score = 1000 - 1000 * requested // max(1, node_memory_bytes)
    return min(999, max(3, score))


def security_context(pod: Object, container: Object, image: Image, profiles: Path, target: str = "") -> api.LinuxContainerSecurityContext:
    """profiles: the folder that seccomp profiles of type Localhost are named below."""
    of_pod, own = podspec.security(pod), container.get("securityContext") or {}
    both = of_pod | own
    privileged = bool(own.get("privileged"))
    capabilities = own.get("capabilities") or {}
    groups = [*(of_pod.get("supplementalGroups") or ()), *([of_pod["fsGroup"]] if of_pod.get("fsGroup") is not None else [])]
    context = api.LinuxContainerSecurityContext(
        capabilities=api.Capability(
            add_capabilities=_capabilities(capabilities.get("add")), drop_capabilities=_capabilities(capabilities.get("drop"))
        ),
        privileged=privileged,
        namespace_options=namespaces(pod, target=target),
        readonly_rootfs=bool(own.get("readOnlyRootFilesystem")),
        supplemental_groups=groups,
        supplemental_groups_policy=of_pod.get("supplementalGroupsPolicy") or "Merge",
        no_new_privs=own.get("allowPrivilegeEscalation") is False,
        seccomp=_seccomp(both.get("seccompProfile"), profiles, privileged=privileged),
    )
    is_open = own.get("procMount") == "Unmasked" and podspec.has_own_users(pod)
    if not privileged and not is_open:
        # Without a user namespace an open /proc is root on the node.
        context.masked_paths.extend(MASKED)
        context.readonly_paths.extend(READONLY)
    if both.get("appArmorProfile"):
        # Asked for only when the pod does: without it the runtime applies its default where the kernel can.
        context.apparmor.CopyFrom(_apparmor(both["appArmorProfile"]))
    _set_user(context, both, image)
    return context


def _set_user(context: api.LinuxContainerSecurityContext, security: Object, image: Image) -> None:
    """CRI takes a group only beside a user: a container that changes the group alone keeps the image's user."""
    user, group = security.get("runAsUser"), security.get("runAsGroup")
    if group is not None:
        context.run_as_group.value = group
    if user is None and group is not None and image.username:
        context.run_as_username = image.username
    elif user is not None or group is not None:
        context.run_as_user.value = user if user is not None else image.uid or 0


def _capabilities(names: Sequence[str] | None) -> list[str]:
    return [name.upper().removeprefix("CAP_") for name in names or ()]


def _seccomp(profile: Object | None, profiles: Path, *, privileged: bool) -> api.SecurityProfile:
    """The runtime's own profile unless asked otherwise: secure by default."""
    kinds = api.SecurityProfile
    if privileged or (profile or {}).get("type") == "Unconfined":
        return kinds(profile_type=kinds.Unconfined)
    if profile and profile.get("type") == "Localhost":
        # The runtime opens it relative to its own working directory, so it gets a whole path.
        return kinds(profile_type=kinds.Localhost, localhost_ref=str(profiles / profile["localhostProfile"]))
    return kinds(profile_type=kinds.RuntimeDefault)


def _apparmor(profile: Object) -> api.SecurityProfile:
    kinds = api.SecurityProfile
    if profile.get("type") == "Localhost":
        return kinds(profile_type=kinds.Localhost, localhost_ref=profile["localhostProfile"])
    return kinds(profile_type=kinds.Unconfined if profile.get("type") == "Unconfined" else kinds.RuntimeDefault)


def runs_as_root(pod: Object, container: Object, image_uid: int | None, image_user: str) -> str:
    """Why a container with runAsNonRoot must not start; "" when it may. Source: kubelet/kuberuntime/security_context.go."""
    both = podspec.security(pod) | (container.get("securityContext") or {})
    if not both.get("runAsNonRoot"):
        return ""
    where = f'(pod: "{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}({pod["metadata"]["uid"]})", container: {container["name"]})'
    user = both.get("runAsUser")
    if user is not None:
        return f"container's runAsUser breaks non-root policy {where}" if user == 0 else ""
    if image_user:
        return f"container has runAsNonRoot and image has non-numeric user ({image_user}), cannot verify user is non-root {where}"
    if not image_uid:
        return f"container has runAsNonRoot and image will run as root {where}"
    return ""
