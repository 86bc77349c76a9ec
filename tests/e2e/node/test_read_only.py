"""Mounts that are read-only all the way down, in real containers."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.files.mountpoints import mount_memory, mounts_below, unmount
from pilothouse.model.json import Object
from tests.e2e.node.pods import Cluster, container, pod, shell

pytestmark = pytest.mark.containers
TRIES = "touch /v/a 2>/dev/null && echo top; touch /v/below/a 2>/dev/null && echo below; echo done; sleep 1000"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "below").mkdir()
    mount_memory(tmp_path / "below", "mode=777")
    yield tmp_path
    unmount(tmp_path / "below")


def wanted(name: str, folder: Path, asked: str) -> Object:
    mount: Object = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": asked}
    return pod(name, shell(TRIES, volumeMounts=[mount]), volumes=[{"name": "v", "hostPath": {"path": str(folder)}}])


async def test_what_is_mounted_in_a_volume_is_read_only_when_the_pod_asks_for_it(cluster: Cluster, folder: Path) -> None:
    found = await cluster.run(wanted("all", folder, "Enabled"))
    assert await cluster.logs("all") == "done\n"
    assert container(found)["volumeMounts"][0]["recursiveReadOnly"] == "Enabled"
    await cluster.run(wanted("top", folder, "Disabled"))
    assert await cluster.logs("top") == "below\ndone\n"
    uid = found["metadata"]["uid"]
    assert mounts_below(cluster.config.pod_dir(uid))
    for name in ("all", "top"):
        await cluster.delete(name, grace_s=0)
    async with asyncio.timeout(25):
        while mounts_below(cluster.config.pod_dir(uid)):
            await asyncio.sleep(0.02)
    assert os.path.ismount(folder / "below")
