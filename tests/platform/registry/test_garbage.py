"""What the collector of garbage frees, of a real registry."""

import asyncio
import gzip
import io
import os
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.client.client import Client
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.oci.registry import Registry, digest_of_file
from pilothouse.platform.registry.garbage import YOUNG_S, GarbageCollector, Tag, references, tags, unreferenced
from pilothouse.platform.registry.server import RegistryServer
from tests.platform.registry.live import running

OLD = time.time() - 2 * YOUNG_S


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RegistryServer]:
    async with running(tmp_path) as found:
        yield found


def tree(folder: Path, text: str) -> Path:
    """A source tree as one gzipped tar."""
    path = folder / f"{text}.tar.gz"
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        info = tarfile.TarInfo("app.py")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return path


class Cluster:
    """Answers the lists that the collector asks for."""

    def __init__(self, **objects: list[Object]) -> None:
        self.objects = objects

    async def call(self, call: object) -> Object:
        plural = call.path.rpartition("/")[2]  # type: ignore[attr-defined]
        return {"metadata": {}, "items": self.objects.get(plural, [])}


def collector(server: RegistryServer, **objects: list[Object]) -> GarbageCollector:
    return GarbageCollector(Client(Cluster(**objects)), server)  # type: ignore[arg-type]


def aged(server: RegistryServer) -> None:
    """Everything in the registry is older than what must be left alone."""
    for link in server.config.storage.glob("**/_manifests/tags/*/current/link"):
        os.utime(link, (OLD, OLD))


def blobs(server: RegistryServer) -> set[str]:
    return {path.parent.name for path in server.config.storage.glob("docker/registry/v2/blobs/sha256/*/*/data")}


async def test_a_source_comes_back_as_it_was_pushed(server: RegistryServer, tmp_path: Path) -> None:
    async with Registry(server.config.address) as registry:
        digest = await registry.push_artifact("sources/default/shop", "one", tree(tmp_path, "one"))
        assert digest == digest_of_file(tmp_path / "one.tar.gz")
        assert await registry.blob("sources/default/shop", digest) == (tmp_path / "one.tar.gz").read_bytes()
        _, manifest = await registry.manifest("sources/default/shop", "one")
        assert [layer["digest"] for layer in manifest["layers"]] == [digest]
        with pytest.raises(NotFound):
            await registry.manifest("sources/default/shop", "two")


async def test_an_image_has_its_configuration_and_its_layer(server: RegistryServer, tmp_path: Path) -> None:
    rootfs = tmp_path / "rootfs.tar"
    tarfile.open(rootfs, "w").close()
    async with Registry(server.config.address) as registry:
        digest = await registry.push_image("bases/docker.io/library/x", "1", rootfs, {"Cmd": ["sh"]})
        found, manifest = await registry.manifest("bases/docker.io/library/x", "1")
        assert found == digest
        assert b'"Cmd": ["sh"]' in await registry.blob("bases/docker.io/library/x", manifest["config"]["digest"])
        assert await registry.has_manifest("bases/docker.io/library/x", "1")
        assert not await registry.has_manifest("bases/docker.io/library/x", "2")
        assert await registry.tags("bases/docker.io/library/x") == ["1"]
        assert await registry.repositories() == ["bases/docker.io/library/x"]


async def test_only_tags_that_the_platform_fills_itself_are_looked_at(server: RegistryServer, tmp_path: Path) -> None:
    async with Registry(server.config.address) as registry:
        for repository in ("sources/default/shop", "apps/default/shop", "mine/shop", "bases/docker.io/library/python"):
            await registry.push_artifact(repository, "one", tree(tmp_path, "one"))
    aged(server)
    found = list(tags(server.config.storage, time.time()))
    assert {tag.repository for tag in found} == {"sources/default/shop", "apps/default/shop"}
    assert all(tag.age_s > YOUNG_S and tag.digest.startswith("sha256:") for tag in found)


async def test_what_nothing_refers_to_is_freed_and_the_rest_can_be_pulled_and_pushed(server: RegistryServer, tmp_path: Path) -> None:
    async with Registry(server.config.address) as registry:
        kept = await registry.push_artifact("sources/default/shop", "kept", tree(tmp_path, "kept"))
        gone = await registry.push_artifact("sources/default/shop", "gone", tree(tmp_path, "gone"))
        aged(server)
        await registry.push_artifact("sources/default/shop", "young", tree(tmp_path, "young"))
        app = {"spec": {"source": {"upload": {"repository": "sources/default/shop", "digest": kept}}}}
        async with asyncio.timeout(20):
            assert await collector(server, apps=[app]).collect() == 1
        assert gone.removeprefix("sha256:") not in blobs(server)
        assert kept.removeprefix("sha256:") in blobs(server)
        assert set(await registry.tags("sources/default/shop")) == {"kept", "young"}
        await registry.push_artifact("sources/default/shop", "new", tree(tmp_path, "new"))


async def test_nothing_is_removed_while_a_build_runs(server: RegistryServer, tmp_path: Path) -> None:
    async with Registry(server.config.address) as registry:
        await registry.push_artifact("apps/default/shop", "one", tree(tmp_path, "one"))
    aged(server)
    assert await collector(server, builds=[{"status": {"phase": "Running"}}]).collect() == 0
    assert await collector(server, builds=[{}]).collect() == 0
    assert [tag.name for tag in tags(server.config.storage, time.time())] == ["one"]


ADDRESS = "127.0.0.1:5000"
A, B, C, D, E, F = (f"sha256:{digit * 64}" for digit in "abcdef")


OF_VERSIONS = [("10.11.9", A), ("10.11.18", B), ("10.11.19", C), ("11.8.6", D), ("11.8.7", E), ("a-name", F)]


def tag(name: str, digest: str, age_s: float = 2 * YOUNG_S, repository: str = "apps/default/shop") -> Tag:
    return Tag(repository, name, digest, age_s)


@pytest.mark.parametrize(
    ("found", "objects", "gone"),
    [
        ([tag("1", A)], [], {"1"}),
        ([tag("1", A, age_s=10)], [], set()),
        ([tag("1", A)], [{"image": f"{ADDRESS}/apps/default/shop@{A}"}], set()),
        ([tag("1", A)], [{"spec": [{"image": f"{ADDRESS}/apps/default/shop:1"}]}], set()),
        ([tag("1", A)], [{"image": f"{ADDRESS}/apps/default/shop:11"}], {"1"}),
        ([tag("1", A), tag("2", B)], [{"image": f"x@{B}"}], {"1"}),
        ([tag("s", A, repository="sources/default/shop")], [{"digest": C}], set()),
        ([tag("1", A), tag("2", A)], [{"image": f"{ADDRESS}/apps/default/shop:2"}], set()),
        ([tag("1", A), tag("2", A, age_s=10)], [], set()),
        ([tag(*each, repository="bases/versions/db") for each in OF_VERSIONS], [], {"10.11.9", "10.11.18", "11.8.6", "a-name"}),
        (
            [tag(*each, repository="bases/versions/db") for each in OF_VERSIONS],
            [
                {"spec": {"image": f"{ADDRESS}/bases/versions/db:10.11.18"}},
                {"status": {"previousImage": f"{ADDRESS}/bases/versions/db:11.8.6"}},
            ],
            {"10.11.9", "a-name"},
        ),
    ],
)
def test_a_tag_is_needed_by_digest_by_name_and_by_layer(found: list[Tag], objects: list[Object], gone: set[str]) -> None:
    assert {t.name for t in unreferenced(found, references(objects), ADDRESS, {A: {C}} if found[0].name == "s" else {})} == gone
