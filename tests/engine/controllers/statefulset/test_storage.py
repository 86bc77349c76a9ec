from typing import Any

import pytest

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.statefulset.storage import Storage
from pilothouse.model import meta
from pilothouse.model.errors import Conflict, NotFound, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS
from tests.client.fake_cluster import FakeCluster, FakeTransport
from tests.engine.controllers.statefulset.objects import member, stateful_set

CLAIMS = [{"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"]}} for name in ("data", "log")]


class Bench:
    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.client = Client(FakeTransport(self.cluster))
        self.recorder = Recorder(self.client, None, "statefulset-controller")
        self.storage = Storage(self.client, self.recorder)

    async def claim(self, name: str) -> Object:
        return await self.client.get(PERSISTENTVOLUMECLAIMS, name, "default")

    async def change(self, name: str, **metadata: Any) -> None:
        claim = await self.claim(name)
        await self.client.update(PERSISTENTVOLUMECLAIMS, claim | {"metadata": claim["metadata"] | metadata})

    def said(self) -> list[tuple[str, str]]:
        return [(remark.reason, remark.message) for remark in self.recorder._queue.values()]

    def owners(self, claim: Object) -> list[str]:
        return [each["name"] for each in meta.owner_references(claim)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def owner(deleted: str = "Retain", scaled: str = "Retain", replicas: int = 2) -> Object:
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    return stateful_set(replicas, volumeClaimTemplates=CLAIMS, persistentVolumeClaimRetentionPolicy=policy)


async def test_a_pods_claims_are_made_once(bench: Bench) -> None:
    await bench.storage.provide(owner(), 1)
    await bench.storage.provide(owner(), 1)
    assert {name for _, _, name in bench.cluster.objects} == {"data-db-1", "log-db-1"}
    assert bench.said() == [
        ("SuccessfulCreate", "create Claim data-db-1 Pod db-1 in StatefulSet db success"),
        ("SuccessfulCreate", "create Claim log-db-1 Pod db-1 in StatefulSet db success"),
    ]


async def test_a_claim_that_is_on_its_way_out_holds_the_pod_up(bench: Bench) -> None:
    await bench.storage.provide(owner(), 0)
    await bench.change("data-db-0", deletionTimestamp="2026-01-01T00:00:00Z")
    with pytest.raises(Conflict):
        await bench.storage.provide(owner(), 0)
    assert ("FailedCreate", bench.said()[-1][1]) == bench.said()[-1]


async def test_a_claim_of_an_earlier_pod_holds_the_next_one_up_until_it_is_gone(bench: Bench) -> None:
    await bench.storage.provide(owner(), 1)
    await bench.storage.own(owner("Retain", "Delete", replicas=1), member(1))
    assert bench.owners(await bench.claim("data-db-1")) == ["db-1"]
    with pytest.raises(Conflict):
        await bench.storage.provide(owner("Retain", "Delete"), 1)
    await bench.storage.provide(owner("Retain", "Delete"), 1, pod_uid="uid-db-1")


async def test_a_cluster_without_claims_is_named_as_such(bench: Bench) -> None:
    unserved = NotFound("the server could not find the requested resource")
    bench.cluster.failures.extend([unserved, unserved])
    with pytest.raises(Unavailable):
        await bench.storage.provide(owner(), 0)
    (reason, message) = bench.said()[-1]
    assert reason == "FailedCreate"
    assert "create Claim data-db-0 for Pod db-0 in StatefulSet db failed" in message
    assert "serves no PersistentVolumeClaims" in message


async def test_owners_follow_the_policy_there_and_back(bench: Bench) -> None:
    await bench.storage.provide(owner(), 1)
    await bench.storage.own(owner("Delete"), member(1))
    assert bench.owners(await bench.claim("log-db-1")) == ["db"]
    await bench.storage.own(owner("Delete", "Delete", replicas=1), member(1))
    assert bench.owners(await bench.claim("log-db-1")) == ["db-1"]
    await bench.storage.own(owner(), member(1))
    assert bench.owners(await bench.claim("log-db-1")) == []


async def test_nothing_is_written_when_owners_are_right(bench: Bench) -> None:
    await bench.storage.provide(owner("Delete"), 0)
    revision = bench.cluster.revision
    await bench.storage.own(owner("Delete"), member(0))
    assert bench.cluster.revision == revision


async def test_no_claim_is_no_fault(bench: Bench) -> None:
    await bench.storage.own(owner("Delete"), member(0))
    assert not bench.cluster.objects
