"""The pod network as a real container runtime uses it: containerd calls our plug-ins for each sandbox."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.images.archive import load_archive, pause_archive
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.containerd import Containerd
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.network.pod import PodNetwork
from tests.e2e.network.conftest import sh
from tests.e2e.network.pods import pod_config, running

pytestmark = pytest.mark.containers


@contextlib.asynccontextmanager
async def containerd(home: Path) -> AsyncIterator[CriRuntime]:
    config = NodeConfig(home=home, node_name="here", instance=f"pilothouse-{home.name}")
    daemon = Containerd(config)
    await daemon.start()
    runtime = CriRuntime(daemon.socket)
    try:
        pause_archive(home / "pause.tar", config.sandbox_image)
        await load_archive(daemon.socket, home / "pause.tar")
        yield runtime
    finally:
        for sandbox in await runtime.sandboxes():
            with contextlib.suppress(RuntimeFailure):
                await runtime.stop_sandbox(sandbox.id)
                await runtime.remove_sandbox(sandbox.id)
        await runtime.close()
        await daemon.stop()
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if str(home) in line:
                sh("umount", "-l", line.split()[4], check=False)


def sandbox_config(number: int, home: Path, **ports: int) -> api.PodSandboxConfig:
    metadata = api.PodSandboxMetadata(name=f"pht-net-{number}", namespace="default", uid=f"uid-{number}", attempt=0)
    mappings = [api.PortMapping(container_port=port, host_port=ports["host"]) for name, port in ports.items() if name == "container"]
    return api.PodSandboxConfig(
        metadata=metadata,
        hostname=f"pht-net-{number}",
        log_directory=str(home / "logs"),
        port_mappings=mappings,
        linux=api.LinuxPodSandboxConfig(cgroup_parent="/pht-net"),
    )


async def test_containerd_starts_and_ends_pods_on_the_network(host: None, tmp_path: Path) -> None:
    home = Path(f"/tmp/pht-net-{tmp_path.name[-8:]}")
    home.mkdir()
    places = {"conf_dir": home / "cni" / "net.d", "bin_dir": home / "cni" / "bin"}
    network = PodNetwork(pod_config(tmp_path, **places))
    try:
        async with running(network), containerd(home) as runtime:
            first = await runtime.run_sandbox(sandbox_config(0, home, host=8088, container=80))
            assert (await runtime.sandbox(first)).ips == ("10.244.7.2",)
            # A runtime names its sandboxes to CNI as it lists them.
            for now in (0.0, 3600.0):
                await asyncio.to_thread(network.collect, {each.id for each in await runtime.sandboxes()}, now)
            assert "tcp . 8088 : 10.244.7.2 . 80" in sh("nft", "list", "ruleset")
            began = time.perf_counter()
            await runtime.stop_sandbox(first)
            assert time.perf_counter() - began < 5
            assert "8088" not in sh("nft", "list", "ruleset")
            await runtime.remove_sandbox(first)
            second = await runtime.run_sandbox(sandbox_config(1, home))
            assert (await runtime.sandbox(second)).ips == ("10.244.7.3",)
    finally:
        await asyncio.to_thread(network.teardown)
        sh("rm", "-rf", str(home))
        for folder in Path("/sys/fs/cgroup").glob("*/pht-net"):
            folder.rmdir()


async def test_containerd_says_why_while_pilothouse_is_not_running(host: None, tmp_path: Path) -> None:
    home = Path(f"/tmp/pht-net-{tmp_path.name[-8:]}")
    home.mkdir()
    network = PodNetwork(pod_config(tmp_path, conf_dir=home / "cni" / "net.d", bin_dir=home / "cni" / "bin"))
    try:
        async with running(network):
            pass
        async with containerd(home) as runtime:
            with pytest.raises(RuntimeFailure, match="pilothouse is not running"):
                await runtime.run_sandbox(sandbox_config(0, home))
            async with running(network):
                again = await runtime.run_sandbox(sandbox_config(1, home))
                assert (await runtime.sandbox(again)).ips == ("10.244.7.2",)
                await runtime.stop_sandbox(again)
    finally:
        await asyncio.to_thread(network.teardown)
        sh("rm", "-rf", str(home))
        for folder in Path("/sys/fs/cgroup").glob("*/pht-net"):
            folder.rmdir()
