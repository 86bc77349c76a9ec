"""The ConfigMap with the program of the agents (pure).

Its name stays and its content changes with the platform's version. Nodes read it again while pods live, and an agent that finds another
program in its place starts itself anew with it, beside a server that goes on.
"""

import base64
import functools
import hashlib

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names

FILE = "agent.pyz"


@functools.lru_cache(maxsize=2)
def version(program: bytes) -> str:
    """As an agent says it of its own, in its state."""
    return hashlib.sha256(program).hexdigest()[:10]


def config_map(instance: Object, program: bytes) -> Object:
    return {
        "apiVersion": kinds.CONFIGMAPS.api_version,
        "kind": kinds.CONFIGMAPS.kind,
        "metadata": labels.metadata(instance, names.program(meta.name(instance))),
        "binaryData": {FILE: _encoded(program)},
    }


@functools.lru_cache(maxsize=2)
def _encoded(program: bytes) -> str:
    return base64.b64encode(program).decode()


def share(found: Object, program: bytes) -> None:
    """Let a ConfigMap that a cache holds have the one text in memory that all have: it is the largest part of an instance by far."""
    data = found.get("binaryData") or {}
    if data.get(FILE) == _encoded(program):
        data[FILE] = _encoded(program)


def unneeded(instance: Object, found: list[Object], pods: list[Object]) -> list[Object]:
    """Those of an earlier platform that no pod mounts. found: the instance's own. pods: its pods and templates."""
    used = {volume["configMap"]["name"] for pod in pods for volume in pod["spec"].get("volumes") or () if volume.get("configMap")}
    return [each for each in found if meta.name(each) not in used | {names.program(meta.name(instance))}]
