"""The driver as charts deploy drivers: a pod of the node, privileged, with the kubelet's folders from the host and mounts that cross."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pilothouse.engine.node.config import KUBELET
from pilothouse.model.json import Object

REPOSITORY = Path(__file__).parents[2]
FROM_HOST = ("/usr", "/lib", "/lib64", "/dev")
BOTH_WAYS = ("pods", "plugins")


def driver_pod(name: str, image: str, root: Path, *words: str, namespace: str = "default", **spec: object) -> Object:
    """image: any that can be started: Python and the driver come from the machine. root: the driver's own folder, on the machine."""
    paths = [*FROM_HOST, *dict.fromkeys((sys.prefix, sys.base_prefix, str(REPOSITORY), str(root)))]
    paths += [f"{KUBELET}/{each}" for each in (*BOTH_WAYS, "plugins_registry")]
    volumes = [{"name": f"v{number}", "hostPath": {"path": path}} for number, path in enumerate(paths)]
    mounts = [_mount(volume["name"], path) for volume, path in zip(volumes, paths, strict=True)]
    container = {
        "name": "driver",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command(root, Path(KUBELET), *words),
        "env": [{"name": "PYTHONPATH", "value": str(REPOSITORY)}, {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],
        "securityContext": {"privileged": True},
        "volumeMounts": mounts,
    }
    whole: Object = {"containers": [container], "volumes": volumes, "hostNetwork": True, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": whole | spec}


def _mount(name: object, path: str) -> Object:
    crosses = path in [f"{KUBELET}/{each}" for each in BOTH_WAYS]
    return {"name": name, "mountPath": path, **({"mountPropagation": "Bidirectional"} if crosses else {})}


def command(root: Path, kubelet: Path, *words: str) -> Sequence[str]:
    """What starts the driver in a process of its own."""
    return [sys.executable, "-m", "tests.csi_driver", "--root", str(root), "--kubelet", str(kubelet), *words]
