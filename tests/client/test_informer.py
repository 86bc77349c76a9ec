import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pilothouse.aio.tasks import running
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.client.transport import Call
from pilothouse.model import meta
from pilothouse.model.errors import Forbidden, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, NODES
from tests.client.fake_cluster import FakeCluster

pytestmark = pytest.mark.looptime


def configmap(name: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "labels": dict(data)}, "data": data}


class Seen:
    """What an informer has told, and a way to wait for it."""

    def __init__(self, informer: Informer) -> None:
        self.changes: list[tuple[str, str]] = []
        self._told = asyncio.Event()
        informer.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        kind = "added" if old is None else "deleted" if new is None else "modified"
        about = new or old
        assert about is not None
        self.changes.append((kind, meta.name(about)))
        self._told.set()

    async def until(self, count: int) -> list[tuple[str, str]]:
        async with asyncio.timeout(700):  # longer than the longest watch
            while len(self.changes) < count:
                self._told.clear()
                await self._told.wait()
        return self.changes


@asynccontextmanager
async def synced(informer: Informer) -> AsyncIterator[None]:
    async with running(informer.run):
        yield


def watches(cluster: FakeCluster) -> list[Call]:
    return [call for call in cluster.calls if ("watch", "true") in call.query]


def lists(cluster: FakeCluster) -> list[Call]:
    return [call for call in cluster.calls if call.method == "GET" and ("watch", "true") not in call.query]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(700):  # longer than the longest watch
        while not condition():
            await asyncio.sleep(0.1)


async def test_it_is_synced_after_the_first_list(client: Client) -> None:
    await client.create(CONFIGMAPS, configmap("a"))
    informer = Informer(client, CONFIGMAPS)
    assert not informer.synced
    async with synced(informer):
        await informer.wait_synced()
        assert informer.get("default/a") == await client.get(CONFIGMAPS, "a", "default")
        assert len(informer) == 1
        assert informer.get("default/b") is None


async def test_each_change_is_told_once_in_order_and_is_in_the_cache_by_then(client: Client) -> None:
    informer = Informer(client, CONFIGMAPS)
    seen = Seen(informer)
    async with synced(informer):
        created = await client.create(CONFIGMAPS, configmap("a"))
        await client.update(CONFIGMAPS, created | {"data": {"n": "1"}})
        await client.create(CONFIGMAPS, configmap("b"))
        await client.delete(CONFIGMAPS, "a", "default")
        assert await seen.until(4) == [("added", "a"), ("modified", "a"), ("added", "b"), ("deleted", "a")]
        assert informer.keys() == ["default/b"]


async def test_a_callback_that_comes_late_is_told_what_is_there(client: Client) -> None:
    await client.create(CONFIGMAPS, configmap("a"))
    informer = Informer(client, CONFIGMAPS)
    async with synced(informer):
        assert Seen(informer).changes == [("added", "a")]


async def test_cluster_scoped_objects_are_found_by_name(client: Client) -> None:
    await client.create(NODES, {"metadata": {"name": "n1"}})
    informer = Informer(client, NODES)
    async with synced(informer):
        assert meta.name(informer.get("n1") or {}) == "n1"


async def test_a_lost_connection_resumes_where_it_was(cluster: FakeCluster, client: Client) -> None:
    informer = Informer(client, CONFIGMAPS)
    seen = Seen(informer)
    async with synced(informer):
        await client.create(CONFIGMAPS, configmap("a"))
        await seen.until(1)
        cluster.break_watches()
        await client.create(CONFIGMAPS, configmap("b"))
        assert await seen.until(2) == [("added", "a"), ("added", "b")]
    assert len(lists(cluster)) == 1


async def test_after_compaction_it_lists_anew_and_tells_the_differences(cluster: FakeCluster, client: Client) -> None:
    informer = Informer(client, CONFIGMAPS)
    seen = Seen(informer)
    for name in "abc":
        await client.create(CONFIGMAPS, configmap(name))
    async with synced(informer):
        await seen.until(3)
        cluster.failures.extend([Unavailable("away"), Unavailable("away")])
        cluster.break_watches()
        b = cluster.objects["configmaps", "default", "b"]
        cluster._commit(("configmaps", "default", "a"), cluster.objects["configmaps", "default", "a"], None)
        cluster._commit(("configmaps", "default", "b"), b, b | {"data": {"n": "1"}})
        cluster._commit(("configmaps", "default", "d"), None, configmap("d"))
        cluster.compact()
        assert (await seen.until(6))[3:] == [("deleted", "a"), ("modified", "b"), ("added", "d")]
        assert sorted(informer.keys()) == ["default/b", "default/c", "default/d"]
        assert informer.revision == str(cluster.revision)


async def test_an_object_made_again_under_its_name_is_told_as_deleted_and_added(cluster: FakeCluster, client: Client) -> None:
    informer = Informer(client, CONFIGMAPS)
    seen = Seen(informer)
    await client.create(CONFIGMAPS, configmap("a"))
    async with synced(informer):
        cluster.failures.append(Unavailable("away"))
        cluster.break_watches()
        a = cluster.objects["configmaps", "default", "a"]
        cluster._commit(("configmaps", "default", "a"), a, a | {"metadata": a["metadata"] | {"uid": "another"}})
        cluster.compact()
        assert (await seen.until(3))[1:] == [("deleted", "a"), ("added", "a")]


