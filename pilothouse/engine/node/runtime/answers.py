"""From what containerd answers to the values of the seam. Pure."""

import hashlib
import json
from collections.abc import Sequence

from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import (
    CONTAINER_NAME,
    CREATED,
    EXITED,
    POD_UID,
    RUNNING,
    UNKNOWN,
    Container,
    ExecEnded,
    Exited,
    Features,
    HandlerFeatures,
    Image,
    OutOfMemory,
    RuntimeEvent,
    RuntimeFailure,
    Sandbox,
    Usage,
)

STATES = {
    api.CONTAINER_CREATED: CREATED,
    api.CONTAINER_RUNNING: RUNNING,
    api.CONTAINER_EXITED: EXITED,
    api.CONTAINER_UNKNOWN: UNKNOWN,
}


def chain_id(diff_ids: Sequence[str]) -> str:
    """Source: OCI image specification, "Layer ChainID". Raises RuntimeFailure for an image without layers."""
    if not diff_ids:
        raise RuntimeFailure("View", "the image has no layers", "FAILED_PRECONDITION")
    chain, *rest = diff_ids
    for each in rest:
        chain = "sha256:" + hashlib.sha256(f"{chain} {each}".encode()).hexdigest()
    return chain


def layers_of(found: api.MountsResponse) -> tuple[str, ...]:
    """A view of one layer is that folder; of several, what an overlay is made of."""
    (mount,) = found.mounts
    if mount.type == "bind":
        return (mount.source,)
    lower = next((option.removeprefix("lowerdir=") for option in mount.options if option.startswith("lowerdir=")), "")
    return tuple(lower.split(":"))


def features_of(found: api.StatusResponse) -> Features:
    return Features(_handlers(found), found.features.supplemental_groups_policy)


def _handlers(found: api.StatusResponse) -> dict[str, HandlerFeatures]:
    """containerd before 2.0 says nothing of its handlers, but shows its configuration."""
    if found.runtime_handlers:
        return {
            each.name: HandlerFeatures(each.features.recursive_read_only_mounts, each.features.user_namespaces)
            for each in found.runtime_handlers
        }
    config = json.loads(found.info.get("config") or "{}")
    names = (config.get("containerd") or {}).get("runtimes") or {}
    return dict.fromkeys(("", *names), HandlerFeatures())


def event(envelope: api.Envelope) -> RuntimeEvent:
    if envelope.topic == "/tasks/oom":
        return OutOfMemory(api.TaskOOM.FromString(envelope.event.value).container_id)
    exit = api.TaskExit.FromString(envelope.event.value)
    # Processes started by exec end under the container's id, with an id of their own.
    if exit.id not in ("", exit.container_id):
        return ExecEnded(exit.container_id, exit.id)
    return Exited(exit.container_id, exit.exit_status, exit.exited_at.seconds + exit.exited_at.nanos / 1e9)


def sandbox(found: api.PodSandboxStatus | api.PodSandbox, ips: tuple[str, ...]) -> Sandbox:
    metadata = found.metadata
    ready = found.state == api.SANDBOX_READY
    return Sandbox(found.id, metadata.uid, metadata.name, metadata.namespace, metadata.attempt, ready, found.created_at / 1e9, ips)


def listed(item: api.Container) -> Container:
    return Container(
        id=item.id,
        sandbox_id=item.pod_sandbox_id,
        uid=item.labels.get(POD_UID, ""),
        name=item.labels.get(CONTAINER_NAME, item.metadata.name),
        attempt=item.metadata.attempt,
        state=STATES[item.state],
        created_at=item.created_at / 1e9,
        image=item.image.image,
        image_ref=item.image_ref,
        annotations=dict(item.annotations),
    )


def image(found: api.Image) -> Image:
    uid = found.uid.value if found.HasField("uid") else None
    return Image(found.id, tuple(found.repo_tags), tuple(found.repo_digests), found.size, uid, found.username)


def usage(found: api.ContainerStats) -> Usage:
    attributes = found.attributes
    return Usage(
        container_id=attributes.id,
        uid=attributes.labels.get(POD_UID, ""),
        name=attributes.metadata.name,
        taken_at=found.cpu.timestamp / 1e9,
        cpu_ns=found.cpu.usage_core_nano_seconds.value,
        memory_bytes=found.memory.working_set_bytes.value,
        disk_bytes=found.writable_layer.used_bytes.value,
        disk_inodes=found.writable_layer.inodes_used.value,
        memory_usage_bytes=found.memory.usage_bytes.value,
        memory_available_bytes=_available(found.memory),
        rss_bytes=found.memory.rss_bytes.value,
        page_faults=found.memory.page_faults.value,
        major_page_faults=found.memory.major_page_faults.value,
    )


def _available(found: api.MemoryUsage) -> int | None:
    """containerd says 0, or nothing, for a container without a limit."""
    return found.available_bytes.value or None
