import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.history import revisions
from pilothouse.engine.controllers.history.history import History
from pilothouse.model import meta
from pilothouse.model.errors import Conflict
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONTROLLERREVISIONS, DEPLOYMENTS
from pilothouse.model.selector import parse_labels
from tests.engine.controllers.conftest import DEADLINE_S, held
from tests.engine.controllers.objects import template

SELECTOR = parse_labels("app=web")


@asynccontextmanager
async def opened(client: Client) -> AsyncIterator[History]:
    informers = Informers(client)
    cached = Fresh(informers.of(CONTROLLERREVISIONS), "controller", pods.by_controller_uid)
    async with scope() as tasks:
        tasks.spawn(informers.run())
        await cached.informer.wait_synced()
        yield History(client, DEPLOYMENTS, cached)
        tasks.cancel()


@pytest.fixture
async def history(client: Client) -> AsyncIterator[History]:
    """Of Deployments, which stand for any owner."""
    async with held(opened(client)) as found:
        yield found


@pytest.fixture
async def owner(client: Client) -> Object:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template()}
    return await client.create(DEPLOYMENTS, {"metadata": {"name": "db"}, "spec": spec}, "default")


def with_image(owner: Object, image: str) -> Object:
    return owner | {"spec": owner["spec"] | {"template": template(image)}}


async def test_the_same_template_makes_one_revision(history: History, owner: Object, client: Client) -> None:
    first = await history.update(owner, await history.claim(owner, SELECTOR), 0)
    again = await history.update(owner, await history.claim(owner, SELECTOR), 0)
    assert meta.name(first.revision) == meta.name(again.revision)
    assert len((await client.list(CONTROLLERREVISIONS, "default")).items) == 1


async def test_a_lost_answer_to_a_create_makes_no_second_revision(history: History, owner: Object) -> None:
    first = await history.update(owner, [], 0)
    again = await history.update(owner, [], 0)
    assert (meta.uid(first.revision), again.collisions) == (meta.uid(again.revision), 0)


async def test_a_name_that_is_taken_counts_as_a_collision(history: History, owner: Object, client: Client) -> None:
    stranger = revisions.build(owner, DEPLOYMENTS, 1, 0) | {"data": {"other": True}}
    stranger["metadata"].pop("ownerReferences")
    await client.create(CONTROLLERREVISIONS, stranger)
    found = await history.update(owner, [], 0)
    assert found.collisions == 1
    assert meta.name(found.revision) != meta.name(stranger)


async def test_names_are_not_tried_for_ever(history: History, owner: Object, client: Client) -> None:
    for count in range(20):
        stranger = revisions.build(owner, DEPLOYMENTS, 1, count) | {"data": {"other": True}}
        stranger["metadata"].pop("ownerReferences")
        await client.create(CONTROLLERREVISIONS, stranger)
    with pytest.raises(Conflict):
        await history.update(owner, [], 0)


async def test_going_back_renumbers_the_old_revision(history: History, owner: Object) -> None:
    found = await history.update(with_image(owner, "a"), [], 0)
    found = await history.update(with_image(owner, "b"), found.revisions, 0)
    found = await history.update(with_image(owner, "a"), found.revisions, 0)
    assert [revisions.number(each) for each in found.revisions] == [2, 3]
    assert revisions.template_of(found.revision) == template("a")


async def test_a_matching_orphan_is_adopted_and_a_relabelled_one_released(history: History, owner: Object, client: Client) -> None:
    orphan = revisions.build(owner, DEPLOYMENTS, 1, 0)
    orphan["metadata"].pop("ownerReferences")
    await history.update(with_image(owner, "b"), [], 0)
    await client.create(CONTROLLERREVISIONS, orphan)
    async with asyncio.timeout(DEADLINE_S):
        while len(found := await history.claim(owner, SELECTOR)) < 2:
            await asyncio.sleep(0)
    assert all((meta.controller_of(each) or {}).get("uid") == meta.uid(owner) for each in found)
    assert await history.claim(owner, parse_labels("app=other")) == []
    left = (await client.list(CONTROLLERREVISIONS, "default")).items
    assert [meta.controller_of(each) for each in left] == [None, None]


async def test_what_is_beyond_the_limit_is_deleted(history: History, owner: Object, client: Client) -> None:
    found = await history.update(with_image(owner, "a"), [], 0)
    found = await history.update(with_image(owner, "b"), found.revisions, 0)
    await history.truncate(found.revisions, {meta.name(found.revision)}, 0)
    await history.truncate(found.revisions, {meta.name(found.revision)}, 0)
    (left,) = (await client.list(CONTROLLERREVISIONS, "default")).items
    assert meta.name(left) == meta.name(found.revision)
