"""What many idle MySQL instances of three members cost their operator: processor time, memory, requests; and how soon it sees a change.

The operator, the API server and the members are three processes on this machine; they talk over HTTPS as they would anywhere. Members are
agents without servers, which do in memory what they are told. Figures: `start` of an operator that finds all instances there, until the
status of each was looked at once; then at rest for a while, percent of a core, memory, and what is asked of the API server and of agents;
`seen`, from a change that an agent tells until the instance's status says it.
"""

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.rig import processes
from bench.rig.alone import api_alone
from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.fleet import Fleet
from bench.rig.follow import following
from bench.rig.objects import NAMESPACE
from bench.rig.operator import SAID
from pilothouse.aio.child import Child
from pilothouse.aio.tasks import running
from pilothouse.client import crds
from pilothouse.client.client import Client
from pilothouse.client.http import HttpTransport
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, SERVICEACCOUNTS
from pilothouse.platform.databases.mysql.types import MYSQL, MYSQL_DATABASE, MYSQL_USER
from pilothouse.platform.databases.pattern.types import BACKUP, BACKUP_STORE, BINDING
from pilothouse.platform.databases.resource import MYSQLS

TYPES = (MYSQL, MYSQL_DATABASE, MYSQL_USER, BACKUP, BACKUP_STORE, BINDING)
MEMBERS = 3
BATCH = 25
"""Made at a time: more would wait for the played nodes."""
LOOK_S, WELL_S = 0.05, 0.25
MADE_S, STARTED_S, SEEN_S = 1500.0, 300.0, 30.0


async def run(context: Context) -> Figures:
    count = context.pick(500, 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    folder = context.folder / "operator"
    async with api_alone(folder), client_of(folder) as client:
        await prepare(client)
        fleet = Fleet(client, context.folder / "fleet")
        async with running(fleet.run):
            async with operator(folder):
                await make(context, client, count)
            context.say("the operator starts anew")
            began = now()
            async with operator(folder) as child:
                figures: Figures = {"instances": count, "members": MEMBERS, "start": await started(fleet, child, began)}
                context.say(f"all members heard: {figures['start']}")
                await asyncio.sleep(context.pick(30, 15))
                context.say("at rest")
                figures["rest"] = await rest(fleet, folder, child, context.pick(120, 30))
                context.say(f"{figures['rest']}; changes are seen")
                figures["seen"] = await seen(client, fleet, context.pick(50, 20))
                figures["after"] = memory(child)
    return figures


@asynccontextmanager
async def client_of(folder: Path) -> AsyncIterator[Client]:
    read = {name: (folder / name).read_bytes() for name in ("ca.crt", "client.crt", "client.key")}
    config = Kubeconfig(
        f"https://127.0.0.1:{(folder / 'port').read_text()}",
        certificate_authority=read["ca.crt"],
        client_certificate=read["client.crt"],
        client_key=read["client.key"],
    )
    client = Client(HttpTransport(config), field_manager="bench")
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def operator(folder: Path) -> AsyncIterator[Child]:
    """Ready when it yields."""
    (folder / SAID).unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.rig.operator", str(folder)]
    async with await Child.start(command, log=folder / "operator.log", cwd=Path(__file__).parents[1], dies_with_us=True) as child:
        async with asyncio.timeout(STARTED_S):
            while not (folder / SAID).exists():
                await asyncio.sleep(LOOK_S)
        yield child


async def prepare(client: Client) -> None:
    if await client.get_or_none(NAMESPACES, NAMESPACE) is None:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    await client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": NAMESPACE}})
    await crds.install(client, TYPES)


async def make(context: Context, client: Client, count: int) -> None:
    async with asyncio.timeout(MADE_S):
        for first in range(0, count, BATCH):
            names = [f"m-{number}" for number in range(first, min(count, first + BATCH))]
            for name in names:
                spec: Object = {"replicas": MEMBERS, "size": "512Mi", "resources": {"cpu": "100m", "memory": "384Mi"}}
                await client.create(MYSQLS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
            for name in names:
                while not is_well(await client.get(MYSQLS, name, NAMESPACE)):
                    await asyncio.sleep(WELL_S)
            context.say(f"{first + len(names)} instances")


def is_well(instance: Object) -> bool:
    status = instance.get("status") or {}
    return status.get("phase") == "Online" and status.get("readyReplicas") == MEMBERS and bool(status.get("durable"))


async def started(fleet: Fleet, child: Child, began: float) -> Figures:
    """all_heard_s: until every agent was asked by it."""
    async with asyncio.timeout(STARTED_S):
        while any(agent.asked_at < began for agent in fleet.agents.values()):
            await asyncio.sleep(LOOK_S)
    return {"all_heard_s": round(now() - began, 2), "cpu_s": round(cpu_s(child), 1), **memory(child)}


async def rest(fleet: Fleet, folder: Path, child: Child, seconds: int) -> Figures:
    before, asked, spent, began = said(folder), fleet.asked(), cpu_s(child), now()
    await asyncio.sleep(seconds)
    after, took_s = said(folder), now() - began
    calls = {method: count - before["calls"].get(method, 0) for method, count in after["calls"].items()}
    return {
        "cpu_percent": round((cpu_s(child) - spent) / took_s * 100, 2),
        "api_requests_per_second": {method: round(count / took_s, 2) for method, count in calls.items() if count},
        "agent_requests_per_second": round((fleet.asked() - asked) / took_s, 1),
        "rounds_per_second": round((after["rounds"] - before["rounds"]) / took_s, 2),
        **memory(child),
    }


async def seen(client: Client, fleet: Fleet, count: int) -> Figures:
    """Of a replica's agent that says something new, by the watch of one who looks at the instances."""
    took, members = [], sorted(fleet.agents)
    async with following(client, MYSQLS) as follower:
        for number in range(count):
            agent = fleet.agents[members[number * 7 % len(members)]]
            said, since, began = f"noted {number}", len(follower.events), now()
            agent.change(error=said)
            shown = await follower.until(lambda _, obj, said=said: said in messages(obj), since=since, deadline_s=SEEN_S)  # type: ignore[misc]
            took.append(shown - began)
            agent.change(error="")
    return latencies(took)


def messages(instance: Object) -> list[str]:
    return [each["message"] for each in instance["status"].get("members") or ()]


def said(folder: Path) -> Object:
    found: Object = json.loads((folder / SAID).read_text())
    return found


def cpu_s(child: Child) -> float:
    """Of all its threads."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def memory(child: Child) -> Figures:
    return {"pss_mib": round(processes.pss(child.pid), 1)}
