"""The ConfigMap with the program that a build's containers run.

Its name is made from its content and it is immutable, so that an upgrade of the platform changes nothing under a build that
runs: the node reads ConfigMaps again while a pod lives. One of another version goes when no pod that still works mounts it.
"""

import base64
import functools
import hashlib
from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.builds.bundle import bundle

LABEL = "builds.pilothouse.dev/program"
_ENDED = ("Succeeded", "Failed")


@functools.cache
def name() -> str:
    """Of this version's ConfigMap, in every namespace with builds."""
    return f"pilothouse-build-program-{hashlib.sha256(bundle()).hexdigest()[:10]}"


def config_map(namespace: str) -> Object:
    data = {"build.pyz": base64.b64encode(bundle()).decode()}
    return {"metadata": {"name": name(), "namespace": namespace, "labels": {LABEL: "yes"}}, "binaryData": data, "immutable": True}


def is_unaltered(found: Object) -> bool:
    """Of one with this version's name. Whoever may write ConfigMaps may have made it first, and builds run it with all rights."""
    wanted = config_map(meta.namespace(found))
    return found.get("binaryData") == wanted["binaryData"] and found.get("immutable") is True


def mounted(pod: Object) -> set[str]:
    """Keys of the ConfigMaps that the pod mounts."""
    volumes = pod["spec"].get("volumes") or ()
    return {f"{meta.namespace(pod)}/{volume['configMap']['name']}" for volume in volumes if volume.get("configMap")}


def unneeded(programs: Iterable[Object], pods: Iterable[Object]) -> list[Object]:
    """Programs of other versions that no pod mounts whose containers may still start.

    programs: the ConfigMaps with LABEL, of all namespaces. pods: all of them.
    """
    used = {key for pod in pods if (pod.get("status") or {}).get("phase") not in _ENDED for key in mounted(pod)}
    return [each for each in programs if meta.name(each) != name() and meta.key(each) not in used]
