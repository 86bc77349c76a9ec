"""Making pods on the test node and waiting for what becomes of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.session import Session
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.node.agent import NodeAgent
from pilothouse.engine.node.config import NodeConfig
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PODS

BUSYBOX = "docker.io/library/busybox:1"
SLEEPER = "trap 'exit 0' TERM; sleep 1000 & wait"
WAIT_S = 20.0


def shell(script: str = SLEEPER, name: str = "main", **more: Any) -> Object:
    return {"name": name, "image": BUSYBOX, "command": ["sh", "-c", script], **more}


def pod(name: str, *containers: Object, **spec: Any) -> Object:
    whole = {"nodeName": "n1", "containers": list(containers) or [shell()], "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": whole | spec}


def is_ready(found: Object) -> bool:
    return meta.is_true(found, "Ready")


def ended(found: Object) -> bool:
    return found["status"].get("phase") in ("Succeeded", "Failed")


def container(found: Object, name: str = "main", kind: str = "containerStatuses") -> Object:
    return next((each for each in found["status"].get(kind) or () if each["name"] == name), {})


def waits_for(reason: str, name: str = "main") -> Callable[[Object], bool]:
    return lambda found: ((container(found, name).get("state") or {}).get("waiting") or {}).get("reason") == reason


@dataclass(frozen=True)
class Cluster:
    client: Client
    agent: NodeAgent
    barrier: EndpointBarrier
    config: NodeConfig
    server: ApiServer

    async def create(self, wanted: Object) -> Object:
        return await self.client.create(PODS, wanted)

    async def until(self, name: str, true: Callable[[Object], bool], timeout_s: float = WAIT_S) -> Object:
        """The pod as soon as the claim holds."""
        found: Object = {}
        try:
            async with asyncio.timeout(timeout_s):
                selector = f"metadata.name={name}"
                async with self.client.watch(PODS, "default", field_selector=selector, bookmarks=False) as events:
                    async for event in events:
                        found = event.object
                        if event.type != "DELETED" and true(found):
                            return found
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s} s: {found.get('status')}") from None
        raise AssertionError("the watch ended")

    async def run(self, wanted: Object) -> Object:
        await self.create(wanted)
        return await self.until(meta.name(wanted), is_ready)

    async def finish(self, wanted: Object) -> Object:
        await self.create(wanted)
        return await self.until(meta.name(wanted), ended)

    async def delete(self, name: str, grace_s: int | None = None, timeout_s: float = WAIT_S) -> None:
        await self.client.delete(PODS, name, "default", grace_s=grace_s)
        await self.gone(name, timeout_s)

    async def gone(self, name: str, timeout_s: float = WAIT_S) -> None:
        async with asyncio.timeout(timeout_s):
            while await self._exists(name):
                await asyncio.sleep(0.02)

    async def _exists(self, name: str) -> bool:
        try:
            await self.client.get(PODS, name, "default")
        except NotFound:
            return False
        return True

    async def logs(self, name: str, **options: Any) -> str:
        async with self.client.logs(name, "default", **options) as pieces:
            return b"".join([piece async for piece in pieces]).decode()

    async def said(self, name: str, reason: str, timeout_s: float = WAIT_S) -> Object:
        """An event about the pod with that reason."""
        async with asyncio.timeout(timeout_s):
            while True:
                events = await self.client.list(EVENTS, "default", field_selector=f"involvedObject.name={name}")
                for event in events.items:
                    if event["reason"] == reason:
                        return event
                await asyncio.sleep(0.05)

    async def shell(self, name: str, script: str, stdin: bytes | None = None) -> tuple[str, int]:
        """Run a script in the pod: its output and exit code."""
        async with self.client.exec(name, "default", ["sh", "-c", script], stdin=stdin is not None) as socket:
            session = Session(socket)
            if stdin is not None:
                await session.send(stdin)
                await session.close_stdin()
            said = b""
            while (output := await session.receive()) is not None:
                said += output.data
            return said.decode(), session.exit_code
