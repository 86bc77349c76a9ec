"""An instance that was started with the machine's own containerd goes over to a later one, and its containers notice nothing."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.cli.containerd.fetch import codename
from pilothouse.cli.containerd.place import kept
from pilothouse.cli.containerd.provide import provide
from pilothouse.engine.node.runtime.containerd import Containerd
from pilothouse.engine.node.runtime.programs import choose, keeps_output, version_of
from pilothouse.model.kinds import PODS
from tests.e2e import free
from tests.e2e.node.conftest import Machine, machine_with
from tests.e2e.node.pods import Cluster, container, pod, shell
from tests.e2e.node.session import first_objects, session
from tests.e2e.node.test_bursts import BURST, EVERYTHING, PREPARE

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]
COUNTS = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done"


@pytest.fixture
def older() -> Iterator[Machine]:
    provide(kept(), codename())
    if asyncio.run(choose(None)).keeps_output:
        pytest.skip("this machine's own containerd keeps all output")
    if not asyncio.run(choose(kept())).keeps_output:
        pytest.skip("no later containerd can be had")
    with machine_with(None, free.network(231)) as made:
        yield made


def test_containers_go_on_under_the_later_containerd(older: Machine, tmp_path: Path) -> None:
    asyncio.run(_upgrade(older, tmp_path))


async def _upgrade(older: Machine, folder: Path) -> None:
    async def before(cluster: Cluster) -> None:
        await first_objects(cluster)
        await cluster.run(pod("counts", shell(COUNTS)))
        await cluster.run(pod("ends", shell(f"{PREPARE}; until [ -e /tmp/go ]; do sleep 0.1; done; {BURST}")))

    async def after(cluster: Cluster) -> None:
        for name in ("counts", "ends"):
            assert container(await cluster.client.get(PODS, name, "default"))["restartCount"] == 0
        assert await cluster.shell("counts", "echo here; exit 3") == ("here\n", 3)
        said = (await cluster.logs("counts")).split()
        assert said == [str(number) for number in range(len(said))]
        await cluster.shell("ends", "touch /tmp/go")
        await cluster.until("ends", lambda found: container(found)["restartCount"] >= 1)
        assert await cluster.logs("ends", previous=True) == EVERYTHING
        for name in ("counts", "ends"):
            await cluster.delete(name, grace_s=0)

    await session(older, folder, before)
    later = Containerd(replace(older.config, programs=kept()))
    await later.end_outdated()
    assert await later.start()
    running = later.running()
    assert running is not None
    assert keeps_output(await version_of(f"/proc/{running.pid}/exe"))
    await session(older, folder, after)
