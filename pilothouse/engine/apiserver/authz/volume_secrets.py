"""Which PersistentVolumes name a Secret that the node needs to mount them. Secrets for attaching and making volumes are not the node's.

Source: kubernetes plugin/pkg/auth/authorizer/node (AddPV), pkg/api/persistentvolume (VisitPVSecretNames).
"""

from collections.abc import Iterator

from pilothouse.engine.apiserver.following import follow_resource
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMES

_OF_NODES = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")
_Key = tuple[str, str]


class VolumeSecrets:
    """An index (see `follow_resource`) of the volumes that name Secrets."""

    def __init__(self) -> None:
        self._volumes: dict[_Key, set[str]] = {}
        self._secrets: dict[str, set[_Key]] = {}

    def follow(self, store: Store) -> None:
        follow_resource(store, PERSISTENTVOLUMES, self)

    def clear(self) -> None:
        self._volumes.clear()
        self._secrets.clear()

    def put(self, namespace: str, name: str, volume: Object) -> None:
        self.drop(namespace, name)
        if found := set(_named_by(volume)):
            self._secrets[name] = found
            for secret in found:
                self._volumes.setdefault(secret, set()).add(name)

    def drop(self, namespace: str, name: str) -> None:
        for secret in self._secrets.pop(name, ()):
            volumes = self._volumes[secret]
            volumes.discard(name)
            if not volumes:
                del self._volumes[secret]

    def volumes_with(self, namespace: str, secret: str) -> frozenset[str]:
        """Names of the PersistentVolumes."""
        return frozenset(self._volumes.get((namespace, secret), ()))


def _named_by(volume: Object) -> Iterator[_Key]:
    source = (volume.get("spec") or {}).get("csi") or {}
    for field in _OF_NODES:
        reference = source.get(field) or {}
        if reference.get("name"):
            yield reference.get("namespace") or "", reference["name"]
