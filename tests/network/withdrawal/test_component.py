"""Two nodes with a barrier each: a pod of one may end when the proxies of the other have let it go."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import Consumer, EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, LEASES, NODES
from pilothouse.network.withdrawal import Withdrawal, component
from tests.people import ADMIN, client_of, person, refused_parts
from tests.people import node as node_user

A, B = "10.0.0.1", "10.0.0.2"
SLICE = {"metadata": {"name": "web"}, "addressType": "IPv4", "ports": []}
PROXY = person("system:kube-proxy", "system:cluster-dns")
DURATION_S = 2.0


class OnNode:
    """What of a node takes part."""

    def __init__(self) -> None:
        self.barrier = EndpointBarrier()
        self.proxy: Consumer = self.barrier.join("service-proxy")


@asynccontextmanager
async def node(server: ApiServer, name: str) -> AsyncIterator[OnNode]:
    here, informers = OnNode(), Informers(client_of(server, PROXY))
    withdrawal = Withdrawal(
        client_of(server, node_user(name)), informers, here.barrier, name, renew_s=DURATION_S / 4, duration_s=DURATION_S
    )
    async with scope() as tasks:
        tasks.spawn(informers.run())
        await tasks.start(withdrawal.run)
        yield here
        tasks.cancel()


async def add_nodes(server: ApiServer, *names: str) -> None:
    for name in names:
        await client_of(server, ADMIN).create(NODES, {"metadata": {"name": name}})


async def write_slice(server: ApiServer, **ready: bool) -> int:
    """The revision that it has now. ready: by the name of the address, A or B."""
    addresses: dict[str, Any] = {"A": A, "B": B}
    endpoints = [{"addresses": [addresses[name]], "conditions": {"ready": value}} for name, value in ready.items()]
    client = client_of(server, ADMIN)
    if await client.get_or_none(ENDPOINTSLICES, "web", "default") is None:
        written = await client.create(ENDPOINTSLICES, SLICE | {"endpoints": endpoints}, "default")
    else:
        written = await client.patch(ENDPOINTSLICES, "web", {"endpoints": endpoints}, namespace="default")
    return int(written["metadata"]["resourceVersion"])


async def reports(server: ApiServer) -> list[Object]:
    return (await client_of(server, ADMIN).list(LEASES, "kube-system")).items


async def until_reported(server: ApiServer, count: int) -> None:
    async with asyncio.timeout(5):
        while len(await reports(server)) < count:
            await asyncio.sleep(0.02)


async def test_a_pod_may_end_when_the_other_nodes_proxies_have_let_it_go(server: ApiServer) -> None:
    await add_nodes(server, "one", "two")
    before = await write_slice(server, A=True, B=True)
    async with node(server, "one") as one, node(server, "two") as two:
        for each in (one, two):
            each.proxy.routes(frozenset({A, B}), before)
        await until_reported(server, 2)
        after = await write_slice(server, A=False, B=True)
        await asyncio.sleep(0.1)
        one.proxy.routes(frozenset({B}), after)
        assert not await one.barrier.released(A, 0.5)
        waiting = asyncio.ensure_future(one.barrier.released(A, 5))
        two.proxy.routes(frozenset({B}), after)
        assert await waiting
        assert not refused_parts(server)


async def test_another_consumer_of_the_other_node_is_waited_for_though_it_tells_no_revision(server: ApiServer) -> None:
    await add_nodes(server, "one", "two")
    before = await write_slice(server, A=True)
    async with node(server, "one") as one, node(server, "two") as two:
        gateway = two.barrier.join("gateway")
        gateway.routes(frozenset({A}))
        for each in (one, two):
            each.proxy.routes(frozenset(), before)
        await until_reported(server, 2)
        after = await write_slice(server, A=False)
        for each in (one, two):
            each.proxy.routes(frozenset(), after)
        assert not await one.barrier.released(A, 0.5)
        gateway.routes(frozenset())
        assert await one.barrier.released(A, 5)


async def test_a_dead_node_is_waited_for_no_longer_than_its_lease(server: ApiServer) -> None:
    await add_nodes(server, "one", "two")
    before = await write_slice(server, A=True)
    async with node(server, "one") as one:
        async with node(server, "two") as two:
            two.proxy.routes(frozenset({A}), before)
            await until_reported(server, 2)
        after = await write_slice(server, A=False)
        one.proxy.routes(frozenset(), after)
        assert not await one.barrier.released(A, 0.2)
        await asyncio.sleep(DURATION_S)
        assert await one.barrier.released(A, 1)


async def test_a_report_goes_with_its_node_and_comes_again_with_it(server: ApiServer) -> None:
    await add_nodes(server, "one", "two")
    async with node(server, "one"), node(server, "two"):
        await until_reported(server, 2)
        owners = {report["metadata"]["ownerReferences"][0]["name"] for report in await reports(server)}
        assert owners == {"one", "two"}
        await client_of(server, ADMIN).delete(LEASES, "endpoints-two", "kube-system")
        await until_reported(server, 2)


class Mute(InProcessTransport):
    """One report gets no answer, as on a connection that is dead without a word."""

    muted = 1

    async def call(self, call: Call) -> Any:
        if self.muted and call.method == "PATCH" and "/leases/" in call.path:
            self.muted -= 1
            await asyncio.Event().wait()
        return await super().call(call)


async def test_a_report_that_gets_no_answer_is_made_again_while_the_last_one_counts(server: ApiServer) -> None:
    await add_nodes(server, "one", "two")
    informers = Informers(client_of(server, PROXY))
    client = Client(Mute(server, node_user("one")))
    withdrawal = Withdrawal(client, informers, OnNode().barrier, "one", renew_s=0.2, duration_s=DURATION_S)
    async with scope() as tasks:
        tasks.spawn(informers.run())
        await tasks.start(withdrawal.run)
        await until_reported(server, 1)
        tasks.cancel()


async def test_a_node_that_is_alone_writes_nothing(server: ApiServer) -> None:
    await add_nodes(server, "one")
    revision = await write_slice(server, A=True)
    async with node(server, "one") as one:
        one.proxy.routes(frozenset({A}), revision)
        await asyncio.sleep(DURATION_S / 2)
        assert await reports(server) == []
        one.proxy.routes(frozenset(), revision)
        assert await one.barrier.released(A, 1)


async def test_who_waits_looks_at_the_slices_that_have_the_address_and_at_no_others(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks again with each report of each node, for each pod that ends."""
    seen: list[str] = []

    def called_off(address: str, slices: Iterable[Object]) -> int:
        seen.extend(each["metadata"]["name"] for each in slices)
        return 0

    monkeypatch.setattr(component, "called_off", called_off)
    await add_nodes(server, "a", "b")
    await write_slice(server, A=False)
    other = {"metadata": {"name": "other"}, "addressType": "IPv4", "ports": [], "endpoints": [{"addresses": [B]}]}
    await client_of(server, ADMIN).create(ENDPOINTSLICES, other, "default")
    async with node(server, "a") as here:
        assert here.barrier.elsewhere is not None
        assert await here.barrier.elsewhere.released(A, 5)
    assert seen == ["web"]
