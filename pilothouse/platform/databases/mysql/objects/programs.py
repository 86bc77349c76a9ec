"""The ConfigMap with the program of the agents (pure).

Its name is made from its content and it is immutable, so that a new version of the platform changes nothing under an agent that runs: a
pod has the version it was made with until it is made anew.
"""

import base64
import hashlib

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names

FILE = "agent.pyz"


def name(instance: Object, program: bytes) -> str:
    return names.program(meta.name(instance), hashlib.sha256(program).hexdigest())


def config_map(instance: Object, program: bytes) -> Object:
    return {
        "apiVersion": kinds.CONFIGMAPS.api_version,
        "kind": kinds.CONFIGMAPS.kind,
        "metadata": labels.metadata(instance, name(instance, program)),
        "binaryData": {FILE: base64.b64encode(program).decode()},
        "immutable": True,
    }


def unneeded(found: list[Object], wanted: str, pods: list[Object]) -> list[Object]:
    """Those of earlier versions that no pod mounts. found: the instance's ConfigMaps. pods: its pods."""
    used = {volume["configMap"]["name"] for pod in pods for volume in pod["spec"].get("volumes") or () if volume.get("configMap")}
    return [each for each in found if meta.name(each) not in used | {wanted}]
