"""An API server and an agent in a process of their own, to be killed: runs the pods it is given and prints their container ids.

Usage: python -m tests.e2e.node.agent_process HOME FOLDER NAME...
"""

import asyncio
import sys
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.containerd import Containerd
from tests.e2e.node.conftest import GATEWAY, Machine
from tests.e2e.node.pods import Cluster, container, pod, shell
from tests.e2e.node.session import first_objects, session


async def main(home: Path, folder: Path, names: list[str]) -> None:
    config = NodeConfig(home=home, node_name="n1", instance=f"pilothouse-{home.name}", addresses=(GATEWAY,), cluster_dns=("10.96.0.10",))

    async def work(cluster: Cluster) -> None:
        await first_objects(cluster)
        for name in names:
            probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
            mounts = [{"name": "part", "mountPath": "/part", "subPath": "of/it"}]
            wanted = pod(name, shell(readinessProbe=probe, volumeMounts=mounts), volumes=[{"name": "part", "emptyDir": {}}])
            found = await cluster.run(wanted)
            print(name, container(found)["containerID"], found["status"]["podIP"], flush=True)  # noqa: T201
        print("all", flush=True)  # noqa: T201
        await asyncio.Event().wait()

    await session(Machine(config, Containerd(config)), folder, work)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
