"""What claims, volumes and storage classes say of each other, and the names by which they say it. Pure.

Source: kubernetes staging/src/k8s.io/component-helpers/storage/volume, pkg/controller/volume/persistentvolume.
"""

from collections.abc import Iterable
from fractions import Fraction

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.node_selector import term_matches
from pilothouse.model.quantity import BINARY, Quantity

BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
CLAIM_PROTECTION, VOLUME_PROTECTION = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
ATTRIBUTES_CLASS_PROTECTION = "kubernetes.io/vac-protection"
ONE_POD = "ReadWriteOncePod"
SNAPSHOTS = "snapshot.storage.k8s.io"
FILESYSTEM, BLOCK = "Filesystem", "Block"
"""Modes of volumes."""

LOCAL_CLASS, LOCAL_PROVISIONER = "local", "pilothouse.io/local"
"""The class of claims that name none, and who makes its volumes: each on one node, below the instance's own folder."""
ENFORCEMENT = "local.pilothouse.io/enforcement"
"""Annotation of a Node, and of the volumes made there: what keeps them to their size."""
FOLDER = "local.pilothouse.io/folder"
"""Annotation of a Node: where its volumes lie."""
SOURCE_NODE = "local.pilothouse.io/source-node"
"""Annotation of a claim whose volume is made of another one or of a snapshot: the node that has that, and can make it."""
FROM_IMAGE = "pilothouse.io/volumes-from-image"
"""Annotation of a pod: names of its volumes, by commas, of claims whose parts (`subPath`) begin with what the image has at their place."""
NODE = "local.pilothouse.io/node"
"""Annotation of a volume: on which node it lies."""


def class_of(obj: Object) -> str | None:
    """Of a claim or a volume; None for a claim that has never been given one."""
    found: str | None = meta.annotations(obj).get(BETA_CLASS)
    return (obj.get("spec") or {}).get("storageClassName") if found is None else found


def attributes_classes_of(obj: Object) -> list[str]:
    """Names of the classes of attributes that a claim or a volume wants, has or is being given."""
    status = obj.get("status") or {}
    found = (
        (obj.get("spec") or {}).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return [*dict.fromkeys(filter(None, found))]


def is_default_class(obj: Object) -> bool:
    annotations = meta.annotations(obj)
    return any(annotations.get(name) == "true" for name in (DEFAULT_CLASS, BETA_DEFAULT_CLASS))


def default_class(classes: Iterable[Object]) -> Object | None:
    """The youngest of those that are marked; of equally young ones the first by name."""
    marked = sorted((each for each in classes if is_default_class(each)), key=meta.name)
    return max(marked, key=lambda each: str(each["metadata"].get("creationTimestamp") or ""), default=None)


def waits_for_consumer(storage_class: Object | None) -> bool:
    return (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def requested(claim: Object) -> Quantity:
    return Quantity.of((((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage") or "0")


def capacity(volume: Object) -> Quantity:
    return Quantity.of(((volume.get("spec") or {}).get("capacity") or {}).get("storage") or "0")


def shown_bytes(size_bytes: int) -> str:
    """A size as people write it: 16Mi."""
    return str(Quantity(Fraction(size_bytes), BINARY))


def mode(obj: Object) -> str:
    """Of a claim or a volume."""
    return (obj.get("spec") or {}).get("volumeMode") or FILESYSTEM


def data_source(claim: Object) -> Object | None:
    """What the claim wants its volume to be made of: apiGroup, kind and name; None for an empty one."""
    found: Object | None = claim["spec"].get("dataSourceRef") or claim["spec"].get("dataSource")
    return found


def is_copied(claim: Object) -> bool:
    """Whether its volume is made of another one or of a snapshot, by whoever makes the volumes of its class."""
    source = data_source(claim) or {}
    return (source.get("apiGroup") or "", source.get("kind")) in (("", "PersistentVolumeClaim"), (SNAPSHOTS, "VolumeSnapshot"))


def is_claimed_by(volume: Object, claim: Object) -> bool:
    """Whether the volume is that claim's, or kept for one of its name."""
    reference = (volume.get("spec") or {}).get("claimRef") or {}
    if (reference.get("namespace"), reference.get("name")) != (meta.namespace(claim), meta.name(claim)):
        return False
    return not reference.get("uid") or bool(reference["uid"] == meta.uid(claim))


def is_bound(claim: Object) -> bool:
    """Whether binding has been carried out to its end: only then the volume is the claim's to use."""
    return bool((claim.get("spec") or {}).get("volumeName")) and BIND_COMPLETED in meta.annotations(claim)


def fits_node(volume: Object, node: Object) -> bool:
    """Whether the node can reach the volume."""
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or any(term_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def allows_node(storage_class: Object, node: Object) -> bool:
    """Whether the class may have a volume made for that node."""
    terms = storage_class.get("allowedTopologies") or []
    labels = meta.labels(node)
    return not terms or any(
        all(labels.get(each["key"]) in each["values"] for each in term.get("matchLabelExpressions") or ()) for term in terms
    )


def ephemeral_name(pod: Object, volume: Object) -> str:
    """Of the claim that belongs to a generic ephemeral volume of the pod."""
    return f"{meta.name(pod)}-{volume['name']}"


def claim_names(pod: Object) -> list[str]:
    """Of the claims that the pod's volumes name, or that are made for them; each once, in the order of the volumes."""
    found = []
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if volume.get("persistentVolumeClaim") is not None:
            found.append(volume["persistentVolumeClaim"].get("claimName") or "")
        elif volume.get("ephemeral") is not None:
            found.append(ephemeral_name(pod, volume))
    return list(dict.fromkeys(filter(None, found)))


def is_made_for(claim: Object, pod: Object) -> bool:
    """Whether the claim of a generic ephemeral volume is this pod's, and not another's of the same name."""
    owner = meta.controller_of(claim)
    return owner is not None and owner["uid"] == meta.uid(pod)


def is_ephemeral(pod: Object, name: str) -> bool:
    """Whether a claim of that name is made for one of the pod's volumes."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return any(each.get("ephemeral") is not None and ephemeral_name(pod, each) == name for each in volumes)
