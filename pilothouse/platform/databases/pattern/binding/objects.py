"""The objects that a Binding owns: the account, and the Secret with the variables (pure)."""

import base64
from collections.abc import Mapping

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.pattern.binding.names import INSTANCE, secret_of, service_of
from pilothouse.platform.databases.resource import BINDINGS

ROTATION = "databases.pilothouse.dev/rotated-at"
"""Annotation of the Secret with the variables, and of that with the password: the `rotatedAt` that the password was made for."""


def rotation_of(secret: Object) -> str:
    return meta.annotations(secret).get(ROTATION, "")


def account(binding: Object, resource: Resource, spec: Object, before: Object | None) -> Object | None:
    """As it has to become; None when it is so. before: as it is."""
    if before is not None:
        now = before["spec"]
        return before | {"spec": now | spec} if any(now.get(key) != value for key, value in spec.items()) else None
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": _metadata(binding, meta.name(binding)), "spec": spec}


def secret(binding: Object, variables: Mapping[str, str], rotation: str, before: Object | None) -> Object | None:
    """The Secret with the variables, likewise. rotation: the `rotatedAt` that the password in them was made for."""
    data = {key: encoded(value) for key, value in variables.items()}
    marks = {ROTATION: rotation} if rotation else {}
    if before is None:
        metadata = _metadata(binding, secret_of(binding)) | {"annotations": marks}
        return {"apiVersion": "v1", "kind": kinds.SECRETS.kind, "metadata": metadata, "type": "Opaque", "data": data}
    if before.get("data") == data and rotation_of(before) == rotation:
        return None
    return before | {"metadata": before["metadata"] | {"annotations": meta.annotations(before) | {ROTATION: rotation}}, "data": data}


def _metadata(binding: Object, name: str) -> Object:
    """Without the label by which the platform lists its copies of Secrets: this one is nobody's copy."""
    return {
        "name": name,
        "namespace": meta.namespace(binding),
        "labels": {INSTANCE: service_of(binding)},
        "ownerReferences": [meta.owner_reference(binding, BINDINGS.api_version, BINDINGS.kind)],
    }


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
