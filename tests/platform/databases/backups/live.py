"""The controllers of backups on the engine's API server and controllers; pods of Jobs are played, instances are objects with a status."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.cli.daemon.rights import SOURCES
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform import rights
from pilothouse.platform.databases.mysql.backups.archive import Told
from pilothouse.platform.databases.mysql.backups.controller import InstanceBackupController
from pilothouse.platform.databases.pattern.backups import labels
from pilothouse.platform.databases.pattern.backups.controller import BackupController
from pilothouse.platform.databases.pattern.backups.store_controller import StoreController
from pilothouse.platform.databases.resource import BACKUPS, MYSQLS
from tests.engine.controllers.conftest import Cluster, controlled, watched
from tests.people import client_of, platform_part, refused_parts
from tests.platform.databases.live import api_server_for_databases

STAMP = "2026-01-01T00:00:00Z"
PROGRAM = b"PK jobs"
COPIED = {"reason": "", "gtid": "0-1-5", "version": "10.11.18", "bytes": 1000, "digest": "sha256:00", "uncompressedBytes": 4000}
COMPARED = {"reason": "", "tables": 3, "rows": 42}


class Jobs:
    """Plays the pods of Jobs. ends: by task, the exit code and what the program leaves; a task that is not in it goes on."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ends: dict[str, tuple[int, Object]] = {
            "backup": (0, COPIED),
            "verify": (0, COMPARED),
            "forget": (0, {}),
            "restore": (0, COPIED),
        }
        self.seen: list[Object] = []

    async def run(self) -> None:
        queue: asyncio.Queue[Object] = asyncio.Queue()
        async with watched(self.cluster.client, kinds.PODS, None) as informer:
            informer.on_change(lambda old, new: queue.put_nowait(new) if old is None and new is not None else None)
            while True:
                await self._end(await queue.get())

    async def _end(self, pod: Object) -> None:
        task = meta.labels(pod).get(labels.TASK, "")
        self.seen.append(pod)
        if task not in self.ends:
            await self.cluster.set_pod(pod, phase="Running", podIP="10.1.0.7", podIPs=[{"ip": "10.1.0.7"}], startTime=STAMP)
            return
        code, said = self.ends[task]
        end = {"exitCode": code, "message": json.dumps(said), "reason": "Ended", "startedAt": STAMP, "finishedAt": STAMP}
        status = {"name": task, "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": {"terminated": end}}
        await self.cluster.set_pod(pod, phase="Failed" if code else "Succeeded", startTime=STAMP, containerStatuses=[status])

    def of(self, task: str) -> list[Object]:
        return [pod for pod in self.seen if meta.labels(pod).get(labels.TASK) == task]

    def told(self, task: str) -> dict[str, str]:
        """The environment of the task's last pod."""
        return {each["name"]: each.get("value", "") for each in self.of(task)[-1]["spec"]["containers"][0]["env"]}


@asynccontextmanager
async def backed_up(folder: Path, told: Told | None = None, *, later_s: float = 0.0) -> AsyncIterator[tuple[Cluster, Jobs]]:
    """told: what archives say. later_s: by how much the clock of schedules is ahead. Nothing may ask for what it has no right to."""

    async def asked(pod: Object) -> Told | None:
        return told

    async with api_server_for_databases(folder) as server, controlled(server) as cluster, scope() as tasks:
        client, saying = (client_of(server, platform_part(part)) for part in (rights.BACKUPS, rights.SETUP))
        recorder, informers, jobs = Recorder(saying, None, "pilothouse"), Informers(client), Jobs(cluster)
        parts = [
            BackupController(client, informers, recorder, SOURCES, PROGRAM, now_s=lambda: time.time() + later_s),
            StoreController(client, informers, recorder, SOURCES, PROGRAM),
            InstanceBackupController(client, informers, recorder, PROGRAM, asked=asked),
        ]
        tasks.spawn(jobs.run())
        tasks.spawn(recorder.run())
        await tasks.start(informers.run)
        for part in parts:
            tasks.spawn(part.run())
        yield cluster, jobs
        assert [each for each in refused_parts(server) if each[0].endswith(f":{rights.BACKUPS}")] == []
        tasks.cancel()


async def make_instance(cluster: Cluster, name: str = "orders", *, phase: str = "Online", **spec: object) -> Object:
    made = await cluster.create(MYSQLS, {"metadata": {"name": name}, "spec": {"replicas": 1, **spec}})
    member = {"name": f"{name}-0", "role": "primary", "ready": True, "state": "running", "writable": True}
    status = {"phase": phase, "primary": f"{name}-0", "image": "registry/mariadb:10.11.18", "members": [member], "seeded": f"{name}-0"}
    if spec.get("restore"):
        status |= {"seeded": "", "members": [member | {"state": "empty"}]}
    return await cluster.client.patch(MYSQLS, meta.name(made), {"status": status}, namespace="default", subresource="status")


def backup(name: str = "first", instance: str = "orders", **spec: object) -> Object:
    return {"metadata": {"name": name}, "spec": {"service": {"kind": "MySQL", "name": instance}, **spec}}


async def taken(cluster: Cluster, name: str = "first") -> Object:
    return await cluster.until_one(BACKUPS, name, lambda obj: (obj.get("status") or {}).get("phase") == "Succeeded")
