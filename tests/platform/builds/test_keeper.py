"""The keeper on the engine's API server."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.model import kinds
from pilothouse.platform import rights
from pilothouse.platform.builds.environment.found import Found
from pilothouse.platform.builds.keeper import EnvironmentKeeper
from pilothouse.platform.builds.pod import CONFIG, CREDENTIALS, ENVIRONMENT, SYSTEM
from tests.engine.controllers.conftest import Cluster, controlled
from tests.people import ADMIN, client_of, platform_part
from tests.platform.live import api_server_for_platform

FOUND = Found(npm={"registry": "https://npm/", "//npm/:_authToken": "tok"})


@asynccontextmanager
async def kept(tmp_path: Path, **config: str) -> AsyncIterator[Cluster]:
    """config: what is set before the keeper starts."""
    async with api_server_for_platform(tmp_path) as server:
        await client_of(server, ADMIN).create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})
        client = client_of(server, platform_part(rights.BUILDS))
        async with controlled(server) as found, scope() as tasks:
            if config:
                await configure(found, **config)
            informers = Informers(client)
            keeper = EnvironmentKeeper(client, informers, FOUND)
            await tasks.start(informers.run)
            tasks.spawn(keeper.run())
            yield found
            tasks.cancel()


async def configure(cluster: Cluster, **data: str) -> None:
    values = {name.replace("_", ".", 1).replace("_", "-"): value for name, value in data.items()}
    await cluster.client.create(kinds.CONFIGMAPS, {"metadata": {"name": CONFIG, "namespace": SYSTEM}, "data": values})


def text(secret: dict[str, dict[str, str]], key: str) -> str:
    return base64.b64decode((secret.get("data") or {}).get(key, "")).decode()


async def test_tokens_of_the_host_are_kept_apart_from_what_every_build_gets(tmp_path: Path) -> None:
    async with kept(tmp_path) as cluster:
        plain = await cluster.until_one(kinds.SECRETS, ENVIRONMENT, lambda secret: True, namespace=SYSTEM)
        assert text(plain, "npmrc") == "registry=https://npm/\n"
        full = await cluster.until_one(kinds.SECRETS, CREDENTIALS, lambda secret: True, namespace=SYSTEM)
        assert "//npm/:_authToken=tok" in text(full, "npmrc")


async def test_a_password_that_stands_in_the_config_map_moves_into_a_secret(tmp_path: Path) -> None:
    async with kept(tmp_path) as cluster:
        await configure(cluster, pip_index_url="https://ann:pw@pypi/simple")
        await cluster.until_one(
            kinds.CONFIGMAPS, CONFIG, lambda obj: obj["data"]["pip.index-url"] == "https://pypi/simple", namespace=SYSTEM
        )
        full = await cluster.until_one(kinds.SECRETS, CREDENTIALS, lambda secret: "ann:pw@" in text(secret, "pip.conf"), namespace=SYSTEM)
        assert "tok" in text(full, "npmrc")
        await cluster.client.patch(kinds.CONFIGMAPS, CONFIG, {"data": {"pip.index-url": "https://bob:pw@pypi/simple"}}, namespace=SYSTEM)
        await cluster.until_one(kinds.SECRETS, CREDENTIALS, lambda secret: "bob:pw@" in text(secret, "pip.conf"), namespace=SYSTEM)
        plain = await cluster.client.get(kinds.SECRETS, ENVIRONMENT, SYSTEM)
        assert "pw" not in text(plain, "pip.conf")


async def test_credentials_that_are_taken_back_do_not_stay_in_the_namespace(tmp_path: Path) -> None:
    async with kept(tmp_path, build_credentials="given taken") as cluster:
        for name in ("given", "taken"):
            await cluster.client.create(kinds.NAMESPACES, {"metadata": {"name": name}})
            await cluster.client.create(kinds.SECRETS, {"metadata": {"name": CREDENTIALS, "namespace": name}, "data": {"npmrc": "b2xk"}})
        await cluster.client.patch(kinds.CONFIGMAPS, CONFIG, {"data": {"build.credentials": "given"}}, namespace=SYSTEM)
        await cluster.until(kinds.SECRETS, lambda items: CREDENTIALS not in [each["metadata"]["name"] for each in items], namespace="taken")
        await cluster.until_one(kinds.SECRETS, CREDENTIALS, lambda secret: "tok" in text(secret, "npmrc"), namespace="given")
