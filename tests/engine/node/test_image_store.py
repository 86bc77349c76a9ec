"""Pulling images: who shares a pull with whom, how one that fails is told, and whom what was pulled serves."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.aio.clock import Steady
from pilothouse.engine.node.images.credentials import Credential, SecretOf, credentials
from pilothouse.engine.node.images.store import ImageStore
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import Image, RuntimeFailure
from pilothouse.model.json import Object, dumps
from tests.engine.node.builders import pull_secret
from tests.simulation.fake_runtime import FakeRuntime

REGISTRY = "registry.example"
IMAGE = f"{REGISTRY}/app:1"
KNOWN = Credential(api.AuthConfig(username="a", password="b"), SecretOf("u", "n", "s"), "hash")


class Node:
    """An image store whose agent may be killed and started again. Of `remote` is what a registry gives to those with a password alone."""

    def __init__(self, folder: Path, *remote: str) -> None:
        self.folder = folder
        self.runtime = FakeRuntime(latency_s=0.0, remote=set(remote), private=dict.fromkeys(remote, "me:word"))
        self.store = ImageStore(self.runtime, folder, Steady())

    async def restarted(self) -> None:
        await self.store.close()
        self.store = ImageStore(self.runtime, self.folder, Steady())
        await self.store.open()

    async def pull(self, image: str, *secrets: Object) -> Image:
        return (await self.store.pull(image, credentials(image, secrets))).image

    async def may_use(self, image: str, *secrets: Object) -> bool:
        async def asked() -> list[Object]:
            return list(secrets)

        found = await self.store.present(image)
        assert found is not None
        return await self.store.may_use(image, found, asked)


@pytest.fixture
def mine() -> Object:
    return pull_secret("mine", REGISTRY, "me", "word")


async def test_a_pull_is_shared_by_equal_credentials_alone(tmp_path: Path) -> None:
    runtime = FakeRuntime(remote={IMAGE})
    store = ImageStore(runtime, tmp_path, Steady())
    await asyncio.gather(*(store.pull(IMAGE, [KNOWN]) for _ in range(3)))
    assert len(runtime.called("PullImage")) == 1
    await asyncio.gather(store.pull(IMAGE, [KNOWN]), store.pull(IMAGE, []))
    assert len(runtime.called("PullImage")) == 3
    await store.close()


async def test_a_pull_that_fails_is_told_to_whoever_asked_and_to_nobody_else(tmp_path: Path) -> None:
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
    store = ImageStore(FakeRuntime(), tmp_path, Steady())
    with pytest.raises(RuntimeFailure, match="not found"):
        await store.pull(IMAGE, [])
    await asyncio.sleep(0)
    assert not reports
    await store.close()


async def test_what_a_secret_fetched_serves_its_like_alone_also_under_the_next_agent(tmp_path: Path, mine: Object) -> None:
    node = Node(tmp_path, IMAGE)
    await node.pull(IMAGE, mine)
    for _ in range(2):
        assert await node.may_use(IMAGE, mine)
        assert await node.may_use(IMAGE, pull_secret("equal", REGISTRY, "me", "word", namespace="other"))
        assert not await node.may_use(IMAGE)
        assert not await node.may_use(IMAGE, pull_secret("other", REGISTRY, "me", "guessed"))
        assert not await node.may_use(IMAGE, pull_secret("mine", "elsewhere.example", "me", "word"))
        await node.restarted()


async def test_a_secret_whose_password_was_renewed_is_still_the_one_that_fetched(tmp_path: Path, mine: Object) -> None:
    node = Node(tmp_path, IMAGE)
    await node.pull(IMAGE, mine)
    assert await node.may_use(IMAGE, pull_secret("mine", REGISTRY, "me", "renewed"))
    await node.restarted()
    assert not await node.may_use(IMAGE, pull_secret("another", REGISTRY, "me", "renewed"))
    made_again = pull_secret("mine", REGISTRY, "me", "guessed")
    made_again["metadata"]["uid"] = "another"
    assert not await node.may_use(IMAGE, made_again)


async def test_what_was_here_before_any_pull_serves_everybody(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.runtime.holds("built:1")
    assert await node.may_use("built:1")
    with pytest.raises(RuntimeFailure):
        await node.pull("built:1")
    assert await node.may_use("built:1")


async def test_what_was_fetched_without_credentials_serves_everybody(tmp_path: Path) -> None:
    node = Node(tmp_path, IMAGE)
    node.runtime.private.clear()
    await node.pull(IMAGE)
    await node.restarted()
    assert await node.may_use(IMAGE)


async def test_an_image_is_not_had_by_the_name_of_another_repository(tmp_path: Path, mine: Object) -> None:
    node = Node(tmp_path, IMAGE)
    found = await node.pull(IMAGE, mine)
    node.runtime.stock["public:1"] = found
    assert not await node.may_use("public:1")
    node.runtime.stock[f"{REGISTRY}/app:2"] = found
    assert await node.may_use(f"{REGISTRY}/app:2", mine)


async def test_a_name_that_was_here_before_serves_everybody_though_its_image_was_fetched_by_another(tmp_path: Path, mine: Object) -> None:
    node = Node(tmp_path, IMAGE)
    found = await node.pull(IMAGE, mine)
    both = replace(found, tags=(IMAGE, "docker.io/library/built:1"), digests=(f"{REGISTRY}/app@sha256:{64 * '0'}",))
    node.runtime.stock |= {IMAGE: both, "built:1": both, found.id: both, both.digests[0]: both}
    for _ in range(2):
        assert await node.may_use("built:1")
        assert not await node.may_use(IMAGE)
        assert not await node.may_use(both.digests[0])
        assert not await node.may_use(found.id)
        await node.restarted()


async def test_an_image_whose_pull_nobody_saw_the_end_of_serves_nobody_before_it_is_pulled_again(tmp_path: Path, mine: Object) -> None:
    node = Node(tmp_path, IMAGE)
    node.runtime.latency_s = 0.01
    pulling = asyncio.create_task(node.pull(IMAGE, mine))
    while IMAGE not in node.runtime.stock:
        await asyncio.sleep(0)
    node.runtime.latency_s = 0.0
    await node.restarted()
    await asyncio.wait([pulling])
    assert pulling.cancelled()
    assert not await node.may_use(IMAGE)
    with pytest.raises(RuntimeFailure):
        await node.pull(IMAGE)
    assert not await node.may_use(IMAGE)
    await node.pull(IMAGE, mine)
    assert await node.may_use(IMAGE, mine)
    assert not list((tmp_path / "pulling").iterdir())


async def test_a_pull_that_goes_on_takes_no_image_away_that_was_here(tmp_path: Path) -> None:
    node = Node(tmp_path, IMAGE)
    node.runtime.holds(IMAGE)
    node.runtime.latency_s = 0.05
    pulling = asyncio.create_task(node.pull(IMAGE))
    await asyncio.sleep(0.08)
    node.runtime.latency_s = 0.0
    assert not pulling.done()
    assert await node.may_use(IMAGE)
    with pytest.raises(RuntimeFailure):
        await pulling


async def test_a_pull_that_cannot_be_noted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pulling").write_text("in the way")
    node = Node(tmp_path, IMAGE)
    with pytest.raises(RuntimeFailure, match="cannot be noted"):
        await node.pull(IMAGE)
    assert not node.runtime.called("PullImage")


async def test_records_go_with_their_images(tmp_path: Path, mine: Object) -> None:
    node = Node(tmp_path, IMAGE)
    await node.pull(IMAGE, mine)
    await node.store.look()
    assert len(list((tmp_path / "pulled").iterdir())) == 1
    node.runtime.stock.clear()
    await node.store.look()
    assert not list((tmp_path / "pulled").iterdir())
    node.runtime.holds(IMAGE)
    assert await node.may_use(IMAGE)


async def test_what_is_kept_tells_nobody_the_password(tmp_path: Path, mine: Object) -> None:
    node = Node(tmp_path, IMAGE)
    await node.pull(IMAGE, mine)
    (kept,) = (tmp_path / "pulled").iterdir()
    assert b"word" not in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0


async def test_records_that_cannot_be_read_break_nothing_and_open_nothing(tmp_path: Path, mine: Object) -> None:
    node = Node(tmp_path, IMAGE)
    await node.pull(IMAGE, mine)
    (kept,) = (tmp_path / "pulled").iterdir()
    for text in (
        "",
        "[]",
        "{",
        '{"imageRef": 1}',
        dumps({"imageRef": f"sha256:{IMAGE}", "credentialMapping": []}).decode(),
        dumps({"imageRef": f"sha256:{IMAGE}", "credentialMapping": {f"{REGISTRY}/app": 1}}).decode(),
        dumps({"imageRef": f"sha256:{IMAGE}", "credentialMapping": {f"{REGISTRY}/app": {"kubernetesSecrets": ["b"]}}}).decode(),
    ):
        kept.write_text(text)
        await node.restarted()
        assert not await node.may_use(IMAGE)
        await node.store.look()
    kept.write_text("")
    await node.restarted()
    await node.pull(IMAGE, mine)
    await node.restarted()
    assert await node.may_use(IMAGE, mine)
    kept.write_text("")
    await node.restarted()
    node.runtime.stock.clear()
    await node.store.look()
    assert not kept.exists()
