"""The members of many MySQL instances without their servers: pods as their nodes would show them, and agents that do in memory what they
are told. The StatefulSet's controller is played, too."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from bench.rig.figures import now
from bench.rig.operator import PORT
from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS, SECRETS, STATEFULSETS
from pilothouse.platform.databases.mysql import names, tls
from tests.platform.databases.fake_agent import FakeAgent

STAMP = "2026-01-01T00:00:00Z"
WORKERS = 8


class Agent(FakeAgent):
    """asked_at: when it was asked for its state last, on the clock of figures."""

    asked_at = 0.0

    async def _state(self, request: web.Request) -> web.Response:
        self.asked_at = now()
        return await super()._state(request)


class Fleet:
    """agents: by the names of members."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.agents: dict[str, Agent] = {}
        self._client = client
        self._folder = folder
        self._sets: asyncio.Queue[Object] = asyncio.Queue()
        self._seen: set[str] = set()
        self._stack = AsyncExitStack()

    def asked(self) -> int:
        """By all operators so far."""
        return sum(len(agent.waits_s) for agent in self.agents.values())

    async def run(self, ready: asyncio.Event) -> None:
        sets = Informer(self._client, STATEFULSETS)
        sets.on_change(self._changed)
        async with self._stack, scope() as tasks:
            await tasks.start(sets.run)
            for _ in range(WORKERS):
                tasks.spawn(self._work())
            ready.set()

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and meta.uid(new) not in self._seen:
            self._seen.add(meta.uid(new))
            self._sets.put_nowait(new)

    async def _work(self) -> None:
        while True:
            found = await self._sets.get()
            secret = await self._client.get(SECRETS, names.tls(meta.name(found)), meta.namespace(found))
            for ordinal in range(found["spec"]["replicas"]):
                await self._member(found, names.member(meta.name(found), ordinal), tls.files(secret))

    async def _member(self, owner: Object, name: str, files: tls.Files) -> None:
        folder = self._folder / meta.name(owner)
        agent = Agent(name, name, files, folder, [])
        self.agents[name] = agent
        await self._stack.enter_async_context(agent.serving())
        template = owner["spec"]["template"]
        reference = {"apiVersion": STATEFULSETS.api_version, "kind": STATEFULSETS.kind, "name": meta.name(owner), "uid": meta.uid(owner)}
        metadata = template["metadata"] | {
            "name": name,
            "namespace": meta.namespace(owner),
            "ownerReferences": [reference | {"controller": True}],
        }
        metadata["annotations"] = {**(template["metadata"].get("annotations") or {}), PORT: str(agent.port)}
        claim = {"name": "data", "persistentVolumeClaim": {"claimName": names.claim(name)}}
        spec = template["spec"] | {"nodeName": "played", "volumes": [*template["spec"]["volumes"], claim]}
        pod = await self._client.create(PODS, {"metadata": metadata, "spec": spec})
        await self._client.patch(PODS, name, {"status": running(pod)}, namespace=meta.namespace(owner), subresource="status")


def running(pod: Object) -> Object:
    return {
        "phase": "Running",
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        "startTime": STAMP,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": STAMP}],
        "containerStatuses": [
            {
                "name": each["name"],
                "image": each["image"],
                "imageID": each["image"],
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": STAMP}},
                "resources": each["resources"],
            }
            for each in pod["spec"]["containers"]
        ],
    }
