"""A node's pod network as a process of its own, so that it can live in a network namespace: `python -m bench.rig.pod_host FOLDER CIDR...`.

Prints `ready`; ends, and takes all away, when its standard input does.
"""

import asyncio
import sys
from pathlib import Path

from pilothouse.aio.tasks import running
from pilothouse.network.pod import PodNetwork, PodNetworkConfig

SOCKET = "cni.sock"


async def main(folder: Path, cidrs: tuple[str, ...]) -> None:
    config = PodNetworkConfig(
        instance=f"bench{folder.name}",
        pod_cidrs=cidrs,
        cluster_cidrs=("10.250.0.0/16", "fd00:250::/48"),
        device="phbench",
        socket=folder / SOCKET,
        conf_dir=folder / "net.d",
        bin_dir=folder / "bin",
        shared_state=folder / "shared",
    )
    network = PodNetwork(config)
    async with running(network.run, name="pod network"):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    await asyncio.to_thread(network.teardown)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), tuple(sys.argv[2:])))
