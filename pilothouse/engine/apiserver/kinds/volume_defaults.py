"""Defaults of a pod's volumes, and of the references to images and fields that containers share with them.

Source: pkg/apis/core/v1/defaults.go and zz_generated.defaults.go.
"""

from typing import Any

from pilothouse.model.json import Object

FILE_MODE = 0o644
TOKEN_LIFETIME_S = 3600

_WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")
_TEXTS: dict[str, dict[str, Any]] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_volume(volume: Object) -> None:
    kinds = [kind for kind, source in volume.items() if kind != "name" and source is not None]
    if not kinds:
        volume["emptyDir"] = {}
        return
    for kind in kinds:
        default_source(kind, volume[kind])


def default_source(kind: str, source: Object) -> None:
    """Of a pod's volume, or of a PersistentVolume."""
    if kind in _WITH_MODE and source.get("defaultMode") is None:
        source["defaultMode"] = FILE_MODE
    for name, value in _TEXTS.get(kind, {}).items():
        if not source.get(name):
            source[name] = value
    if kind == "azureDisk" and source.get("readOnly") is None:
        source["readOnly"] = False
    elif kind == "hostPath" and source.get("type") is None:
        source["type"] = ""
    elif kind == "downwardAPI":
        _default_items(source)
    elif kind == "projected":
        for projection in source.get("sources") or ():
            _default_projection(projection)
    elif kind == "ephemeral":
        _default_claim(source)
    elif kind == "image" and not source.get("pullPolicy"):
        source["pullPolicy"] = pull_policy(source.get("reference") or "")


def _default_projection(projection: Object) -> None:
    if (token := projection.get("serviceAccountToken")) is not None and token.get("expirationSeconds") is None:
        token["expirationSeconds"] = TOKEN_LIFETIME_S
    if (fields := projection.get("downwardAPI")) is not None:
        _default_items(fields)


def _default_items(source: Object) -> None:
    for item in source.get("items") or ():
        default_references(item)


def _default_claim(source: Object) -> None:
    if template := source.get("volumeClaimTemplate"):
        template.setdefault("metadata", {})
        spec = template.setdefault("spec", {})
        spec.setdefault("volumeMode", "Filesystem")
        spec.setdefault("resources", {})


def pull_policy(image: str) -> str:
    return "Always" if image_tag(image) == "latest" else "IfNotPresent"


def image_tag(image: str) -> str:
    """The tag an image is pulled by: "latest" when it names neither tag nor digest, "" when only a digest."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or ("" if at or not image else "latest")


def default_references(source: Object) -> None:
    """Of `fieldRef` and `resourceFieldRef`, wherever they stand."""
    if (ref := source.get("fieldRef")) is not None:
        ref["apiVersion"] = ref.get("apiVersion") or "v1"
    if (ref := source.get("resourceFieldRef")) is not None:
        ref["divisor"] = ref.get("divisor") or "0"
