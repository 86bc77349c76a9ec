"""Images from a real registry."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse.aio.child import Child
from pilothouse.aio.process import run
from pilothouse.engine.node.images.archive import busybox_archive
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.model.kinds import SECRETS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster, container, is_ready, pod, shell, waits_for
from tests.engine.node.builders import pull_secret

pytestmark = pytest.mark.containers


@dataclass(frozen=True)
class Registry:
    address: str
    folder: Path

    async def push(self, name: str) -> str:
        archive = self.folder / "image.tar"
        await asyncio.to_thread(busybox_archive, archive, f"example.com/{name}:1")
        target = f"docker://{self.address}/{name}:1"
        copy = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"oci-archive:{archive}", target]
        (await run(copy)).check()
        return f"{self.address}/{name}:1"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    if shutil.which("docker-registry") is None:
        pytest.skip("needs docker-registry")
    async with serving(tmp_path) as found:
        yield found


@asynccontextmanager
async def serving(folder: Path, *, more: str = "", name: str = "registry") -> AsyncIterator[Registry]:
    """more: of its configuration. Of one folder all serve the same images."""
    port, settings = _free_port(), folder / f"{name}.yml"
    settings.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {folder}/blobs\nhttp:\n  addr: 127.0.0.1:{port}\n{more}"
    )
    command: list[str | Path] = ["docker-registry", "serve", settings]
    child = await Child.start(command, log=folder / f"{name}.log", dies_with_us=True)
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.transport.abort()
                break
    try:
        yield Registry(f"127.0.0.1:{port}", folder)
    finally:
        await child.stop(2.0)


async def test_an_image_is_pulled_when_it_is_not_there(cluster: Cluster, machine: Machine, registry: Registry) -> None:
    image = await registry.push("fresh")
    found = await cluster.run(pod("pulls", shell() | {"image": image}))
    assert container(found)["image"] == image
    assert container(found)["imageID"].startswith(f"{registry.address}/fresh@sha256:")
    assert (await cluster.said("pulls", "Pulled"))["message"].startswith(f'Successfully pulled image "{image}" in ')
    runtime = CriRuntime(machine.containerd.socket)
    listed = await runtime.image(image)
    assert listed is not None
    await runtime.close()


@pytest.mark.slow
async def test_a_pod_starts_once_its_image_has_come_into_being(cluster: Cluster, registry: Registry) -> None:
    spec = shell() | {"image": f"{registry.address}/late:1"}
    await cluster.create(pod("late", spec))
    await cluster.until("late", waits_for("ImagePullBackOff"))
    event = await cluster.said("late", "Failed")
    assert "late:1: not found" in event["message"]
    await registry.push("late")
    await cluster.until("late", is_ready, timeout_s=25)


async def test_a_private_image_serves_pods_with_a_secret_for_it_alone(cluster: Cluster, registry: Registry, tmp_path: Path) -> None:
    await registry.push("private")
    # The bcrypt hash of "word".
    (tmp_path / "users").write_text("me:$2y$05$abcdefghijklmnopqrstuuQDoL5Sa/TtfS/XN4AY/jgq.HBbO1BTu\n")
    users = f"auth:\n  htpasswd:\n    realm: test\n    path: {tmp_path}/users\n"
    async with serving(tmp_path, more=users, name="private") as private:
        secret = pull_secret("mine", private.address, "me", "word", namespace="default")
        await cluster.client.create(SECRETS, secret | {"metadata": {"name": "mine", "namespace": "default"}})
        spec = shell() | {"image": f"{private.address}/private:1"}
        await cluster.run(pod("may", spec, imagePullSecrets=[{"name": "mine"}]))
        await cluster.create(pod("may-not", spec))
        await cluster.until("may-not", waits_for("ImagePullBackOff"))
        assert "authorization failed" in (await cluster.said("may-not", "Failed"))["message"]
    await cluster.run(pod("may-too", spec, imagePullSecrets=[{"name": "mine"}]))
