"""Volumes of the class's own provisioner: what it can make, where, and the PersistentVolume that stands for what a node has made. Pure."""

from collections.abc import Iterable

from pilothouse.engine.controllers.persistentvolume.binding import reference_to
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import (
    ENFORCEMENT,
    LOCAL_PROVISIONER,
    NODE,
    ONE_POD,
    PROVISIONED_BY,
    SELECTED_NODE,
    allows_node,
    class_of,
    mode,
    shown_bytes,
)

HOSTNAME = "kubernetes.io/hostname"
DATA_FINALIZER = "local.pilothouse.io/data"
"""Of a volume whose data may still lie on its node."""
MODES = frozenset({"ReadWriteOnce", ONE_POD})


def name_for(claim: Object) -> str:
    return f"pvc-{meta.uid(claim)}"


def why_not(claim: Object, storage_class: Object) -> str:
    """What the provisioner cannot do for the claim, with a way out; "" for nothing."""
    spec = claim["spec"]
    if other := sorted(set(spec.get("accessModes") or ()) - MODES):
        return (
            f"volumes of this class lie on one node, which cannot be {other[0]}; ask for ReadWriteOnce, which all pods of that node share"
        )
    if spec.get("selector") is not None:
        return "volumes are made without labels to select by; leave spec.selector out"
    if storage_class.get("mountOptions"):
        return "Mount options are not supported by the provisioner but StorageClass has mount options"
    if unknown := sorted(storage_class.get("parameters") or ()):
        return f"the provisioner knows no parameter {unknown[0]!r}; make a class without it"
    return ""


def node_for(claim: Object, storage_class: Object, nodes: Iterable[Object], source_node: str = "") -> Object | None:
    """Where to make the volume: the node that has what it is made of, or that the scheduler chose; without one the first that can.

    source_node: "" for an empty volume.
    """
    selected = source_node or meta.annotations(claim).get(SELECTED_NODE)
    if selected is not None:
        return next((node for node in nodes if meta.name(node) == selected), None)
    able = (node for node in nodes if enforcement_of(node) and meta.is_true(node, "Ready") and allows_node(storage_class, node))
    return min((node for node in able if not (node.get("spec") or {}).get("unschedulable")), key=meta.name, default=None)


def enforcement_of(node: Object) -> str:
    """What keeps volumes to their size on the node; "" where nothing does."""
    found = meta.annotations(node).get(ENFORCEMENT) or ""
    return "" if found == "none" else found


def volume_for(claim: Object, storage_class: Object, node: Object, made: Object) -> Object:
    """made: what the node answered."""
    hostname = meta.labels(node).get(HOSTNAME)
    term = (
        {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [hostname]}]}
        if hostname
        else {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [meta.name(node)]}]}
    )
    return {
        "metadata": {
            "name": name_for(claim),
            "annotations": {PROVISIONED_BY: LOCAL_PROVISIONER, NODE: meta.name(node), ENFORCEMENT: made["enforcement"]},
            "finalizers": [DATA_FINALIZER],
        },
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": shown_bytes(int(made["sizeBytes"]))},
            "claimRef": reference_to(claim),
            "local": {"path": made["path"]},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": class_of(claim),
            "volumeMode": mode(claim),
        },
    }


def is_provisioned(volume: Object) -> bool:
    return bool(meta.annotations(volume).get(PROVISIONED_BY) == LOCAL_PROVISIONER)


def without_finalizer(obj: Object, finalizer: str) -> Object:
    return obj | {"metadata": obj["metadata"] | {"finalizers": [each for each in meta.finalizers(obj) if each != finalizer]}}
