"""The ConfigMap with the program of the agents (pure).

Its name stays and its content changes with the platform's version. Nodes read it again while pods live, and an agent that finds another
program in its place starts itself anew with it, beside a server that goes on.
"""

import base64
import hashlib

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names

FILE = "agent.pyz"


def version(program: bytes) -> str:
    """As an agent says it of its own, in its state."""
    return hashlib.sha256(program).hexdigest()[:10]


def config_map(instance: Object, program: bytes) -> Object:
    return {
        "apiVersion": kinds.CONFIGMAPS.api_version,
        "kind": kinds.CONFIGMAPS.kind,
        "metadata": labels.metadata(instance, names.program(meta.name(instance))),
        "binaryData": {FILE: base64.b64encode(program).decode()},
    }


def unneeded(instance: Object, found: list[Object], pods: list[Object]) -> list[Object]:
    """Those of an earlier platform that no pod mounts. found: the instance's own. pods: its pods and templates."""
    used = {volume["configMap"]["name"] for pod in pods for volume in pod["spec"].get("volumes") or () if volume.get("configMap")}
    return [each for each in found if meta.name(each) not in used | {names.program(meta.name(instance))}]
