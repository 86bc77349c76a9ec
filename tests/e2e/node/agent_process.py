"""An API server and an agent in a process of their own, to be killed: runs the pods it is given and prints their container ids.

Usage: python -m tests.e2e.node.agent_process HOME ADDRESS FOLDER NAME...
"""

import asyncio
import sys
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.runtime.containerd import Containerd
from pilothouse.model.json import Object
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import BUSYBOX, Cluster, container, pod, shell
from tests.e2e.node.session import first_objects, session


def own_users() -> Object:
    """A pod with users of its own, an image as a volume and a signal of its own."""
    mounts = [{"name": "part", "mountPath": "/part"}, {"name": "image", "mountPath": "/image"}]
    script = "cat /proc/self/uid_map; ls /image/bin/busybox; touch /part/x; trap 'exit 7' USR1; while :; do sleep 0.1; done"
    own = shell(script, volumeMounts=mounts, lifecycle={"stopSignal": "SIGUSR1"})
    volumes = [{"name": "part", "emptyDir": {}}, {"name": "image", "image": {"reference": BUSYBOX}}]
    return {"containers": [own], "volumes": volumes, "hostUsers": False, "os": {"name": "linux"}}


async def main(home: Path, address: str, folder: Path, names: list[str]) -> None:
    config = NodeConfig(home=home, node_name="n1", instance=f"pilothouse-{home.name}", addresses=(address,), cluster_dns=("10.96.0.10",))

    async def work(cluster: Cluster) -> None:
        await first_objects(cluster)
        for name in names:
            probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
            mounts = [{"name": "part", "mountPath": "/part", "subPath": "of/it"}]
            wanted = pod(name, shell(readinessProbe=probe, volumeMounts=mounts), volumes=[{"name": "part", "emptyDir": {}}])
            if name == "own":
                wanted["spec"] |= own_users()
            found = await cluster.run(wanted)
            print(name, container(found)["containerID"], found["status"]["podIP"], flush=True)  # noqa: T201
        print("all", flush=True)  # noqa: T201
        await asyncio.Event().wait()

    await session(Machine(config, Containerd(config)), folder, work)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:]))
