"""A node that only looks like one: it says what a kubelet would say about pods, and its "containers" are processes of this machine.

For tests of clients: what they see of a pod's life is real API traffic, but nothing is pulled and nothing is isolated.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.apiserver.nodes import LogOptions
from pilothouse.model import kinds, meta
from pilothouse.model.errors import BadRequest, NotFound
from pilothouse.model.json import Object

NAME = "node-a"
MISSING_IMAGE = "registry.example/missing:1"
"""An image that this node cannot find."""
LOG = b"first line\nsecond line\nthird line\n"
RENEW_S = 5.0


class PlayedNode:
    """Registers itself and answers for every pod that is bound to it. It runs no probes: a pod is ready at once.

    The API server wants it before there is anything to connect it to, so `join` comes later than the rest.
    """

    client: Client

    def __init__(self) -> None:
        self._changed: asyncio.Queue[Object] = asyncio.Queue()
        self._addresses = iter(f"10.244.{n // 250}.{n % 250 + 2}" for n in range(60_000))

    def join(self, client: Client, informers: Informers) -> None:
        self.client = client
        informers.of(kinds.PODS).on_change(self._seen)

    async def run(self, ready: asyncio.Event) -> None:
        await self._register()
        async with scope() as tasks:
            tasks.spawn(self._renew())
            for _ in range(4):
                tasks.spawn(self._serve())
            ready.set()

    async def _register(self) -> None:
        now = meta.rfc3339(time.time())
        amounts = {"cpu": "8", "memory": "16Gi", "pods": "500", "ephemeral-storage": "100Gi"}
        condition = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
        node: Object = {
            "metadata": {"name": NAME, "labels": {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux"}},
            "status": {
                "capacity": amounts,
                "allocatable": amounts,
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NAME}],
                "conditions": [condition | {"lastHeartbeatTime": now, "lastTransitionTime": now}],
                "nodeInfo": _INFO,
            },
        }
        await self.client.create(kinds.NODES, node)
        # Patched, not updated: the node controller may have put a taint on it meanwhile.
        await self.client.patch(kinds.NODES, node["metadata"]["name"], {"status": node["status"]}, subresource="status")

    async def _renew(self) -> None:
        lease = {"metadata": {"name": NAME}, "spec": {"holderIdentity": NAME, "leaseDurationSeconds": 40}}
        await self.client.create(kinds.LEASES, lease, "kube-node-lease")
        while True:
            spec = {"renewTime": meta.rfc3339_micro(time.time())}
            await self.client.patch(kinds.LEASES, NAME, {"spec": spec}, namespace="kube-node-lease")
            await asyncio.sleep(RENEW_S)

    def _seen(self, old: Object | None, new: Object | None) -> None:
        if new is None or new["spec"].get("nodeName") != NAME:
            return
        if old is None or not old["spec"].get("nodeName") or meta.is_deleting(new) != meta.is_deleting(old):
            self._changed.put_nowait(new)

    async def _serve(self) -> None:
        while True:
            pod = await self._changed.get()
            try:
                await self._answer(pod)
            except NotFound:
                continue

    async def _answer(self, pod: Object) -> None:
        name, namespace = meta.name(pod), meta.namespace(pod)
        if meta.is_deleting(pod):
            await self.client.delete(kinds.PODS, name, namespace, grace_s=0)
        else:
            status = status_of(pod, next(self._addresses))
            await self.client.patch(kinds.PODS, name, {"status": status}, namespace=namespace, subresource="status")

    def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        return _log(options)

    async def exec(
        self, pod: Object, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> "ProcessSession":
        pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe if stdin else none, stdout=pipe if stdout else none, stderr=pipe if stderr else none
            )
        except FileNotFoundError as error:
            raise BadRequest(f'exec: "{command[0]}": executable file not found in $PATH') from error
        return ProcessSession(process)

    async def attach(self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> "ProcessSession":
        return await self.exec(pod, container, ["cat"], stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def connect(self, pod: Object, port: int) -> "Connection":
        try:
            return Connection(*await asyncio.open_connection("127.0.0.1", port))
        except OSError as error:
            raise BadRequest(f"port {port}: {error.strerror}") from error


_INFO = {
    "architecture": "amd64",
    "bootID": "00000000-0000-0000-0000-000000000000",
    "containerRuntimeVersion": "played://1",
    "kernelVersion": os.uname().release,
    "kubeProxyVersion": "",
    "kubeletVersion": "v1.36.2",
    "machineID": "0",
    "operatingSystem": "linux",
    "osImage": "none",
    "systemUUID": "0",
}


def status_of(pod: Object, address: str) -> Object:
    """What a kubelet would report once it has started the pod; pods that are to end have ended well."""
    now = meta.rfc3339(time.time())
    is_missing = any(container["image"] == MISSING_IMAGE for container in pod["spec"]["containers"])
    has_ended = pod["spec"].get("restartPolicy") != "Always" and not is_missing
    phase = "Pending" if is_missing else "Succeeded" if has_ended else "Running"
    is_ready = phase == "Running"
    containers = [_container(container, phase, now) for container in pod["spec"]["containers"]]
    types = {"Initialized": True, "Ready": is_ready, "ContainersReady": is_ready, "PodScheduled": True}
    conditions = [{"type": name, "status": str(holds), "lastTransitionTime": now} for name, holds in types.items()]
    return {
        "phase": phase,
        "startTime": now,
        "hostIP": "127.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions,
        "containerStatuses": containers,
    }


def _container(container: Object, phase: str, now: str) -> Object:
    states: dict[str, Any] = {
        "Pending": {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{MISSING_IMAGE}"'}},
        "Succeeded": {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}},
        "Running": {"running": {"startedAt": now}},
    }
    is_running = phase == "Running"
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": is_running,
        "started": is_running,
        "restartCount": 0,
        "state": states[phase],
    }


async def _log(options: LogOptions) -> AsyncIterator[bytes]:
    lines = LOG.splitlines(keepends=True)
    for line in lines[-options.tail :] if options.tail is not None else lines:
        yield b"2026-01-01T00:00:00.000000000Z " + line if options.timestamps else line
        await asyncio.sleep(0)


class ProcessSession:
    """An exec session over a process of this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def _read(self, stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
        while stream is not None and (data := await stream.read(4096)):
            yield data

    def stdout(self) -> AsyncIterator[bytes]:
        return self._read(self._process.stdout)

    def stderr(self) -> AsyncIterator[bytes]:
        return self._read(self._process.stderr)

    async def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def close_stdin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def resize(self, width: int, height: int) -> None:
        """It has no terminal."""

    async def wait(self) -> int:
        return await self._process.wait()

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()  # its end is not seen before its output has been read


class Connection:
    """A port of a pod: a port of this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> bytes | None:
        return await self._reader.read(65536) or None

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def end_of_input(self) -> None:
        self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
        try:
            with suppress(OSError):  # TimeoutError among them
                async with asyncio.timeout(1):
                    await self._writer.wait_closed()
        finally:
            self._writer.transport.abort()
