"""A node for tests: for the session the containerd that `ph up` would start, and for each test a fresh API server in this process with
an agent on it."""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from pilothouse.aio.tasks import TaskSet
from pilothouse.cli.containerd.fetch import codename
from pilothouse.cli.containerd.place import kept
from pilothouse.cli.containerd.provide import provide
from pilothouse.engine.node import teardown
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.kubelet_root import open_root
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.images.archive import busybox_archive, load_archive, pause_archive
from pilothouse.engine.node.runtime.containerd import Containerd
from pilothouse.model.kinds import PODS
from tests.e2e import free
from tests.e2e.node.pods import BUSYBOX, Cluster

PLUGINS = Path("/usr/lib/cni")


@dataclass(frozen=True)
class Machine:
    config: NodeConfig
    containerd: Containerd


def _network(config: NodeConfig, bridge: str, subnet: str) -> None:
    for folder in (config.cni_conf_dir, config.cni_bin_dir):
        folder.mkdir(parents=True, exist_ok=True)
    for plugin in ("bridge", "host-local", "loopback"):
        (config.cni_bin_dir / plugin).symlink_to(PLUGINS / plugin)
    ipam = {"type": "host-local", "dataDir": str(config.home / "ipam"), "ranges": [[{"subnet": subnet}]]}
    chained = {"type": "bridge", "bridge": bridge, "isGateway": True, "ipam": ipam}
    conf = {"cniVersion": "0.4.0", "name": "pht-node", "plugins": [chained]}
    (config.cni_conf_dir / "10-test.conflist").write_text(json.dumps(conf))


async def _start(config: NodeConfig) -> Containerd:
    await asyncio.to_thread(open_root, config)
    containerd = Containerd(config)
    await containerd.start()
    archive = config.home / "image.tar"
    pause_archive(archive, config.sandbox_image)
    await load_archive(containerd.socket, archive)
    busybox_archive(archive, BUSYBOX)
    await load_archive(containerd.socket, archive)
    return containerd


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    if os.geteuid() != 0 or shutil.which("containerd") is None:
        pytest.skip("needs root and containerd")
    provide(kept(), codename())
    with machine_with(kept(), free.network(231)) as made:
        yield made


@contextmanager
def machine_with(programs: Path | None, subnet: str) -> Iterator[Machine]:
    """A containerd with a pod network of its own, chosen among `programs` and the machine's; nothing is left of it afterwards."""
    home = Path(tempfile.mkdtemp(prefix="pht-node-"))
    home.chmod(0o711)
    gateway = str(IPv4Network(subnet)[1])
    bridge = f"phtn{gateway.split('.')[1]}x{os.getpid() % 100000}"
    config = NodeConfig(
        home=home,
        node_name="n1",
        instance=f"pilothouse-{home.name}",
        addresses=(gateway,),
        cluster_dns=("10.96.0.10",),
        programs=programs,
        allowed_sysctls=("fs.mqueue.*",),
    )
    _network(config, bridge, subnet)
    containerd = asyncio.run(_start(config))
    try:
        yield Machine(config, containerd)
    finally:
        asyncio.run(teardown.destroy(config))
        subprocess.run(["ip", "link", "delete", bridge], check=False, stderr=subprocess.DEVNULL)
        assert not mounts_below(home)
        assert not teardown.shims(containerd.socket)
        assert not cgroups.is_there(cgroups.instance_parent(config.instance))
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def cluster(machine: Machine, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A fresh cluster; its pods go with it.

    The parts are scopes of tasks: one task enters and leaves them, as the fixture's own halves run in two.
    """
    from tests.e2e.node.session import first_objects, session

    made: asyncio.Future[Cluster] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def during(cluster: Cluster) -> None:
        await first_objects(cluster)
        made.set_result(cluster)
        await over.wait()
        await _remove_pods(cluster)

    tasks = TaskSet()
    keeping = tasks.start(session(machine, tmp_path, during))
    await asyncio.wait([made, keeping], return_when=asyncio.FIRST_COMPLETED)
    yield made.result() if made.done() else await made
    over.set()
    async with asyncio.timeout(30):
        await keeping


async def _remove_pods(cluster: Cluster) -> None:
    await cluster.client.delete_collection(PODS, "default", grace_s=0)
    async with asyncio.timeout(20):
        while cluster.agent.pods_here:
            await asyncio.sleep(0.02)
