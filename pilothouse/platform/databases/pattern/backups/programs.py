"""The ConfigMap with the programs of Jobs, in each namespace that has a store (pure).

Its name is made from its content and it is immutable: a new version of the platform changes nothing under a Job that works.
"""

import base64
import hashlib

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import BACKUP_STORES

FILE = "agent.pyz"


def name(store: str, program: bytes) -> str:
    return f"{store}-jobs-{hashlib.sha256(program).hexdigest()[:10]}"


def config_map(store: Object, program: bytes) -> Object:
    """It goes with the store."""
    return {
        "apiVersion": kinds.CONFIGMAPS.api_version,
        "kind": kinds.CONFIGMAPS.kind,
        "metadata": {
            "name": name(meta.name(store), program),
            "namespace": meta.namespace(store),
            "ownerReferences": [meta.owner_reference(store, BACKUP_STORES.api_version, BACKUP_STORES.kind)],
        },
        "binaryData": {FILE: base64.b64encode(program).decode()},
        "immutable": True,
    }
