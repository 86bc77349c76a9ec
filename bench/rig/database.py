"""An instance of a database on a throw-away cluster: made, changed, watched and removed through the cluster's API."""

import asyncio
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pymysql

from bench.rig import containers
from bench.rig.figures import now
from bench.rig.writers import TABLE, Plan
from pilothouse.client.client import Client
from pilothouse.client.transport import MERGE_PATCH
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS, SECRETS, SERVICES
from pilothouse.platform.databases.resource import MYSQLS

NAMESPACE = "default"
SERVER, AGENT = "database", "agent"
LOOK_S = 0.05
MAKING_S = 900.0
"""For the image, which a home makes once."""
READY_S = 180.0
Holds = Callable[[Object], object]


class Database:
    """folder: of files for clients."""

    def __init__(self, client: Client, name: str, folder: Path) -> None:
        self.client = client
        self.name = name
        self.folder = folder

    async def create(self, replicas: int = 1, *, cpu: str = "500m", memory: str = "384Mi", size: str = "512Mi") -> None:
        spec = {"replicas": replicas, "size": size, "resources": {"cpu": cpu, "memory": memory}, "deletionProtection": False}
        wanted = {"metadata": {"name": self.name, "namespace": NAMESPACE}, "spec": spec | {"finalBackup": False}}
        await self.client.create(MYSQLS, wanted)

    async def delete(self) -> None:
        await self.client.delete(MYSQLS, self.name, NAMESPACE)
        async with asyncio.timeout(READY_S):
            while await self.client.get_or_none(MYSQLS, self.name, NAMESPACE) is not None:
                await asyncio.sleep(LOOK_S)

    async def ask(self, **spec: object) -> None:
        await self.client.patch(MYSQLS, self.name, {"spec": spec}, namespace=NAMESPACE, type=MERGE_PATCH)

    async def status(self) -> Object:
        found = await self.client.get(MYSQLS, self.name, NAMESPACE)
        status: Object = found.get("status") or {}
        return status | {"isSeen": status.get("observedGeneration") == found["metadata"]["generation"]}

    async def until(self, holds: Holds, within_s: float = READY_S) -> Object:
        """The first status for which it holds. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not holds(status := await self.status()):
                await asyncio.sleep(LOOK_S)
        return status

    async def until_well(self, within_s: float = READY_S) -> Object:
        return await self.until(is_well, within_s)

    async def plan(self, notes: str, **more: object) -> Plan:
        """Of clients that come through the Service, once there is a Secret to come with."""
        async with asyncio.timeout(MAKING_S):
            while (secret := await self.client.get_or_none(SECRETS, self.name, NAMESPACE)) is None:
                await asyncio.sleep(LOOK_S)
            while (service := await self.client.get_or_none(SERVICES, self.name, NAMESPACE)) is None:
                await asyncio.sleep(LOOK_S)
        has = {key: b64decode(value).decode() for key, value in secret["data"].items()}
        authority = self.folder / f"{self.name}.crt"
        authority.write_text(has["ca.crt"])
        given = {"user": has["username"], "password": has["password"], "database": has["database"], "authority": str(authority)}
        where = {"host": service["spec"]["clusterIP"], "port": 3306, "notes": str(self.folder / notes)}
        return Plan(**(given | where | more))

    async def until_answers(self, plan: Plan, within_s: float = MAKING_S) -> float:
        """When a client's first statement was answered; there is a table to write to afterwards."""
        async with asyncio.timeout(within_s):
            while not await asyncio.to_thread(_answers, plan):
                await asyncio.sleep(LOOK_S)
        return now()

    async def pod(self, member: str) -> Object:
        return await self.client.get(PODS, member, NAMESPACE)

    async def pid(self, member: str, container: str = SERVER, program: str = "mariadbd") -> int:
        """Raises LookupError when it does not run."""
        found = await asyncio.to_thread(containers.pids, containers.container_id(await self.pod(member), container))
        for pid in found:
            if containers.name(pid).startswith(program):
                return pid
        raise LookupError(f"{member} runs no {program}")

    async def kill(self, member: str) -> float:
        """Its server; when, on the clock of writers."""
        pid = await self.pid(member)
        moment = time.monotonic()
        containers.kill(pid)
        return moment


def is_well(status: Object) -> bool:
    """Every member does its part; of several, each acknowledged transaction is on two disks."""
    members = status.get("members") or ()
    whole = status.get("phase") == "Online" and len(members) == status.get("readyReplicas")
    return bool(status["isSeen"] and whole and (len(members) < 2 or (status.get("durable") and len(status["acknowledging"]) == 2)))


def _answers(plan: Plan) -> bool:
    try:
        connection = plan.connect()
    except (pymysql.err.Error, OSError):
        return False
    try:
        connection.cursor().execute(TABLE)
    except (pymysql.err.Error, OSError):
        return False
    finally:
        connection.close()
    return True
