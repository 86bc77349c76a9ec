"""New passwords, with the one before beside them for a while (pure).

A rotation is one write of the Secret: the new password, the old one under a key of its own, and the time that asked for it. The server
takes both until the old one is taken out again. While an old password is kept no further rotation begins, since a client may still
have it.
"""

import base64
import secrets
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.accounts.names import OLD_PASSWORD, PASSWORD, URI, instance_of
from pilothouse.platform.databases.mysql.labels import INSTANCE

ROTATED_AT = "databases.pilothouse.dev/rotated-at"
"""Annotation of a Secret: the `rotatedAt` that its password was made for."""
CHANGED_AT = "databases.pilothouse.dev/changed-at"
"""Annotation of a Secret: when its password was changed, from which the time of the old one counts."""
KEEP_OWN_S = 3600
"""How long the old password of an instance's own account works."""


def random_password() -> str:
    """32 characters that need no escaping anywhere: 190 bits."""
    return secrets.token_urlsafe(24)


def made(owner: Object, reference: Object, name: str, password: str) -> Object:
    """The Secret of an account, owned by its MySQLUser. reference: the owner reference."""
    asked = owner["spec"].get("rotatedAt") or ""
    return {
        "apiVersion": kinds.SECRETS.api_version,
        "kind": kinds.SECRETS.kind,
        "metadata": {
            "name": name,
            "namespace": meta.namespace(owner),
            "labels": {INSTANCE: instance_of(owner)},
            "annotations": {ROTATED_AT: asked} if asked else {},
            "ownerReferences": [reference],
        },
        "type": "Opaque",
        "data": {PASSWORD: encoded(password)},
    }


def rotation_of(secret: Object) -> str:
    """The `rotatedAt` that its password was made for."""
    return meta.annotations(secret).get(ROTATED_AT, "")


def keeps_old(secret: Object) -> bool:
    return OLD_PASSWORD in (secret.get("data") or {})


def old_until(secret: Object, keep_s: float) -> float:
    """When its old password ends, in seconds since the epoch; 0 where it has none."""
    if not keeps_old(secret):
        return 0.0
    try:
        return meta.parse_rfc3339(meta.annotations(secret).get(CHANGED_AT, "")) + keep_s
    except ValueError:
        return 0.0


def turned(secret: Object, asked: str, keep_s: float, now_s: float, password: Callable[[], str]) -> Object | None:
    """The Secret as it has to become: without an old password that has had its time, or with a new one. None: as it is.

    asked: the `rotatedAt` of the account. keep_s: for how long an old password is kept.
    """
    if keeps_old(secret):
        return _without_old(secret) if old_until(secret, keep_s) <= now_s else None
    return _rotated(secret, asked, now_s, password()) if asked and asked != rotation_of(secret) else None


def _rotated(secret: Object, asked: str, now_s: float, password: str) -> Object:
    data = secret.get("data") or {}
    changed = data | {PASSWORD: encoded(password), OLD_PASSWORD: data.get(PASSWORD, "")}
    if URI in data:
        changed[URI] = encoded(_with_password(base64.b64decode(data[URI]).decode(), password))
    metadata = secret["metadata"]
    marks = meta.annotations(secret) | {ROTATED_AT: asked, CHANGED_AT: meta.rfc3339(now_s)}
    return secret | {"metadata": metadata | {"annotations": marks}, "data": changed}


def _without_old(secret: Object) -> Object:
    return secret | {"data": {key: value for key, value in secret["data"].items() if key != OLD_PASSWORD}}


def _with_password(uri: str, password: str) -> str:
    parts = urlsplit(uri)
    user, host = parts.netloc.rpartition("@")[0].partition(":")[0], parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
