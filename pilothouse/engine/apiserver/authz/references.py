"""What a pod refers to by name in its own namespace. Pure. Source: kubernetes pkg/api/v1/pod (Visit*Names), authorizer/node/graph.go."""

from collections.abc import Iterator
from typing import Any

from pilothouse.model.json import Object

Reference = tuple[str, str]
"""(plural of the resource, name)."""

SECRETS, CONFIGMAPS, CLAIMS, ACCOUNTS = "secrets", "configmaps", "persistentvolumeclaims", "serviceaccounts"
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def references(pod: Object) -> frozenset[Reference]:
    """The Secrets, ConfigMaps, PersistentVolumeClaims and the ServiceAccount that the pod's node needs to run it."""
    spec = pod.get("spec") or {}
    found = [(ACCOUNTS, spec.get("serviceAccountName"))]
    found += [(SECRETS, _name(secret)) for secret in spec.get("imagePullSecrets") or ()]
    for container in (each for list_name in _CONTAINERS for each in spec.get(list_name) or ()):
        found += _of_container(container)
    for volume in spec.get("volumes") or ():
        found += _of_volume(pod["metadata"].get("name", ""), volume)
    return frozenset((resource, name) for resource, name in found if name)


def _of_container(container: Object) -> Iterator[tuple[str, str | None]]:
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield SECRETS, _name(source.get("secretKeyRef"))
        yield CONFIGMAPS, _name(source.get("configMapKeyRef"))
    for source in container.get("envFrom") or ():
        yield SECRETS, _name(source.get("secretRef"))
        yield CONFIGMAPS, _name(source.get("configMapRef"))


def _of_volume(pod_name: str, volume: Object) -> Iterator[tuple[str, str | None]]:
    yield CONFIGMAPS, _name(volume.get("configMap"))
    yield CLAIMS, (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if volume.get("ephemeral") is not None:
        yield CLAIMS, f"{pod_name}-{volume.get('name', '')}"
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield SECRETS, _name(source.get("secret"))
        yield CONFIGMAPS, _name(source.get("configMap"))
    # Whatever the kind of volume, these are the fields by which it names a Secret (secret, azureFile, csi, rbd, cephfs, iscsi, ...).
    for source in volume.values():
        if isinstance(source, dict):
            yield SECRETS, source.get("secretName")
            yield SECRETS, _name(source.get("secretRef"))
            yield SECRETS, _name(source.get("nodePublishSecretRef"))


def _name(reference: Any) -> str | None:
    return reference.get("name") if isinstance(reference, dict) else None
