"""The container runtime over gRPC: CRI runtime.v1, and containerd's own event stream (containerd 1.6 has no CRI events).

The only module of the agent that speaks gRPC: its errors become RuntimeFailure here.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.message import Message

from pilothouse.engine.node.runtime import answers
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import (
    CONTAINER_NAME,
    POD_UID,
    RUNNING,
    Container,
    ExecResult,
    Features,
    Image,
    Readiness,
    RuntimeEvent,
    RuntimeFailure,
    Sandbox,
    Usage,
    Users,
)
from pilothouse.engine.rpc import CallError, open_channel
from pilothouse.model.json import Object
from pilothouse.model.networks import in_order

RUNTIME, IMAGES, EVENTS = "/runtime.v1.RuntimeService/", "/runtime.v1.ImageService/", "/containerd.services.events.v1.Events/"
SNAPSHOTS = "/containerd.services.snapshots.v1.Snapshots/"
TASKS = "/containerd.services.tasks.v1.Tasks/"
SNAPSHOTTER, GC_ROOT = "overlayfs", "containerd.io/gc.root"
IN_NAMESPACE = (("containerd-namespace", "k8s.io"),)
"""Where containerd keeps what CRI makes, for calls to services of its own."""
CALL_S, SLOW_S, PULL_S = 20.0, 120.0, 1800.0
STARTING = "server is not initialized yet"
"""What CRI says while containerd accepts connections already."""
STARTING_PAUSES_S = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 2.0)
NOTING_PAUSES_S = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0)

M = TypeVar("M", bound=Message)


class CriRuntime:
    """A Runtime behind a unix socket. Made inside a running event loop.

    families: in whose order a pod's addresses come, as the kubelet sorts them by its node's primary address: containerd has IPv4 first.
    """

    def __init__(self, socket: Path, families: Sequence[str] = ()) -> None:
        self._families = families
        self._channel = open_channel(f"unix://{socket}")
        self._calls: dict[str, Any] = {}
        self._signalled: set[str] = set()

    async def _call(self, method: str, request: Message, answer: type[M], timeout_s: float = CALL_S) -> M:
        call = self._calls.get(method)
        if call is None:
            call = self._channel.unary_unary(method, type(request).SerializeToString, answer.FromString)
            self._calls[method] = call
        for pause_s in (*STARTING_PAUSES_S, None):
            try:
                result: M = await call(request, timeout=timeout_s, metadata=IN_NAMESPACE)
            except CallError as error:
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

    async def features(self) -> Features:
        return answers.features_of(await self._call(RUNTIME + "Status", api.StatusRequest(verbose=True), api.StatusResponse))

    async def run_sandbox(self, config: api.PodSandboxConfig, handler: str = "") -> str:
        request = api.RunPodSandboxRequest(config=config, runtime_handler=handler)
        return (await self._call(RUNTIME + "RunPodSandbox", request, api.RunPodSandboxResponse, SLOW_S)).pod_sandbox_id

    async def stop_sandbox(self, id: str) -> None:
        await self._call(RUNTIME + "StopPodSandbox", api.StopPodSandboxRequest(pod_sandbox_id=id), api.StopPodSandboxResponse, SLOW_S)

    async def remove_sandbox(self, id: str) -> None:
        await self._call(RUNTIME + "RemovePodSandbox", api.RemovePodSandboxRequest(pod_sandbox_id=id), api.RemovePodSandboxResponse, SLOW_S)

    async def sandbox(self, id: str) -> Sandbox:
        request = api.PodSandboxStatusRequest(pod_sandbox_id=id)
        found = (await self._call(RUNTIME + "PodSandboxStatus", request, api.PodSandboxStatusResponse)).status
        first = (found.network.ip,) if found.network.ip else ()
        return answers.sandbox(found, in_order((*first, *(more.ip for more in found.network.additional_ips)), self._families))

    async def _details(self, id: str) -> Object:
        """What the runtime tells of a sandbox for those who look into it: its process, and its part of the OCI specification."""
        request = api.PodSandboxStatusRequest(pod_sandbox_id=id, verbose=True)
        answer = await self._call(RUNTIME + "PodSandboxStatus", request, api.PodSandboxStatusResponse)
        found: Object = json.loads(answer.info["info"])
        return found

    async def users(self, id: str) -> Users | None:
        found = await self._details(id)
        mappings = ((found.get("runtimeSpec") or {}).get("linux") or {}).get("uidMappings") or []
        first = next((each["hostID"] for each in mappings if each.get("containerID", 0) == 0), 0)
        return Users(f"/proc/{found['pid']}/ns/user", first) if first and found.get("pid") else None

    async def netns(self, id: str) -> str:
        spec = (await self._details(id)).get("runtimeSpec") or {}
        namespaces = (spec.get("linux") or {}).get("namespaces") or []
        return next((each.get("path", "") for each in namespaces if each["type"] == "network"), "")

    async def sandboxes(self) -> list[Sandbox]:
        found = await self._call(RUNTIME + "ListPodSandbox", api.ListPodSandboxRequest(), api.ListPodSandboxResponse)
        return [answers.sandbox(item, ()) for item in found.items]

    async def create_container(self, sandbox_id: str, config: api.ContainerConfig, sandbox: api.PodSandboxConfig) -> str:
        request = api.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox)
        return (await self._call(RUNTIME + "CreateContainer", request, api.CreateContainerResponse, SLOW_S)).container_id

    async def start_container(self, id: str) -> None:
        await self._call(RUNTIME + "StartContainer", api.StartContainerRequest(container_id=id), api.StartContainerResponse, SLOW_S)

    async def stop_container(self, id: str, grace_s: int, signal: int = 0) -> None:
        if signal and grace_s > 0:
            await self._signal(id, signal, grace_s)
            grace_s = 0
        request = api.StopContainerRequest(container_id=id, timeout=grace_s)
        await self._call(RUNTIME + "StopContainer", request, api.StopContainerResponse, grace_s + SLOW_S)
        await self._noted(id)

    async def _noted(self, id: str) -> None:
        """Returns when the container is no longer said to run: StopContainer may find its process gone before its end is noted."""
        for pause_s in (*NOTING_PAUSES_S, 0.0):
            try:
                if (await self.container(id)).state != RUNNING:
                    return
            except RuntimeFailure as error:
                if error.code == "NOT_FOUND":
                    return
                raise
            await asyncio.sleep(pause_s)

    async def _signal(self, id: str, signal: int, grace_s: int) -> None:
        """CRI before containerd 2.1 knows no signal but the image's. Returns when the container has ended or the grace is over."""
        try:
            if id not in self._signalled:
                self._signalled.add(id)
                await self._call(TASKS + "Kill", api.KillRequest(container_id=id, signal=signal), api.Empty)
            await self._call(TASKS + "Wait", api.WaitRequest(container_id=id), api.WaitResponse, grace_s)
        except RuntimeFailure as error:
            # The grace is over for whoever notices first: the client, or containerd and its shim in words of their own.
            if error.code not in ("NOT_FOUND", "DEADLINE_EXCEEDED") and "deadline exceeded" not in error.why:
                raise
        self._signalled.discard(id)

    async def update_container(self, id: str, resources: api.LinuxContainerResources) -> None:
        request = api.UpdateContainerResourcesRequest(container_id=id, linux=resources)
        await self._call(RUNTIME + "UpdateContainerResources", request, api.UpdateContainerResourcesResponse, SLOW_S)

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
            state=answers.STATES[found.state],
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
        return [answers.listed(item) for item in found.containers]

    async def reopen_log(self, id: str) -> None:
        request = api.ReopenContainerLogRequest(container_id=id)
        await self._call(RUNTIME + "ReopenContainerLog", request, api.ReopenContainerLogResponse)

    async def usage(self) -> list[Usage]:
        found = await self._call(RUNTIME + "ListContainerStats", api.ListContainerStatsRequest(), api.ListContainerStatsResponse)
        return [answers.usage(item) for item in found.stats]

    async def pull(self, image: str, auth: api.AuthConfig | None) -> str:
        request = api.PullImageRequest(image=api.ImageSpec(image=image), auth=auth)
        return (await self._call(IMAGES + "PullImage", request, api.PullImageResponse, PULL_S)).image_ref

    async def image(self, image: str) -> Image | None:
        request = api.ImageStatusRequest(image=api.ImageSpec(image=image))
        found = await self._call(IMAGES + "ImageStatus", request, api.ImageStatusResponse)
        return answers.image(found.image) if found.HasField("image") else None

    async def images(self) -> list[Image]:
        found = await self._call(IMAGES + "ListImages", api.ListImagesRequest(), api.ListImagesResponse)
        return [answers.image(item) for item in found.images]

    async def remove_image(self, image: str) -> None:
        request = api.RemoveImageRequest(image=api.ImageSpec(image=image))
        await self._call(IMAGES + "RemoveImage", request, api.RemoveImageResponse, SLOW_S)

    async def view(self, image: str, key: str) -> tuple[str, ...]:
        request = api.ViewSnapshotRequest(snapshotter=SNAPSHOTTER, key=key, parent=await self._chain(image), labels={GC_ROOT: "true"})
        try:
            found = await self._call(SNAPSHOTS + "View", request, api.MountsResponse)
        except RuntimeFailure as error:
            if error.code != "ALREADY_EXISTS":
                raise
            known = api.MountsRequest(snapshotter=SNAPSHOTTER, key=key)
            found = await self._call(SNAPSHOTS + "Mounts", known, api.MountsResponse)
        return answers.layers_of(found)

    async def drop_view(self, key: str) -> None:
        try:
            await self._call(SNAPSHOTS + "Remove", api.RemoveSnapshotRequest(snapshotter=SNAPSHOTTER, key=key), api.Empty)
        except RuntimeFailure as error:
            if error.code != "NOT_FOUND":
                raise

    async def _chain(self, image: str) -> str:
        """By which name containerd keeps the image's layers, one upon the other."""
        request = api.ImageStatusRequest(image=api.ImageSpec(image=image), verbose=True)
        found = await self._call(IMAGES + "ImageStatus", request, api.ImageStatusResponse)
        if not found.HasField("image"):
            raise RuntimeFailure("View", f"image {image} is not here", "NOT_FOUND")
        spec = json.loads(found.info["info"]).get("imageSpec") or {}
        return answers.chain_id((spec.get("rootfs") or {}).get("diff_ids") or [])

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
                yield answers.event(envelope)
        except CallError as error:
            raise RuntimeFailure("Subscribe", error.details() or error.code().name, error.code().name) from error

    async def close(self) -> None:
        await self._channel.close()


async def check_health(address: str, service: str, timeout_s: float) -> bool:
    """The standard gRPC health check, for probes; address is host:port. Raises RuntimeFailure when nobody answers."""
    async with open_channel(address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check", api.HealthCheckRequest.SerializeToString, api.HealthCheckResponse.FromString
        )
        try:
            answer = await check(api.HealthCheckRequest(service=service), timeout=timeout_s)
        except CallError as error:
            raise RuntimeFailure("Check", error.details() or error.code().name, error.code().name) from error
    return bool(answer.status == api.HealthCheckResponse.SERVING)
