"""The platform is killed after each of its writes: what was begun is brought to its end, and no login fails on the way."""

from pathlib import Path

import pytest

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.databases.resource import BINDINGS, MYSQL_USERS
from tests.engine.controllers.conftest import kubelet
from tests.platform.databases.binding.live import Databases, databases
from tests.platform.databases.binding.mortal import Life
from tests.platform.databases.binding.test_controller import SHOP, _settled, binding, bound, reason, served

AT = "2026-11-30T12:30:00Z"
MOST_WRITES = 48
"""More than binding, rotating and unbinding take; `test_the_last_life_is_not_used_up` says whether it still is."""


async def _whole_life(given: Databases) -> None:
    """An app is bound, its password rotated, and unbound; whatever it has by then signs in all the time."""
    primary = given.primary("orders")
    await given.create("orders")
    await given.cluster.create(APPS, SHOP)
    await given.cluster.create(BINDINGS, binding())
    await given.cluster.until_one(BINDINGS, "shop-orders", bound)
    before = (await served(given.cluster))["ORDERS_PASSWORD"]
    assert primary.takes("shop-orders", before)
    await given.cluster.patch(BINDINGS, "shop-orders", {"spec": {"rotatedAt": AT}})
    await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: bound(obj) and obj["status"]["rotatedAt"] == AT)
    after = (await served(given.cluster))["ORDERS_PASSWORD"]
    assert after != before
    assert [primary.takes("shop-orders", each) for each in (before, after)] == [True, True]
    given.wait(61)
    await given.cluster.until_one(MYSQL_USERS, "shop-orders", _settled)
    assert [primary.takes("shop-orders", each) for each in (before, after)] == [False, True]
    await given.cluster.client.delete(BINDINGS, "shop-orders", "default")
    await given.cluster.until(BINDINGS, _drains, "it drains")
    assert await served(given.cluster) == {}
    given.wait(61)
    for resource in (BINDINGS, MYSQL_USERS):
        await given.cluster.until(resource, lambda items: not items, f"no {resource.plural}")
    assert set(primary.accounts) == {"orders"}
    for name in ("shop-orders", "shop-orders-account"):
        await given.cluster.until(kinds.SECRETS, lambda items, name=name: name not in map(meta.name, items), f"no Secret {name}")  # type: ignore[misc]


def _drains(items: list[Object]) -> bool:
    return [reason(each) for each in items] == ["Draining"]


@pytest.mark.slow
@pytest.mark.parametrize("writes", range(1, MOST_WRITES))
async def test_a_platform_that_is_killed_after_a_write_goes_on_from_there(tmp_path: Path, writes: int) -> None:
    async with databases(tmp_path, Life(writes)) as given, kubelet(given.cluster):
        await _whole_life(given)


async def test_the_last_life_is_not_used_up(tmp_path: Path) -> None:
    life = Life(1000)
    async with databases(tmp_path, life) as given, kubelet(given.cluster):
        await _whole_life(given)
    assert 1000 - life.left < MOST_WRITES
