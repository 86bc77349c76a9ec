"""An API server and an agent in a process of their own that stops for ever at a point of a pod's life, to be killed there.

Usage: python -m tests.e2e.node.faults.agent_at_point HOME ADDRESS FOLDER VERB WHEN NAME. Prints "here" when it has come to the point.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.runtime.containerd import Containerd
from pilothouse.model.kinds import PODS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.faults.points import AtPoint
from tests.e2e.node.pods import Cluster, pod, shell
from tests.e2e.node.session import first_objects, session

ABSENT = "docker.io/test/absent:1"


async def _stop() -> None:
    print("here", flush=True)  # noqa: T201
    await asyncio.Event().wait()


async def main(home: Path, address: str, folder: Path, verb: str, when: str, name: str) -> None:
    config = NodeConfig(home=home, node_name="n1", instance=f"pilothouse-{home.name}", addresses=(address,), cluster_dns=("10.96.0.10",))
    image = {"image": ABSENT} if verb == "PullImage" else {}

    async def work(cluster: Cluster) -> None:
        await first_objects(cluster)
        volumes = {"volumes": [{"name": "fast", "emptyDir": {"medium": "Memory"}}]}
        wanted = pod(name, shell(volumeMounts=[{"name": "fast", "mountPath": "/fast"}]) | image, **volumes)
        if verb.startswith("Stop"):
            await cluster.run(wanted)
            await cluster.client.delete(PODS, name, "default", grace_s=5)
        else:
            await cluster.create(wanted)
        await asyncio.Event().wait()

    await session(Machine(config, Containerd(config)), folder, work, partial(AtPoint, verb=verb, when=when, deed=_stop))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:]))
