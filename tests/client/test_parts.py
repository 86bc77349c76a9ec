"""A part that breaks is built anew; the informers and the other parts go on."""

import asyncio

import pytest

from pilothouse.aio.supervisor import Supervisor
from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.parts import Part
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS

pytestmark = pytest.mark.looptime


class Listener:
    """Sees ConfigMaps; chokes once on one of that name."""

    def __init__(self, informers: Informers, seen: list[str], choke: list[str]) -> None:
        self._seen = seen
        self._choke = choke
        informers.of(CONFIGMAPS).on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        name = meta.name(new or old or {})
        if name in self._choke:
            self._choke.remove(name)
            raise ValueError(f"cannot take {name}")
        self._seen.append(name)

    async def run(self, ready: asyncio.Event) -> None:
        ready.set()
        await asyncio.Event().wait()


async def test_a_part_whose_callback_raises_is_built_anew_alone(client: Client) -> None:
    informers = Informers(client)
    bad: list[str] = []
    good: list[str] = []
    choke = ["b"]
    async with scope() as tasks:
        supervisor = Supervisor(tasks)
        supervisor.start("bad", Part(informers, lambda: Listener(informers, bad, choke)).run)
        supervisor.start("good", Part(informers, lambda: Listener(informers, good, [])).run)
        await tasks.start(informers.run)
        for name in ("a", "b", "c"):
            await client.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "default"}})
        await asyncio.sleep(2)
        assert good == ["a", "b", "c"]
        assert bad == ["a", "a", "b", "c"]  # told of everything again after it was built anew
        assert {each.name: each.total for each in supervisor} == {"bad": 1, "good": 0}
        await client.create(CONFIGMAPS, {"metadata": {"name": "d", "namespace": "default"}})
        await asyncio.sleep(1)
        assert (bad[-1], bad.count("d")) == ("d", 1)
        tasks.cancel()
