"""BackupStores: what is wrong with one, what it needs, and how a Job's pod gets at it (pure)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups import labels
from pilothouse.platform.databases.resource import BACKUP_STORES

DEFAULT_SIZE = "10Gi"
KEY_LOST = "KeyLost"
_STORE_REASONS = ("StoreFull", "StoreRefused", "StoreUnreachable", "StoreFailed")


@dataclass(frozen=True, slots=True)
class Access:
    """What a pod needs to reach a store."""

    env: dict[str, str]
    volumes: list[Object] = field(default_factory=list)
    mounts: list[Object] = field(default_factory=list)


def faults(store: Object) -> list[str]:
    """Sentences; none when there is nothing wrong."""
    spec = store["spec"]
    if bool(spec.get("volume") is not None) == bool(spec.get("s3") is not None):
        return ["a store needs exactly one of spec.volume and spec.s3"]
    parts = urlsplit((spec.get("s3") or {}).get("endpoint") or "https://volume")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return [f"spec.s3.endpoint {spec['s3']['endpoint']!r} is no URL such as https://s3.example.com"]
    return []


def default(namespace: str) -> Object:
    """The store of a namespace that names none."""
    return {
        "apiVersion": BACKUP_STORES.api_version,
        "kind": BACKUP_STORES.kind,
        "metadata": {"name": labels.DEFAULT_STORE, "namespace": namespace},
        "spec": {"volume": {"size": DEFAULT_SIZE}},
    }


def claim(store: Object) -> Object | None:
    """None for S3. It has no owner: a deleted store's backups stay until the claim is deleted too."""
    volume = store["spec"].get("volume")
    if volume is None:
        return None
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": volume.get("size") or DEFAULT_SIZE}}}
    if volume.get("storageClass"):
        spec["storageClassName"] = volume["storageClass"]
    return {
        "apiVersion": "v1",
        "kind": kinds.PERSISTENTVOLUMECLAIMS.kind,
        "metadata": {
            "name": labels.claim(meta.name(store)),
            "namespace": meta.namespace(store),
            "labels": {"app.kubernetes.io/managed-by": "pilothouse"},
        },
        "spec": spec,
    }


def access(store: Object) -> Access:
    """The key is mounted, and what is secret of S3; nothing secret is in the pod itself."""
    key = _secret("key", labels.key_secret(store), "/key")
    s3 = store["spec"].get("s3")
    if s3 is None:
        volume = {"name": "store", "persistentVolumeClaim": {"claimName": labels.claim(meta.name(store))}}
        return Access({"STORE": "volume"}, [volume, key[0]], [{"name": "store", "mountPath": "/store"}, key[1]])
    told = {name: s3.get(name) or usual for name, usual in _S3.items()}
    credentials = _secret("credentials", s3["secret"], "/credentials")
    return Access({"STORE": "s3", "S3": json.dumps(told)}, [credentials[0], key[0]], [credentials[1], key[1]])


_S3 = {"endpoint": "", "bucket": "", "prefix": "", "region": "us-east-1", "ca": ""}


def ready(store: Object, backups: Sequence[Object]) -> tuple[str, str, str]:
    """Status, reason, message of its condition Ready. backups: those in it. What the newest that ended met with is what it is like."""
    if wrong := faults(store):
        return "False", "InvalidSpec", wrong[0]
    ended = [each for each in backups if (each.get("status") or {}).get("phase") in ("Succeeded", "Failed")]
    newest = max(ended, key=lambda each: each["status"].get("finishedAt") or "", default=None)
    if newest is not None and newest["status"].get("reason") in _STORE_REASONS:
        return "False", newest["status"]["reason"], newest["status"].get("message") or ""
    return "True", "Usable", ""


def sealed(backups: Sequence[Object]) -> bool:
    """Whether one of them lies in its store."""
    return any((each.get("status") or {}).get("phase") == "Succeeded" for each in backups)


def key_lost(store: Object, backups: Sequence[Object]) -> tuple[str, str, str]:
    good = sum(sealed([each]) for each in backups)
    what = f"Secret {labels.key_secret(store)} is not there, and its key is all that opens {good} backups"
    return "False", KEY_LOST, f"{what}: put it back; or delete these Backups, and a new key is made"


def lost(store: Object) -> str:
    """The sentence that says so; "" when the key is there, as far as is known."""
    found = meta.condition(store, "Ready") or {}
    return str(found["message"]) if found.get("reason") == KEY_LOST else ""


def _secret(name: str, secret: str, path: str) -> tuple[Object, Object]:
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}, {"name": name, "mountPath": path, "readOnly": True}
