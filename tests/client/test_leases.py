import asyncio
from typing import Any

import pytest

from pilothouse.client.client import Client
from pilothouse.client.leases import LeaderElection, LeadershipLost
from pilothouse.model.errors import Unavailable
from pilothouse.model.kinds import LEASES
from tests.client.fake_cluster import FakeCluster

pytestmark = pytest.mark.looptime


def election(client: Client, identity: str) -> LeaderElection:
    return LeaderElection(client, "platform", "default", identity)


async def holder(client: Client) -> str:
    lease = await client.get_or_none(LEASES, "platform", "default")
    return "" if lease is None else str(lease["spec"]["holderIdentity"])


async def forever() -> None:
    await asyncio.Event().wait()


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_the_first_candidate_leads_and_gives_the_lease_back(client: Client) -> None:
    async def work() -> None:
        assert await holder(client) == "a"
        await asyncio.sleep(60)
        assert await holder(client) == "a"

    elected = election(client, "a")
    await elected.lead(work)
    assert await holder(client) == ""
    assert not elected.is_leader


async def test_of_two_candidates_one_works_and_the_other_follows_at_once(client: Client) -> None:
    spans: dict[str, tuple[float, float]] = {}

    def job(identity: str) -> Any:
        async def work() -> None:
            began = now()
            await asyncio.sleep(100)
            spans[identity] = (began, now())

        return election(client, identity).lead(work)

    async with asyncio.TaskGroup() as group:
        group.create_task(job("a"))
        group.create_task(job("b"))
    (_, first_end), (second_begin, _) = sorted(spans.values())
    assert first_end <= second_begin < first_end + 5


async def test_a_holder_that_vanishes_is_replaced_after_the_leases_duration(client: Client) -> None:
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 15, "leaseTransitions": 3}
    await client.create(LEASES, {"metadata": {"name": "platform", "namespace": "default"}, "spec": spec})
    began = now()
    at: list[float] = []

    async def work() -> None:
        at.append(now() - began)
        lease = await client.get(LEASES, "platform", "default")
        assert lease["spec"]["leaseTransitions"] == 4

    await election(client, "b").lead(work)
    assert 15 <= at[0] < 19


async def test_a_leader_that_cannot_renew_stops_its_work_before_another_may_begin(cluster: FakeCluster, client: Client) -> None:
    stopped: list[float] = []

    async def work() -> None:
        cluster.failures.extend(Unavailable("away") for _ in range(100))
        began = now()
        try:
            await forever()
        finally:
            stopped.append(now() - began)

    with pytest.raises(BaseExceptionGroup) as caught:
        await election(client, "a").lead(work)
    assert caught.group_contains(LeadershipLost)
    assert 9 < stopped[0] < 15


async def test_a_short_outage_costs_nothing(cluster: FakeCluster, client: Client) -> None:
    async def work() -> None:
        cluster.failures.extend([Unavailable("away"), Unavailable("away")])
        await asyncio.sleep(60)

    await election(client, "a").lead(work)


async def test_a_leader_whose_lease_is_taken_stops_at_once(client: Client) -> None:
    async def work() -> None:
        lease = await client.get(LEASES, "platform", "default")
        await client.update(LEASES, lease | {"spec": lease["spec"] | {"holderIdentity": "thief"}})
        await forever()

    began = now()
    with pytest.raises(BaseExceptionGroup) as caught:
        await election(client, "a").lead(work)
    assert caught.group_contains(LeadershipLost)
    assert now() - began < 5
    assert await holder(client) == "thief"


async def test_a_failure_of_the_work_gives_the_lease_back(client: Client) -> None:
    async def work() -> None:
        raise ValueError("a bug")

    with pytest.raises(BaseExceptionGroup) as caught:
        await election(client, "a").lead(work)
    assert caught.group_contains(ValueError)
    assert await holder(client) == ""


async def test_a_lease_counts_from_when_its_renewal_was_asked_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    began, stopped, update = now(), [0.0], client.update

    async def answer_late(*args: Any, **kwargs: Any) -> Any:
        found = await update(*args, **kwargs)
        await asyncio.sleep(6 if now() < began + 5 else 100)
        return found

    async def work() -> None:
        try:
            await forever()
        finally:
            stopped[0] = now() - began

    monkeypatch.setattr(client, "update", answer_late)
    with pytest.raises(BaseExceptionGroup):
        await election(client, "a").lead(work)
    assert 11.9 < stopped[0] < 12.1  # Asked for at 2 s, answered at 8 s, given up 10 s after it was asked for.


async def test_a_lease_counts_from_when_it_was_asked_for_at_first_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    began, stopped, create = now(), [0.0], client.create

    async def answer_late(*args: Any, **kwargs: Any) -> Any:
        found = await create(*args, **kwargs)
        await asyncio.sleep(6)
        return found

    async def work() -> None:
        try:
            await forever()
        finally:
            stopped[0] = now() - began

    monkeypatch.setattr(client, "create", answer_late)
    monkeypatch.setattr(client, "update", lambda *args: asyncio.sleep(100))
    with pytest.raises(BaseExceptionGroup):
        await election(client, "a").lead(work)
    assert 9.9 < stopped[0] < 10.1  # Asked for at 0 s, answered at 6 s.
