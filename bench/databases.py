"""Databases as a service: made, failed over, handed over, resized, idle, and the speed of one beside a bare server.

`create` is from the request until a client's statement is answered through the Service, and for three members until every transaction is
on two disks, on a node that has the image. `failover` kills the primary's server under writers, again and again: from the kill to the
next row that was begun and acknowledged after it, in phases, with every acknowledged row counted at the end. `switchover` hands over
under writers that try a connection before each row: how long nobody could write, rows that failed at once, and rows that failed when
tried once more. `resize` changes CPU and memory of a server that is written to. `idle` is memory (PSS) and CPU of single instances that
nobody asks anything. `speed` is in `bench.rig.sysbench`: the same work through the Service and at a server of the same configuration
without a cluster, in turns. `neighbours` is in `bench.rig.neighbours`. A part alone: `scripts/bench databases:failover`.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from bench.rig import containers, processes
from bench.rig.calm import until_calm
from bench.rig.context import Context
from bench.rig.database import AGENT, MAKING_S, READY_S, SERVER, Database
from bench.rig.figures import Figures, latencies, milliseconds, now
from bench.rig.neighbours import neighbours
from bench.rig.phases import PHASES, seeing, told
from bench.rig.sysbench import speed
from bench.rig.writers import Writers, tokens, writing
from pilothouse.client.client import Client
from pilothouse.model import meta

BEFORE_S, AFTER_S = 1.0, 30.0
"""For which is written before something happens; until the next row."""
IDLE_SETTLE_S = 20.0


async def run(context: Context) -> Figures:
    async with context.instance(platform=True) as instance, instance.client() as client:
        context.say("waiting for the server's image")
        await warm_up(context, client)
        await until_calm(instance)
        figures: Figures = {}
        for name, part in PARTS.items():
            if context.chooses(name):
                context.say(name)
                figures[name] = await part(context, client)
                context.say(f"{name}: {figures[name]}")
    return figures


async def warm_up(context: Context, client: Client) -> None:
    first = Database(client, "first", context.folder)
    await first.create()
    await first.until_well(MAKING_S)
    await first.delete()


async def create(context: Context, client: Client) -> Figures:
    """From the request on."""
    took: dict[str, list[float]] = {"single_answers": [], "three_answer": [], "three_durable": []}
    for number in range(context.pick(5, 1)):
        for kind, replicas in (("single", 1), ("three", 3)):
            context.say(f"{kind} made, {number + 1}")
            database, began = Database(client, f"{kind}-{number}", context.folder), now()
            await database.create(replicas)
            answered = await database.until_answers(await database.plan("unused")) - began
            await database.until_well()
            took["single_answers" if replicas == 1 else "three_answer"].append(answered)
            if replicas > 1:
                took["three_durable"].append(now() - began)
            await database.delete()
    return {name: latencies(each) for name, each in took.items()}


async def failover(context: Context, client: Client) -> Figures:
    async with three_members(context, client) as database:
        return await failovers(context, database)


async def switchover(context: Context, client: Client) -> Figures:
    async with three_members(context, client) as database:
        return await switchovers(context, database)


@asynccontextmanager
async def three_members(context: Context, client: Client) -> AsyncIterator[Database]:
    database = Database(client, "three", context.folder)
    await database.create(3)
    await database.until_well()
    yield database
    await database.delete()


async def failovers(context: Context, database: Database) -> Figures:
    """With its phases, which `bench.rig.phases` describes."""
    plan = await database.plan("failover", count=8, think_s=0.005, tag="f")
    await database.until_answers(plan)
    took: dict[str, list[float]] = {name: [] for name in ("next_row", *PHASES)}
    async with seeing(database) as seen:
        with writing(plan) as writers:
            await _until_rows(writers)
            for number in range(context.pick(50, 5)):
                await asyncio.sleep(BEFORE_S)
                moment = await database.kill((await database.status())["primary"])
                next_s = await _next_row(writers, moment)
                await database.until_well()
                passed = seen.phases(moment, moment + next_s)
                for name, value in {"next_row": next_s, **passed}.items():
                    took[name].append(value)
                context.say(f"kill {number + 1}: the next row after {next_s:.2f} s; {told(passed)}")
            written = writers.stop()
    there = await asyncio.to_thread(tokens, replace(plan, read_s=60.0))
    lost = {each.token for each in written.acknowledged} - there
    return {name: latencies(each) for name, each in took.items()} | {"acknowledged": len(written.acknowledged), "lost": len(lost)}


async def switchovers(context: Context, database: Database) -> Figures:
    plan = await database.plan("switchover", count=8, think_s=0.02, attempts=2, pings=True, tag="s")
    read_only, gaps, failed, failed_twice = [], [], 0, 0
    count = context.pick(20, 5)
    for number in range(count):
        with writing(replace(plan, notes=f"{plan.notes}-{number}", tag=f"s{number}")) as writers:
            await _until_rows(writers)
            await asyncio.sleep(BEFORE_S)
            at = meta.rfc3339_micro(time.time())
            await database.ask(switchover={"at": at})
            status = await database.until(lambda status, at=at: status.get("switchedAt") == at)  # type: ignore[misc]
            await asyncio.sleep(BEFORE_S)
            written = writers.stop()
        read_only.append(float(status["move"].get("readOnlySeconds") or 0))
        gaps.append(written.longest_gap_s())
        failed += len(written.failed)
        failed_twice += len(written.lost())
        await database.until_well()
    errors = {"failed_at_once": failed, "failed_when_tried_again": failed_twice, "clients_moved": count * plan.count}
    return {"read_only": latencies(read_only), "longest_gap": latencies(gaps)} | errors


async def resize(context: Context, client: Client) -> Figures:
    database = Database(client, "growing", context.folder)
    await database.create(cpu="500m", memory="384Mi")
    await database.until_well()
    plan = await database.plan("resize", think_s=0.01)
    await database.until_answers(plan)
    took = []
    pid = await database.pid("growing-0")
    with writing(plan) as writers:
        await _until_rows(writers)
        for number in range(context.pick(20, 4)):
            cpu, memory = ("750m", "512Mi") if number % 2 == 0 else ("500m", "384Mi")
            began = now()
            await database.ask(resources={"cpu": cpu, "memory": memory})
            await database.until(lambda status, wanted=(cpu, memory): _has(status, *wanted))  # type: ignore[misc]
            took.append(now() - began)
            await asyncio.sleep(BEFORE_S)
        written = writers.stop()
    same = await database.pid("growing-0") == pid
    await database.delete()
    failed = {"failed_rows": len(written.failed), "rows": len(written.attempts), "longest_gap_ms": milliseconds(written.longest_gap_s())}
    return {"took": latencies(took), "server_went_on": same} | failed


async def idle(context: Context, client: Client) -> Figures:
    """Of one instance, the median over all, while there are so many; CPU in percent of a core."""
    databases: list[Database] = []
    figures: Figures = {}
    for count in (context.pick(10, 2), context.pick(20, 4)):
        more = [Database(client, f"idle-{number}", context.folder) for number in range(len(databases), count)]
        for each in more:
            await each.create(cpu="100m", memory="256Mi")
        for each in more:
            await each.until_well()
        databases += more
        figures[f"{count}_instances"] = await at_rest(context, databases)
    for each in databases:
        await each.delete()
    return figures


async def at_rest(context: Context, databases: list[Database]) -> Figures:
    await asyncio.sleep(context.pick(int(IDLE_SETTLE_S), 5))
    pods = [await each.pod(f"{each.name}-0") for each in databases]
    found = {part: [containers.pids(containers.container_id(pod, part)) for pod in pods] for part in (SERVER, AGENT)}
    before, began = processes.everything(), now()
    await asyncio.sleep(context.pick(60, 10))
    after, took_s = processes.everything(), now() - began
    figures: Figures = {}
    for part, groups in found.items():
        memory = sorted(sum(processes.pss(pid) for pid in group) for group in groups)
        cpu = sorted(sum(_spent(before, after, pid) for pid in group) / took_s * 100 for group in groups)
        figures[part] = {"pss_mib": round(memory[len(memory) // 2], 1), "cpu_percent": round(cpu[len(cpu) // 2], 2)}
    return figures


def _spent(before: dict[int, processes.Process], after: dict[int, processes.Process], pid: int) -> float:
    return after[pid].cpu_s - before[pid].cpu_s if pid in before and pid in after else 0.0


def _has(status: dict[str, object], cpu: str, memory: str) -> bool:
    member = status["members"][0]  # type: ignore[index]
    return bool(status["isSeen"]) and status["phase"] == "Online" and (member["cpu"], member["memory"]) == (cpu, memory)


async def _until_rows(writers: Writers, count: int = 20) -> None:
    async with asyncio.timeout(READY_S):
        while len(writers.written().acknowledged) < count:
            await asyncio.sleep(0.1)


async def _next_row(writers: Writers, moment: float) -> float:
    async with asyncio.timeout(AFTER_S):
        while (found := writers.written().next_after(moment)) is None:
            await asyncio.sleep(0.1)
    return found.ended - moment


PARTS = {
    "create": create,
    "failover": failover,
    "switchover": switchover,
    "resize": resize,
    "speed": speed,
    "neighbours": neighbours,
    "idle": idle,
}
"""In this order; `databases:failover,idle` chooses two."""
