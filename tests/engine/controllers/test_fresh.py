"""Own writes over a cache that lags behind them."""

from typing import Any

import pytest

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.model import meta
from pilothouse.model.kinds import PODS
from tests.client.fake_cluster import FakeCluster, FakeTransport


def owned(name: str, revision: int, **metadata: Any) -> dict[str, Any]:
    owner = [{"uid": "set", "controller": True, "kind": "ReplicaSet", "name": "set", "apiVersion": "apps/v1"}]
    given = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": str(revision), "ownerReferences": owner}
    return {"metadata": given | metadata}


@pytest.fixture
async def informer() -> Informer:
    return Informer(Client(FakeTransport(FakeCluster())), PODS)


@pytest.fixture
async def fresh(informer: Informer) -> Fresh:
    return Fresh(informer, "controller", pods.by_controller_uid)


def names(fresh: Fresh, value: str = "set") -> list[str]:
    return sorted(meta.name(each) for each in fresh.indexed(value))


async def test_a_created_object_is_seen_before_the_cache_has_it(informer: Informer, fresh: Fresh) -> None:
    informer._apply("ADDED", owned("a", 5))
    fresh.wrote(owned("b", 7))
    assert names(fresh) == ["a", "b"]


async def test_an_object_created_and_deleted_before_the_answer_came_is_not_seen(informer: Informer, fresh: Fresh) -> None:
    informer._apply("ADDED", owned("b", 7))
    informer._apply("DELETED", owned("b", 8))
    fresh.wrote(owned("b", 7))
    assert names(fresh) == []


async def test_a_write_is_forgotten_when_the_cache_has_passed_it(informer: Informer, fresh: Fresh) -> None:
    fresh.wrote(owned("b", 7))
    informer._apply("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    assert names(fresh) == []


async def test_a_newer_write_stands_in_the_place_of_the_cached_object(informer: Informer, fresh: Fresh) -> None:
    informer._apply("ADDED", owned("a", 5))
    fresh.wrote(owned("a", 6, ownerReferences=[]))
    assert names(fresh) == []
    assert names(fresh, "orphans/default") == ["a"]
    found = fresh.get("default/a")
    assert found is not None
    assert meta.resource_version(found) == "6"


async def test_a_deletion_counts_from_the_moment_it_was_accepted(informer: Informer, fresh: Fresh) -> None:
    informer._apply("ADDED", owned("a", 5))
    (cached,) = fresh.indexed("set")
    assert not fresh.is_leaving(cached)
    fresh.deleted(cached)
    assert fresh.is_leaving(fresh.indexed("set")[0])


async def test_a_new_object_of_a_deleted_ones_name_is_not_leaving(informer: Informer, fresh: Fresh) -> None:
    informer._apply("ADDED", owned("a", 5))
    fresh.deleted(owned("a", 5))
    informer._apply("ADDED", owned("a", 9, uid="another"))
    assert not fresh.is_leaving(fresh.indexed("set")[0])
