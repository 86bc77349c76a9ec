import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from pilothouse.aio.tasks import running
from pilothouse.client.client import Client
from pilothouse.client.controller import SLOWED, Controller, owner_key
from pilothouse.client.informer import Informer
from pilothouse.client.outcome import Retry, Stop
from pilothouse.model.errors import Conflict
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, DEPLOYMENTS, NODES, REPLICASETS

pytestmark = pytest.mark.looptime


def configmap(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}}


class Reconciler:
    """Does in turn what its script says: returns a number, raises an exception; then nothing more. Notes when it was asked."""

    def __init__(self, *script: float | BaseException | None) -> None:
        self.script = list(script)
        self.asked: list[tuple[float, str]] = []
        self._began = asyncio.get_running_loop().time()
        self._asked = asyncio.Event()

    async def __call__(self, key: str) -> float | None:
        self.asked.append((asyncio.get_running_loop().time() - self._began, key))
        self._asked.set()
        step = self.script.pop(0) if self.script else None
        if isinstance(step, BaseException):
            raise step
        return step

    async def until(self, count: int) -> list[float]:
        async with asyncio.timeout(3600):
            while len(self.asked) < count:
                self._asked.clear()
                await self._asked.wait()
        await asyncio.sleep(0)
        return [at for at, _ in self.asked]


@asynccontextmanager
async def controlled(reconcile: Reconciler, *, workers: int = 1) -> AsyncIterator[Controller]:
    controller = Controller("test", reconcile, workers=workers)
    async with running(controller.run):
        yield controller


async def test_a_number_asks_to_look_again_after_so_many_seconds() -> None:
    reconcile = Reconciler(30.0)
    async with controlled(reconcile) as controller:
        controller.queue.add("a")
        assert await reconcile.until(2) == pytest.approx([0, 30], abs=0.1)
        assert controller.outcomes == {"done": 2}


async def test_retry_comes_again_after_its_time() -> None:
    reconcile = Reconciler(Retry(7, "the image is not there yet"))
    async with controlled(reconcile) as controller:
        controller.queue.add("a")
        assert await reconcile.until(2) == pytest.approx([0, 7], abs=0.1)


async def test_what_may_never_come_is_looked_for_ever_more_seldom() -> None:
    reconcile = Reconciler(*(Retry(2, "the snapshot is not there", grows=True) for _ in range(12)))
    async with controlled(reconcile) as controller:
        controller.queue.add("a")
        times = await reconcile.until(13)
        gaps = [after - before for before, after in pairwise(times)]
        assert gaps[:3] == pytest.approx([2, 4, 8], rel=0.15)
        assert gaps[-1] == pytest.approx(120, rel=0.15)
        assert controller.outcomes == {"retry": 12, "done": 1}


async def test_stop_rests_until_the_object_changes() -> None:
    reconcile = Reconciler(Stop("the name is taken"))
    async with controlled(reconcile) as controller:
        controller.queue.add("a")
        await asyncio.sleep(1000)
        assert len(reconcile.asked) == 1
        controller.queue.add("a")
        await reconcile.until(2)
        assert controller.outcomes == {"stop": 1, "done": 1}


async def test_a_conflict_is_tried_again_quickly() -> None:
    reconcile = Reconciler(Conflict("stale"), Conflict("stale"))
    async with controlled(reconcile) as controller:
        controller.queue.add("a")
        assert (await reconcile.until(3))[-1] < 0.1
        assert controller.outcomes["stale"] == 2


async def test_a_bug_backs_off_and_ends_no_worker() -> None:
    reconcile = Reconciler(*(ValueError("a bug") for _ in range(8)))
    async with controlled(reconcile) as controller:
        controller.queue.add("a")
        times = await reconcile.until(9)
        gaps = [after - before for before, after in pairwise(times)]
        assert gaps[-1] == pytest.approx(1.28, rel=0.2)
        assert controller.outcomes == {"error": 8, "done": 1}
        assert controller.queue.failures("a") == 0


async def test_a_reconciler_that_hangs_is_cancelled_at_its_deadline() -> None:
    async def hangs(key: str) -> None:
        await asyncio.Event().wait()

    controller = Controller("test", hangs, deadline_s=5)
    async with running(controller.run):
        controller.queue.add("a")
        await asyncio.sleep(6)
        assert controller.outcomes["error"] == 1


async def test_workers_work_at_the_same_time_but_never_on_one_key() -> None:
    at_work: list[str] = []
    most = 0

    async def slow(key: str) -> None:
        nonlocal most
        assert key not in at_work
        at_work.append(key)
        most = max(most, len(at_work))
        await asyncio.sleep(1)
        at_work.remove(key)

    controller = Controller("test", slow, workers=3)
    async with running(controller.run):
        for key in "abcabcabc":
            controller.queue.add(key)
            await asyncio.sleep(0.3)
        await asyncio.sleep(5)
    assert most == 3
    assert controller.outcomes["error"] == 0


async def test_work_begins_when_the_informers_are_synced_and_follows_their_changes(client: Client) -> None:
    await client.create(CONFIGMAPS, configmap("a"))
    informer, reconcile = Informer(client, CONFIGMAPS), Reconciler()
    controller = Controller("test", reconcile)
    controller.watches(informer)
    async with running(informer.run), running(controller.run):
        await reconcile.until(1)
        await client.create(CONFIGMAPS, configmap("b"))
        await reconcile.until(2)
        await client.delete(CONFIGMAPS, "b", "default")
        await reconcile.until(3)
    assert [key for _, key in reconcile.asked] == ["default/a", "default/b", "default/b"]


def owned(api_version: str, kind: str, controller: bool = True) -> Object:
    owner = {"apiVersion": api_version, "kind": kind, "name": "web", "uid": "u", "controller": controller}
    return {"metadata": {"name": "x", "namespace": "default", "ownerReferences": [owner]}}


def test_a_dependant_belongs_to_the_key_of_its_controller() -> None:
    assert owner_key(DEPLOYMENTS)(owned("apps/v1", "Deployment")) == "default/web"
    assert owner_key(NODES)(owned("v1", "Node")) == "web"


@pytest.mark.parametrize(
    "obj", [owned("apps/v1", "Deployment"), owned("other/v1", "ReplicaSet"), owned("apps/v1", "ReplicaSet", False), {}]
)
def test_what_another_kind_controls_is_left_out(obj: Object) -> None:
    assert owner_key(REPLICASETS)(obj) is None


async def test_a_reconciler_that_asks_for_the_past_is_slowed_down_named_and_counted() -> None:
    reconcile = Reconciler(*[-5.0] * 1000)
    before = SLOWED.value("test")
    with capture_logs() as logs:
        async with controlled(reconcile) as controller:
            controller.queue.add("default/spinner")
            await asyncio.sleep(60)
    assert 31 <= len(reconcile.asked) <= 61
    assert [(each["controller"], each["key"]) for each in logs if each["event"] == "slowed down"] == [("test", "default/spinner")]
    assert SLOWED.value("test") == before + 1
