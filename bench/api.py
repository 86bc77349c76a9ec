"""The API over TLS: requests a second with 1 and with 16 clients, and how soon a write is seen by each of 100 watchers.

Compared in the same run with two floors: `GET /version` (the request pipeline without an object) and a server that answers from
constants behind the same HTTP and TLS code (what this client and Python can do at all). Every acknowledged write is on disk.
The client is `bench.rig.raw`, for with a general one the client would be the limit.
"""

from bench.rig.constant import constant_server
from bench.rig.context import Context
from bench.rig.fanout import fan_out
from bench.rig.figures import Figures, hammer
from bench.rig.objects import NAMESPACE, configmap
from bench.rig.raw import Connection, Endpoint, connections
from pilothouse.client.transport import MERGE_PATCH
from pilothouse.model.json import dumps
from pilothouse.model.kinds import CONFIGMAPS, NAMESPACES

CLIENTS = (1, 16)
COLLECTION = CONFIGMAPS.path(NAMESPACE)


async def run(context: Context) -> Figures:
    figures: Figures = {}
    async with context.instance() as instance:
        async with connections(instance.endpoint, 1) as (connection,):
            await connection.request("POST", NAMESPACES.path(), dumps({"metadata": {"name": NAMESPACE}}))
        sizes = (0, 0)
        for clients in CLIENTS:
            context.say(f"{clients} client{'s' if clients > 1 else ''}")
            figures[f"{clients}_clients"], sizes = await requests(instance.endpoint, clients, context.pick(1000, 200), context.pick(60, 16))
        context.say("100 watchers")
        figures["watch"] = await fan_out(instance.endpoint, context.pick(100, 20))
    context.say("constant answers")
    figures["constant_answers"] = await floor(context, sizes)
    return figures


async def requests(endpoint: Endpoint, clients: int, count: int, lists: int) -> tuple[Figures, tuple[int, int]]:
    """Also the sizes of one object's and of the list's answer."""

    def path(number: int) -> str:
        return f"{COLLECTION}/c{clients}-{number % count}"

    async def version(client: Connection, _: int) -> None:
        await client.request("GET", "/version")

    async def create(client: Connection, number: int) -> None:
        await client.request("POST", COLLECTION, dumps(configmap(f"c{clients}-{number}")))

    async def get(client: Connection, number: int) -> None:
        await client.request("GET", path(number))

    async def list_all(client: Connection, _: int) -> None:
        await client.request("GET", COLLECTION)

    async def patch(client: Connection, number: int) -> None:
        await client.request("PATCH", path(number), b'{"data":{"patched":"%d"}}' % number, MERGE_PATCH)

    async def delete(client: Connection, number: int) -> None:
        await client.request("DELETE", path(number))

    async with connections(endpoint, clients) as opened:
        figures = {"version_floor": await hammer(opened, count, version), "create_1kb": await hammer(opened, count, create)}
        figures["get"] = await hammer(opened, 2 * count, get)
        figures[f"list_of_{count}"] = await hammer(opened, lists, list_all)
        sizes = len(await opened[0].request("GET", path(0))), len(await opened[0].request("GET", COLLECTION))
        figures["merge_patch"] = await hammer(opened, count, patch)
        figures["delete"] = await hammer(opened, count, delete)
    return figures, sizes


async def floor(context: Context, sizes: tuple[int, int]) -> Figures:
    """Answers of the sizes that the API server gave."""

    async def object_sized(client: Connection, _: int) -> None:
        await client.request("GET", "/0")

    async def list_sized(client: Connection, _: int) -> None:
        await client.request("GET", "/1")

    figures: Figures = {"object_bytes": sizes[0], "list_bytes": sizes[1]}
    async with constant_server(context.folder / "constant", *sizes) as endpoint:
        for clients in CLIENTS:
            async with connections(endpoint, clients) as opened:
                await hammer(opened, 50, object_sized)
                get = await hammer(opened, context.pick(5000, 1000), object_sized)
                figures[f"{clients}_clients"] = {"get": get, "list": await hammer(opened, context.pick(200, 30), list_sized)}
    return figures
