"""The container runtime over gRPC: CRI runtime.v1, and containerd's own event stream (containerd 1.6 has no CRI events).

The only module that imports grpc: its errors become RuntimeFailure here.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

# The agent starts programs while calls are under way; gRPC's fork handlers would only warn that they cannot help with that.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
from google.protobuf.message import Message

from pilothouse.engine.node import api_pb2 as api
from pilothouse.engine.node.runtime import (
    CONTAINER_NAME,
    CREATED,
    EXITED,
    POD_UID,
    RUNNING,
    UNKNOWN,
    Container,
    ExecEnded,
    ExecResult,
    Exited,
    Image,
    OutOfMemory,
    Readiness,
    RuntimeEvent,
    RuntimeFailure,
    Sandbox,
    Usage,
)

RUNTIME, IMAGES, EVENTS = "/runtime.v1.RuntimeService/", "/runtime.v1.ImageService/", "/containerd.services.events.v1.Events/"
CALL_S, SLOW_S, PULL_S = 20.0, 120.0, 1800.0
STARTING = "server is not initialized yet"
"""What CRI says while containerd accepts connections already."""
STARTING_PAUSES_S = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 2.0)
MAX_MESSAGE = 16 * 1024 * 1024
STATES = {
    api.CONTAINER_CREATED: CREATED,
    api.CONTAINER_RUNNING: RUNNING,
    api.CONTAINER_EXITED: EXITED,
    api.CONTAINER_UNKNOWN: UNKNOWN,
}
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 1000),
)

M = TypeVar("M", bound=Message)


class CriRuntime:
    """A Runtime behind a unix socket. Made inside a running event loop."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix://{socket}", options=OPTIONS)
        self._calls: dict[str, Any] = {}

    async def _call(self, method: str, request: Message, answer: type[M], timeout_s: float = CALL_S) -> M:
        call = self._calls.get(method)
        if call is None:
            call = self._channel.unary_unary(method, type(request).SerializeToString, answer.FromString)
            self._calls[method] = call
        for pause_s in (*STARTING_PAUSES_S, None):
            try:
                result: M = await call(request, timeout=timeout_s)
            except grpc.aio.AioRpcError as error:
                if pause_s is None or error.details() != STARTING:
                    raise RuntimeFailure(method.rpartition("/")[2], error.details() or error.code().name, error.code().name) from error
                await asyncio.sleep(pause_s)
            else:
                return result
        raise AssertionError("the last attempt returns or raises")

    async def version(self) -> str:
        found = await self._call(RUNTIME + "Version", api.VersionRequest(), api.VersionResponse)
        return f"{found.runtime_name}://{found.runtime_version}"

    async def readiness(self) -> Readiness:
        found = await self._call(RUNTIME + "Status", api.StatusRequest(), api.StatusResponse)
        states = {condition.type: condition for condition in found.status.conditions}
        said = [condition.message for condition in found.status.conditions if not condition.status]
        return Readiness(states["RuntimeReady"].status, states["NetworkReady"].status, "; ".join(said))

    async def run_sandbox(self, config: api.PodSandboxConfig) -> str:
        request = api.RunPodSandboxRequest(config=config)
        return (await self._call(RUNTIME + "RunPodSandbox", request, api.RunPodSandboxResponse, SLOW_S)).pod_sandbox_id

    async def stop_sandbox(self, id: str) -> None:
        await self._call(RUNTIME + "StopPodSandbox", api.StopPodSandboxRequest(pod_sandbox_id=id), api.StopPodSandboxResponse, SLOW_S)

    async def remove_sandbox(self, id: str) -> None:
        await self._call(RUNTIME + "RemovePodSandbox", api.RemovePodSandboxRequest(pod_sandbox_id=id), api.RemovePodSandboxResponse, SLOW_S)

    async def sandbox(self, id: str) -> Sandbox:
        request = api.PodSandboxStatusRequest(pod_sandbox_id=id)
        found = (await self._call(RUNTIME + "PodSandboxStatus", request, api.PodSandboxStatusResponse)).status
        first = (found.network.ip,) if found.network.ip else ()
        return _sandbox(found, (*first, *(more.ip for more in found.network.additional_ips)))

    async def netns(self, id: str) -> str:
        request = api.PodSandboxStatusRequest(pod_sandbox_id=id, verbose=True)
        answer = await self._call(RUNTIME + "PodSandboxStatus", request, api.PodSandboxStatusResponse)
        spec = json.loads(answer.info["info"]).get("runtimeSpec") or {}
        namespaces = (spec.get("linux") or {}).get("namespaces") or []
        return next((each.get("path", "") for each in namespaces if each["type"] == "network"), "")

    async def sandboxes(self) -> list[Sandbox]:
        found = await self._call(RUNTIME + "ListPodSandbox", api.ListPodSandboxRequest(), api.ListPodSandboxResponse)
        return [_sandbox(item, ()) for item in found.items]

    async def create_container(self, sandbox_id: str, config: api.ContainerConfig, sandbox: api.PodSandboxConfig) -> str:
        request = api.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox)
        return (await self._call(RUNTIME + "CreateContainer", request, api.CreateContainerResponse, SLOW_S)).container_id

    async def start_container(self, id: str) -> None:
        await self._call(RUNTIME + "StartContainer", api.StartContainerRequest(container_id=id), api.StartContainerResponse, SLOW_S)

    async def stop_container(self, id: str, grace_s: int) -> None:
        request = api.StopContainerRequest(container_id=id, timeout=grace_s)
        await self._call(RUNTIME + "StopContainer", request, api.StopContainerResponse, grace_s + SLOW_S)

    async def remove_container(self, id: str) -> None:
        await self._call(RUNTIME + "RemoveContainer", api.RemoveContainerRequest(container_id=id), api.RemoveContainerResponse, SLOW_S)

    async def container(self, id: str) -> Container:
        request = api.ContainerStatusRequest(container_id=id)
        found = (await self._call(RUNTIME + "ContainerStatus", request, api.ContainerStatusResponse)).status
        return Container(
            id=found.id,
            sandbox_id="",
            uid=found.labels.get(POD_UID, ""),
            name=found.labels.get(CONTAINER_NAME, found.metadata.name),
            attempt=found.metadata.attempt,
            state=STATES[found.state],
            created_at=found.created_at / 1e9,
            image=found.image.image,
            image_ref=found.image_ref,
            started_at=found.started_at / 1e9,
            # containerd notes the start when it has been told of it, by when a short program may have ended.
            finished_at=max(found.started_at, found.finished_at) / 1e9 if found.finished_at else 0.0,
            exit_code=found.exit_code,
            reason=found.reason,
            message=found.message,
            annotations=dict(found.annotations),
        )

    async def containers(self) -> list[Container]:
        found = await self._call(RUNTIME + "ListContainers", api.ListContainersRequest(), api.ListContainersResponse)
        return [_listed(item) for item in found.containers]

    async def reopen_log(self, id: str) -> None:
        request = api.ReopenContainerLogRequest(container_id=id)
        await self._call(RUNTIME + "ReopenContainerLog", request, api.ReopenContainerLogResponse)

    async def usage(self) -> list[Usage]:
        found = await self._call(RUNTIME + "ListContainerStats", api.ListContainerStatsRequest(), api.ListContainerStatsResponse)
        return [_usage(item) for item in found.stats]

    async def pull(self, image: str, auth: api.AuthConfig | None) -> str:
        request = api.PullImageRequest(image=api.ImageSpec(image=image), auth=auth)
        return (await self._call(IMAGES + "PullImage", request, api.PullImageResponse, PULL_S)).image_ref

    async def image(self, image: str) -> Image | None:
        request = api.ImageStatusRequest(image=api.ImageSpec(image=image))
        found = await self._call(IMAGES + "ImageStatus", request, api.ImageStatusResponse)
        return _image(found.image) if found.HasField("image") else None

    async def images(self) -> list[Image]:
        found = await self._call(IMAGES + "ListImages", api.ListImagesRequest(), api.ListImagesResponse)
        return [_image(item) for item in found.images]

    async def remove_image(self, image: str) -> None:
        request = api.RemoveImageRequest(image=api.ImageSpec(image=image))
        await self._call(IMAGES + "RemoveImage", request, api.RemoveImageResponse, SLOW_S)

    async def images_used_bytes(self) -> int:
        found = await self._call(IMAGES + "ImageFsInfo", api.ImageFsInfoRequest(), api.ImageFsInfoResponse)
        return sum(each.used_bytes.value for each in found.image_filesystems)

    async def exec_sync(self, id: str, command: Sequence[str], timeout_s: int) -> ExecResult:
        request = api.ExecSyncRequest(container_id=id, cmd=command, timeout=timeout_s)
        found = await self._call(RUNTIME + "ExecSync", request, api.ExecSyncResponse, timeout_s + CALL_S if timeout_s else PULL_S)
        return ExecResult(found.stdout, found.stderr, found.exit_code)

    async def exec_url(self, id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        request = api.ExecRequest(container_id=id, cmd=command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return (await self._call(RUNTIME + "Exec", request, api.ExecResponse)).url

    async def attach_url(self, id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        request = api.AttachRequest(container_id=id, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return (await self._call(RUNTIME + "Attach", request, api.AttachResponse)).url

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        subscribe = self._channel.unary_stream(EVENTS + "Subscribe", api.SubscribeRequest.SerializeToString, api.Envelope.FromString)
        request = api.SubscribeRequest(filters=['namespace==k8s.io,topic=="/tasks/exit"', 'namespace==k8s.io,topic=="/tasks/oom"'])
        try:
            async for envelope in subscribe(request):
                yield _event(envelope)
        except grpc.aio.AioRpcError as error:
            raise RuntimeFailure("Subscribe", error.details() or error.code().name, error.code().name) from error

    async def close(self) -> None:
        await self._channel.close()


async def check_health(address: str, service: str, timeout_s: float) -> bool:
    """The standard gRPC health check, for probes; address is host:port. Raises RuntimeFailure when nobody answers."""
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check", api.HealthCheckRequest.SerializeToString, api.HealthCheckResponse.FromString
        )
        try:
            answer = await check(api.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise RuntimeFailure("Check", error.details() or error.code().name, error.code().name) from error
    return bool(answer.status == api.HealthCheckResponse.SERVING)


def _event(envelope: api.Envelope) -> RuntimeEvent:
    if envelope.topic == "/tasks/oom":
        return OutOfMemory(api.TaskOOM.FromString(envelope.event.value).container_id)
    exit = api.TaskExit.FromString(envelope.event.value)
    # Processes started by exec end under the container's id, with an id of their own.
    if exit.id not in ("", exit.container_id):
        return ExecEnded(exit.container_id, exit.id)
    return Exited(exit.container_id, exit.exit_status, exit.exited_at.seconds + exit.exited_at.nanos / 1e9)


def _sandbox(found: api.PodSandboxStatus | api.PodSandbox, ips: tuple[str, ...]) -> Sandbox:
    metadata = found.metadata
    ready = found.state == api.SANDBOX_READY
    return Sandbox(found.id, metadata.uid, metadata.name, metadata.namespace, metadata.attempt, ready, found.created_at / 1e9, ips)


def _listed(item: api.Container) -> Container:
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


def _image(found: api.Image) -> Image:
    uid = found.uid.value if found.HasField("uid") else None
    return Image(found.id, tuple(found.repo_tags), tuple(found.repo_digests), found.size, uid, found.username)


def _usage(found: api.ContainerStats) -> Usage:
    attributes = found.attributes
    return Usage(
        container_id=attributes.id,
        uid=attributes.labels.get(POD_UID, ""),
        name=attributes.metadata.name,
        taken_at=found.cpu.timestamp / 1e9,
        cpu_ns=found.cpu.usage_core_nano_seconds.value,
        memory_bytes=found.memory.working_set_bytes.value,
        disk_bytes=found.writable_layer.used_bytes.value,
    )
