"""What is asked of a node about its pods: logs, exec, attach, port forwarding.

It matches the API server's `NodeConnector` by shape, for a server in the same process. `exec_pipe` and `attach_pipe` are for one in
another: what the runtime's streaming server is sent and says, as bytes.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host import netns
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime.seam import EXITED, RUNNING, Container, ExecResult, Runtime, RuntimeFailure
from pilothouse.engine.node.streams.logs import Options, read_log
from pilothouse.engine.streaming import upgrade
from pilothouse.engine.streaming.sessions import PortStream, StreamSession, open_session
from pilothouse.engine.streaming.upgrade import BytePipe
from pilothouse.model.errors import BadRequest, Internal, NotFound
from pilothouse.model.json import Object
from pilothouse.wire.spdy import PROTOCOL

DRAIN_S, DRAIN_POLL_S = 3.0, 0.01
CONNECTING = 16


class LogOptions(Options, Protocol):
    @property
    def previous(self) -> bool: ...


class Tracked(Protocol):
    """How the agent finds a container of a pod by the pod's uid and the container's name."""

    def __call__(self, uid: str, name: str, *, previous: bool) -> Container | None: ...


class Connector:
    def __init__(self, runtime: Runtime, config: NodeConfig, tracked: Tracked) -> None:
        self._runtime = runtime
        self._config = config
        self._tracked = tracked
        # Threads of their own: a port that does not answer holds one for long, and volumes and logs need the common ones.
        self._connecting = ThreadPoolExecutor(CONNECTING, "port-forward")

    async def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        metadata = pod["metadata"]
        found = self._tracked(metadata["uid"], container, previous=options.previous)
        if found is None:
            raise self._no_logs(pod, container, previous=options.previous)
        # A static pod's own uid, not that of the mirror that the API shows.
        folder = self._config.pod_logs(metadata["namespace"], metadata["name"], found.uid or metadata["uid"])

        async def ended() -> bool:
            now = self._tracked(metadata["uid"], container, previous=options.previous)
            if now is not None and now.id == found.id and now.state == RUNNING:
                return False
            await self._drained(found.id)
            return True

        if found.state == EXITED and time.time() - found.finished_at < DRAIN_S:
            await self._drained(found.id)
        async for piece in read_log(folder / container / f"{found.attempt}.log", options, ended):
            yield piece

    async def _drained(self, id: str) -> None:
        """An exit is known before the last output is in the file: the runtime's own record changes only after that."""
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until:
            try:
                if (await self._runtime.container(id)).state == EXITED:
                    return
            except RuntimeFailure:
                return
            await asyncio.sleep(DRAIN_POLL_S)

    def _no_logs(self, pod: Object, container: str, *, previous: bool) -> BadRequest:
        name = pod["metadata"]["name"]
        if podspec.container_named(pod, container) is None:
            return BadRequest(f"container {container} is not valid for pod {name}")
        if previous:
            return BadRequest(f'previous terminated container "{container}" in pod "{name}" not found')
        return BadRequest(f'container "{container}" in pod "{name}" is waiting to start: {_waiting(pod, container)}')

    async def exec(
        self, pod: Object, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> StreamSession:
        pipe = await self.exec_pipe(pod, container, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return await open_session(pipe, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def attach(self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> StreamSession:
        pipe = await self.attach_pipe(pod, container, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return await open_session(pipe, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def exec_pipe(
        self, pod: Object, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> BytePipe:
        """Switched to SPDY; the process starts when the streams are opened."""
        found = self._running(pod, container)
        try:
            url = await self._runtime.exec_url(found.id, command, stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty)
        except RuntimeFailure as error:
            raise Internal(error.why) from error
        return await _switched(url)

    async def attach_pipe(self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> BytePipe:
        found = self._running(pod, container)
        try:
            url = await self._runtime.attach_url(found.id, stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty)
        except RuntimeFailure as error:
            raise Internal(error.why) from error
        return await _switched(url)

    async def run(self, pod: Object, container: str, command: list[str], timeout_s: int) -> ExecResult:
        """Run a program to its end. Raises ApiError."""
        found = self._running(pod, container)
        try:
            return await self._runtime.exec_sync(found.id, command, timeout_s)
        except RuntimeFailure as error:
            raise Internal(error.why) from error

    async def connect(self, pod: Object, port: int) -> PortStream:
        box = await self._sandbox(pod)
        try:
            path = "" if podspec.host_network(pod) else await self._runtime.netns(box)
            connected = await asyncio.get_running_loop().run_in_executor(self._connecting, netns.connect, path, port)
        except (RuntimeFailure, OSError) as error:
            raise Internal(f"failed to connect to localhost:{port} inside the pod: {error}") from error
        connected.setblocking(False)
        return PortStream(*await asyncio.open_connection(sock=connected))

    async def _sandbox(self, pod: Object) -> str:
        for container in podspec.containers(pod):
            found = self._tracked(pod["metadata"]["uid"], container["name"], previous=False)
            if found is not None and found.sandbox_id:
                return found.sandbox_id
        raise NotFound(f'pod "{pod["metadata"]["name"]}" is not running')

    def _running(self, pod: Object, container: str) -> Container:
        if podspec.container_named(pod, container) is None:
            raise BadRequest(f"container {container} is not valid for pod {pod['metadata']['name']}")
        found = self._tracked(pod["metadata"]["uid"], container, previous=False)
        if found is None:
            raise NotFound(f'container not found ("{container}")')
        if found.state != RUNNING:
            raise BadRequest(f'container "{container}" in pod "{pod["metadata"]["name"]}" is not running')
        return found


async def _switched(url: str) -> BytePipe:
    try:
        return await upgrade.to_url(url, PROTOCOL)
    except upgrade.Refused as error:
        raise Internal(str(error)) from error


def _waiting(pod: Object, container: str) -> str:
    status = pod.get("status") or {}
    for each in (shown for kind in podspec.STATUSES for shown in status.get(kind) or ()):
        if each["name"] == container and (each.get("state") or {}).get("waiting"):
            return str(each["state"]["waiting"].get("reason") or "ContainerCreating")
    return "ContainerCreating"
