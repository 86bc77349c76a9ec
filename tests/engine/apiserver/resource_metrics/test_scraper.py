"""When nodes are looked at, in virtual time."""

import asyncio
from typing import Any, cast

from pilothouse.aio.tasks import scope
from pilothouse.engine.apiserver.resource_metrics.scraper import AWAKE_S, RESOLUTION_S, Scraper
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from tests.engine.apiserver.resource_metrics.played import figures
from tests.simulation.virtual import virtually


class _Writer:
    def write(self, data: bytes) -> None:
        """Whatever is asked is answered."""

    transport: Any = type("Transport", (), {"abort": staticmethod(lambda: None)})


class Nodes:
    """looks: when each node was asked. away: those that cannot be reached."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.looks: dict[str, list[float]] = {name: [] for name in names}
        self.away: set[str] = set()

    def objects(self) -> list[Object]:
        return [{"metadata": {"name": name}} for name in self.names]

    async def connect(self, node: Object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        name, now = node["metadata"]["name"], asyncio.get_running_loop().time()
        self.looks[name].append(round(now))
        if name in self.away:
            raise Unavailable("no route")
        body = figures(1000 + now, 100 + now / 2).encode()
        reader = asyncio.StreamReader()
        reader.feed_data(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        reader.feed_eof()
        return reader, cast("asyncio.StreamWriter", _Writer()), name


def test_the_first_question_waits_for_two_looks_and_nodes_are_left_alone_some_time_after_the_last() -> None:
    async def work() -> None:
        nodes = Nodes("n1")
        scraper = Scraper(nodes.objects, lambda: nodes)
        async with scope() as tasks:
            tasks.spawn(scraper.run())
            await asyncio.sleep(3600)
            assert nodes.looks["n1"] == []
            known = await scraper.usage()
            assert nodes.looks["n1"] == [3600, 3603]
            usage = known["n1"].node.usage()
            assert usage is not None
            assert (usage.nanocores, usage.window_s) == (500_000_000, 3.0)
            await asyncio.sleep(3600)
            looks = nodes.looks["n1"]
            assert looks[2:5] == [3618, 3633, 3648]
            assert AWAKE_S <= looks[-1] - 3600 <= AWAKE_S + RESOLUTION_S
            assert (await scraper.usage())["n1"].node.usage() is not None
            tasks.cancel()

    virtually(work)


def test_a_node_keeps_its_rows_for_some_looks_and_gets_them_back_when_it_answers() -> None:
    async def work() -> None:
        nodes = Nodes("n1", "n2")
        scraper = Scraper(nodes.objects, lambda: nodes)
        async with scope() as tasks:
            tasks.spawn(scraper.run())
            assert set(await scraper.usage()) == {"n1", "n2"}
            nodes.away.add("n2")
            await asyncio.sleep(RESOLUTION_S * 2)
            assert set(await scraper.usage()) == {"n1", "n2"}
            await asyncio.sleep(RESOLUTION_S * 2)
            assert set(await scraper.usage()) == {"n1"}
            nodes.away.clear()
            await asyncio.sleep(RESOLUTION_S * 2)
            assert set(await scraper.usage()) == {"n1", "n2"}
            nodes.names.remove("n2")
            await asyncio.sleep(RESOLUTION_S)
            assert set(await scraper.usage()) == {"n1"}
            tasks.cancel()

    virtually(work)


def test_who_lacks_figures_brings_two_looks_forward_and_no_more() -> None:
    async def work() -> None:
        nodes = Nodes("n1", "n2")
        scraper = Scraper(nodes.objects, lambda: nodes)
        async with scope() as tasks:
            tasks.spawn(scraper.run())
            await scraper.usage()
            assert nodes.looks["n1"] == [0, 3]
            await asyncio.sleep(1)
            scraper.lacks("n1")
            await asyncio.sleep(30)
            assert nodes.looks["n1"] == [0, 3, 6, 9, 24]
            nodes.away.add("n2")
            await asyncio.sleep(15)
            scraper.lacks("n2")
            scraper.lacks("nobody")
            await asyncio.sleep(15)
            assert nodes.looks["n1"] == [0, 3, 6, 9, 24, 39, 54]
            for _ in range(60):
                scraper.lacks("n1")
                await asyncio.sleep(0.5)
            assert len(nodes.looks["n1"]) <= 7 + 30 / 3
            tasks.cancel()

    virtually(work)
