"""How the API's objects speak of volumes of CSI drivers: names that several parts must build alike, and what drivers ask for. Pure.

Source: kubernetes pkg/volume/csi (getAttachmentName), pkg/volume/util (GetUniqueVolumeNameFromSpec).
"""

from hashlib import sha256

from pilothouse.model.json import Object

PLUGIN = "kubernetes.io/csi"


def source_of(volume: Object) -> Object | None:
    """What a PersistentVolume says of its driver; None of a volume of another kind."""
    found: Object | None = (volume.get("spec") or {}).get("csi")
    return found


def unique_name(driver: str, handle: str) -> str:
    """Of a volume in a Node's volumesInUse and volumesAttached."""
    return f"{PLUGIN}/{driver}^{handle}"


def parse_unique_name(name: str) -> tuple[str, str] | None:
    """(driver, handle) of such a name; None of the name of a volume of another kind."""
    driver, caret, handle = name.removeprefix(f"{PLUGIN}/").partition("^")
    return (driver, handle) if caret and name.startswith(f"{PLUGIN}/") else None


def attachment_name(driver: str, handle: str, node: str) -> str:
    """Of the VolumeAttachment by which the cluster attaches the volume to the node."""
    return f"csi-{sha256(f'{handle}{driver}{node}'.encode()).hexdigest()}"


def needs_attachment(driver: Object | None) -> bool:
    """driver: the CSIDriver; None of one that has not introduced itself, whose volumes are attached to be safe."""
    return bool(((driver or {}).get("spec") or {}).get("attachRequired", True))


def is_exclusive(volume: Object) -> bool:
    """Whether a PersistentVolume may be attached to one node at a time."""
    modes = (volume.get("spec") or {}).get("accessModes") or ()
    return bool(modes) and not {"ReadWriteMany", "ReadOnlyMany"} & set(modes)


def driver_on(csi_node: Object | None, driver: str) -> Object | None:
    """What a CSINode says of a driver; None when the driver is not registered there."""
    drivers = ((csi_node or {}).get("spec") or {}).get("drivers") or ()
    return next((each for each in drivers if each.get("name") == driver), None)


SIDECARS = "csi.pilothouse.dev/sidecars"
"""Annotation of a CSIDriver: what the platform does for it in place of the sidecar containers that it does not bring; `all` or some of
`PARTS`, with commas between. Without it the platform does nothing of that, and the driver brings its own."""
PARTS = ("provisioner", "attacher", "resizer", "snapshotter", "capacity")
EVERY_PART = "all"


def parts_of(driver: Object) -> frozenset[str]:
    """Which sidecars' work is done here for a CSIDriver. Words that mean nothing are refused when they are written."""
    words = ((driver.get("metadata") or {}).get("annotations") or {}).get(SIDECARS) or ""
    found = frozenset(word.strip() for word in words.split(",") if word.strip())
    return frozenset(PARTS) if EVERY_PART in found else found & frozenset(PARTS)
