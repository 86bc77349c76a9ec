"""An API server and an agent in a process of their own, with a pod that has volumes of a driver and of the node, to be killed.

Usage: python -m tests.e2e.node.faults.agent_with_volumes HOME ADDRESS FOLDER VOLUME VERB. Prints "runs" when the pod runs, and
deletes it then when the verb is "delete". VOLUME: the name of one that lies on the node.
"""

import asyncio
import sys
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.runtime.containerd import Containerd
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from pilothouse.model.volumes import LOCAL_PROVISIONER, NODE, PROVISIONED_BY
from tests.e2e.node.bound import bind, introduce, source
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import SLEEPER, Cluster, pod, shell
from tests.e2e.node.session import first_objects, session

NAME = "kept"


def wanted() -> Object:
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("remote", "here")]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("remote", "here")]
    script = f"for each in remote here; do test -s /$each/file || echo $each > /$each/file; done; {SLEEPER}"
    return pod(NAME, shell(script, volumeMounts=mounts), volumes=volumes)


async def main(home: Path, address: str, folder: Path, volume: str, verb: str) -> None:
    config = NodeConfig(home=home, node_name="n1", instance=f"pilothouse-{home.name}", addresses=(address,), cluster_dns=("10.96.0.10",))

    async def work(cluster: Cluster) -> None:
        await first_objects(cluster)
        await introduce(cluster.client)
        await bind(cluster.client, "remote", "pv-remote", **source("vol-1"))
        made_here = {PROVISIONED_BY: LOCAL_PROVISIONER, NODE: "n1"}
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}
        required = {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}}
        local = {"local": {"path": str(config.volumes_dir / volume)}, "nodeAffinity": required}
        await bind(cluster.client, "here", volume, annotations=made_here, **local)
        await cluster.run(wanted())
        print("runs", flush=True)  # noqa: T201
        if verb == "delete":
            await cluster.client.delete(PODS, NAME, "default", grace_s=2)
        await asyncio.Event().wait()

    await session(Machine(config, Containerd(config)), folder, work)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:]))
