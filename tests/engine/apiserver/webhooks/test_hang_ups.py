"""Clients that leave while their write waits: it ends and gives back what it holds, unless it is on its way to disk."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from pilothouse.engine.store.database import Database, Row
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.test_crds import CRDS, THINGS, definition
from tests.engine.apiserver.webhooks.configurations import VALIDATING, hook, register
from tests.engine.apiserver.webhooks.listener import Listener

SERVICES = "/api/v1/namespaces/default/services"


@pytest.fixture
async def writer(api: Api, https: Https) -> Api:
    await grant(api, "writer", rule("create", "configmaps services"), rule("create", "things", "example.com"))
    return https.certified("writer")


@pytest.fixture
def left(listener: Listener) -> asyncio.Event:
    """Set once the server has hung up on the webhook in its turn. The webhook answers nobody."""
    event = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            event.set()

    listener.answer = lambda _: wait()
    return event


async def test_a_slow_webhook_is_not_waited_for(api: Api, writer: Api, listener: Listener, left: asyncio.Event) -> None:
    await register(api, VALIDATING, hook(listener, timeoutSeconds=30))
    await given_up(writer, CONFIGMAPS, configmap("a"), lambda: bool(listener.asked))
    await idle(api)
    async with asyncio.timeout(5):
        await left.wait()
    assert "a" not in await api.names(CONFIGMAPS)


async def test_a_slow_conversion_is_not_waited_for(api: Api, writer: Api, listener: Listener, left: asyncio.Event) -> None:
    wanted = definition()
    stored = {**wanted["spec"]["versions"][0], "name": "v2", "storage": True}
    wanted["spec"]["versions"] = [{**wanted["spec"]["versions"][0], "storage": False}, stored]
    webhook = {"clientConfig": listener.config(), "conversionReviewVersions": ["v1"]}
    wanted["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    await api.post(CRDS, wanted)
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"size": 1}}
    await given_up(writer, THINGS, thing, lambda: bool(listener.asked))
    await idle(api)
    async with asyncio.timeout(5):
        await left.wait()


async def test_neither_is_the_turn_of_those_who_queue(api: Api, writer: Api, listener: Listener, left: asyncio.Event) -> None:
    await register(api, VALIDATING, hook(listener, timeoutSeconds=30))
    flood = [asyncio.ensure_future(writer.post(CONFIGMAPS, configmap(f"c-{number}"))) for number in range(100)]
    await until(lambda: any(level.waiting for level in api.server.fairness.levels))
    for each in flood:
        each.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    await idle(api)


class Held(Database):
    """A disk that takes no write while the gate is shut."""

    gate = threading.Event()

    def append(self, rows: list[Row]) -> None:
        self.gate.wait()
        super().append(rows)


@pytest.fixture
async def gate(store: Store) -> AsyncIterator[threading.Event]:
    Held.gate.set()
    store._database.__class__ = Held
    yield Held.gate
    Held.gate.set()


async def test_what_is_on_its_way_to_disk_arrives_with_all_that_it_reserved(
    api: Api, writer: Api, store: Store, gate: threading.Event
) -> None:
    spec = {"ports": [{"port": 80}], "clusterIP": "10.96.0.77"}
    gate.clear()
    await given_up(writer, SERVICES, {"metadata": {"name": "s"}, "spec": spec}, lambda: bool(store.pending("/services/default/")))
    await idle(api)
    gate.set()
    error = await api.refused("POST", SERVICES, {"metadata": {"name": "t"}, "spec": spec})
    assert "provided IP is already allocated" in error.message
    assert "s" in await api.names(SERVICES)


async def given_up(user: Api, path: str, body: Object, when: Callable[[], bool]) -> None:
    """Its client hangs up once that holds."""
    call = asyncio.ensure_future(user.post(path, body))
    await until(when)
    assert not call.done()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def idle(api: Api) -> None:
    """Returns once no request holds a seat or waits for one."""
    await until(lambda: not any(level.seats or level.waiting for level in api.server.fairness.levels))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)
