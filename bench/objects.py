"""What stored objects cost an API server alone: memory for each pod of 1.5 KB, written, read and listed; a page of many of them.

Compared with their JSON, and a page of 500 of all with a page of 500 of the first 1,000: it has to cost the page, not the whole.
"""

from bench.rig.alone import Alone, api_alone
from bench.rig.context import Context
from bench.rig.figures import Figures, hammer, latencies, now
from bench.rig.objects import NAMESPACE
from bench.rig.raw import Connection, connections
from bench.watch import pod
from pilothouse.model.json import Object, dumps, loads
from pilothouse.model.kinds import NAMESPACES, PODS, SERVICEACCOUNTS

PATH = PODS.path(NAMESPACE)


async def run(context: Context) -> Figures:
    count = context.pick(20_000, 3_000)
    async with api_alone(context.folder / "objects") as server, connections(server.endpoint, 16) as opened:
        await opened[0].request("POST", NAMESPACES.path(), dumps({"metadata": {"name": NAMESPACE}}))
        await opened[0].request("POST", SERVICEACCOUNTS.path(NAMESPACE), dumps({"metadata": {"name": "default"}}))
        context.say("1,000 pods")
        await create(opened, 0, 1_000)
        few, before = await pages(opened[0], context.pick(40, 10)), server.memory_mib()
        context.say(f"{count} pods")
        await create(opened, 1_000, count)
        many = await pages(opened[0], context.pick(40, 10))
        memory = await grown(server, opened, before, count - 1_000)
    return {"pods": count, **memory, "page_of_500_of_1000": few, f"page_of_500_of_{count}": many}


async def create(opened: list[Connection], start: int, end: int) -> None:
    async def one(client: Connection, number: int) -> None:
        await client.request("POST", PATH, dumps(large_pod(start + number)))

    await hammer(opened, end - start, one)


async def pages(client: Connection, count: int) -> Figures:
    took = []
    for _ in range(count):
        began = now()
        await client.request("GET", f"{PATH}?limit=500")
        took.append(now() - began)
    return latencies(took)


async def grown(server: Alone, opened: list[Connection], before: float, count: int) -> Figures:
    """Memory a pod once all of them have been read and listed in each way, in bytes; beside the bytes of its JSON."""
    written = server.memory_mib()
    await hammer(opened, count, lambda client, number: client.request("GET", f"{PATH}/p-{number}"))
    for query in ("labelSelector=app%3Dnone", "fieldSelector=status.phase!%3DPending", "limit=500"):
        await opened[0].request("GET", f"{PATH}?{query}")
    size = len(dumps(loads(await opened[0].request("GET", f"{PATH}/p-1"))))
    read = server.memory_mib()
    return {"json_bytes": size} | {
        name: round((mib - before) * (1 << 20) / count) for name, mib in (("written_bytes_a_pod", written), ("read_bytes_a_pod", read))
    }


def large_pod(number: int) -> Object:
    """As the API stores it: about 1.5 KB."""
    return pod(f"p-{number}", f"node-{number % 100}")
