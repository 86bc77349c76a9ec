"""Images that are run as they are, on a platform without an image registry in reach and on one with it."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pilothouse.cli.apps.stand_in import built_instead
from pilothouse.cli.apps.wish import Wish
from pilothouse.client.client import Client
from pilothouse.model import kinds
from tests.client.fake_cluster import FakeCluster, FakeTransport


async def platform(**data: str) -> Client:
    client = Client(FakeTransport(FakeCluster()))
    await client.create(kinds.CONFIGMAPS, {"metadata": {"name": "pilothouse", "namespace": "pilothouse-system"}, "data": data})
    return client


def wished(image: str) -> Wish:
    return Wish(where=".", name="cache", namespace="default", image=image)


async def test_an_official_image_is_built_where_stand_ins_are_used() -> None:
    async with AsyncExitStack() as stack:
        found = await built_instead(await platform(**{"stand-ins": "yes"}), wished("redis:7"), stack)
        assert found.image is None
        assert (Path(found.where) / "Dockerfile").read_text() == "FROM redis:7\n"
    assert not Path(found.where).exists()


@pytest.mark.parametrize("image", ["127.0.0.1:5000/shop:1", "somebody/redis", "ghcr.io/a/b"])
async def test_any_other_image_is_run_as_it_is(image: str) -> None:
    async with AsyncExitStack() as stack:
        assert await built_instead(await platform(**{"stand-ins": "yes"}), wished(image), stack) == wished(image)


async def test_an_image_is_pulled_where_a_registry_answers() -> None:
    async with AsyncExitStack() as stack:
        assert await built_instead(await platform(registry="x"), wished("redis:7"), stack) == wished("redis:7")