async def test_bookmarks_move_the_revision_without_a_change(cluster: FakeCluster, client: Client) -> None:
    informer = Informer(client, CONFIGMAPS)
    async with synced(informer):
        await until(lambda: bool(watches(cluster)))
        cluster.bookmark()
        await until(lambda: informer.revision == str(cluster.revision))
        cluster.break_watches()
        await until(lambda: len(watches(cluster)) == 2)
    assert ("resourceVersion", str(cluster.revision)) in watches(cluster)[-1].query


async def test_a_watch_is_renewed_silently(cluster: FakeCluster, client: Client) -> None:
    informer = Informer(client, CONFIGMAPS, watch_s=300)
    seen = Seen(informer)
    async with synced(informer):
        await asyncio.sleep(3600)
        await client.create(CONFIGMAPS, configmap("a"))
        await seen.until(1)
    assert 6 <= len(watches(cluster)) <= 13
    assert all(300 <= int(dict(call.query)["timeoutSeconds"]) <= 600 for call in watches(cluster))
    assert len(lists(cluster)) == 1


async def test_a_connection_that_is_dead_without_a_word_is_replaced(cluster: FakeCluster, client: Client) -> None:
    class Deaf:
        def __init__(self) -> None:
            self.watches = 0

        def watch(self, call: Call) -> object:
            self.watches += 1
            return self._silent() if self.watches == 1 else original.watch(call)

        @asynccontextmanager
        async def _silent(self) -> AsyncIterator[AsyncIterator[object]]:
            async def never() -> AsyncIterator[object]:
                await asyncio.Event().wait()
                yield None

            yield never()

        async def call(self, call: Call) -> object:
            return await original.call(call)

    original = client.transport
    deaf = Deaf()
    informer = Informer(Client(deaf), CONFIGMAPS)  # type: ignore[arg-type]
    seen = Seen(informer)
    async with synced(informer):
        await client.create(CONFIGMAPS, configmap("a"))
        async with asyncio.timeout(700):
            await seen.until(1)
    assert deaf.watches == 2


@pytest.mark.parametrize("error", [Unavailable("away"), TimeoutError("at once")])
async def test_a_server_that_is_away_is_asked_less_and_less(error: Exception, cluster: FakeCluster, client: Client) -> None:
    cluster.failures.extend(error for _ in range(1000))
    informer = Informer(client, CONFIGMAPS)
    async with asyncio.timeout(300):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(informer.run())
            await asyncio.sleep(120)
            assert 10 < len(cluster.calls) < 30
            cluster.failures.clear()
            await informer.wait_synced()
            task.cancel()


async def test_a_resource_that_may_not_be_read_yet_is_tried_again(cluster: FakeCluster, client: Client) -> None:
    cluster.failures.append(Forbidden("no"))
    informer = Informer(client, CONFIGMAPS)
    async with synced(informer):
        assert informer.synced


async def test_selectors_are_the_servers_work(cluster: FakeCluster, client: Client) -> None:
    await client.create(CONFIGMAPS, configmap("a", app="web"))
    await client.create(CONFIGMAPS, configmap("b"))
    informer = Informer(client, CONFIGMAPS, namespace="default", label_selector="app=web")
    seen = Seen(informer)
    async with synced(informer):
        a = await client.get(CONFIGMAPS, "a", "default")
        await client.update(CONFIGMAPS, a | {"metadata": a["metadata"] | {"labels": {}}})
        assert await seen.until(2) == [("added", "a"), ("deleted", "a")]


async def test_an_index_follows_the_objects(client: Client) -> None:
    informer = Informer(client, CONFIGMAPS, indexes={"app": lambda obj: [meta.labels(obj).get("app", "")]})
    seen = Seen(informer)
    async with synced(informer):
        a = await client.create(CONFIGMAPS, configmap("a", app="web"))
        await client.create(CONFIGMAPS, configmap("b", app="web"))
        await seen.until(2)
        assert [meta.name(obj) for obj in informer.by_index("app", "web")] == ["a", "b"]
        await client.update(CONFIGMAPS, a | {"metadata": a["metadata"] | {"labels": {"app": "db"}}})
        await client.delete(CONFIGMAPS, "b", "default")
        await seen.until(4)
        assert informer.by_index("app", "web") == []
        assert [meta.name(obj) for obj in informer.by_index("app", "db")] == ["a"]


async def test_an_index_added_later_knows_what_is_there(client: Client) -> None:
    await client.create(CONFIGMAPS, configmap("a", app="web"))
    informer = Informer(client, CONFIGMAPS)
    async with synced(informer):
        informer.add_index("app", lambda obj: meta.labels(obj).values())
        assert len(informer.by_index("app", "web")) == 1


async def test_parts_of_a_process_share_an_informer(cluster: FakeCluster, client: Client) -> None:
    informers = Informers(client)
    first = informers.of(CONFIGMAPS, indexes={"app": lambda obj: []})
    assert informers.of(CONFIGMAPS, indexes={"other": lambda obj: []}) is first
    assert informers.of(CONFIGMAPS, label_selector="a=b") is not first
    async with running(informers.run):
        assert first.synced
        assert first.by_index("other", "x") == []
        with pytest.raises(RuntimeError, match="ask for nodes before that"):
            informers.of(NODES)
    assert len(lists(cluster)) == 2
