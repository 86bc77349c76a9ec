"""Which volume suits a claim. Pure.

Source: kubernetes component-helpers/storage/volume (FindMatchingVolume, CheckVolumeModeMismatches), persistentvolume/index.go.
"""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.selector import NOTHING, Selector, SelectorError, from_label_selector
from pilothouse.model.volumes import capacity, class_of, fits_node, is_claimed_by, mode, requested


def best_match(claim: Object, volumes: Iterable[Object], *, delayed: bool = False, node: Object | None = None) -> Object | None:
    """The smallest volume that suits, among equals the first by name; None when there is none.

    One that is kept for the claim by its name comes before all others. delayed: a node is chosen first, so that no other volume is
    taken. node: from which the volume must be reached; None: from any.
    """
    selector = _selector(claim)
    suiting = []
    for volume in volumes:
        if meta.is_deleting(volume) or mode(volume) != mode(claim):
            continue
        reference = volume["spec"].get("claimRef")
        if reference is not None:
            if is_claimed_by(volume, claim) and requested(claim) <= capacity(volume):
                return volume
        elif not delayed and _suits(claim, volume, selector) and (node is None or fits_node(volume, node)):
            suiting.append(volume)
    return min(suiting, key=lambda each: (capacity(each).amount, meta.name(each)), default=None)


def _suits(claim: Object, volume: Object, selector: Selector | None) -> bool:
    if (volume.get("status") or {}).get("phase") != "Available" or requested(claim) > capacity(volume):
        return False
    if (class_of(volume) or "") != (class_of(claim) or "") or not _has_modes(claim, volume) or not _has_attributes(claim, volume):
        return False
    return selector is None or selector.matches(meta.labels(volume))


def why_not(claim: Object, volume: Object) -> str:
    """Why a claim cannot have the volume that it names; "" when it can. In upstream's words."""
    if mode(volume) != mode(claim):
        return "incompatible volumeMode"
    if requested(claim) > capacity(volume):
        return "requested PV is too small"
    if (class_of(volume) or "") != (class_of(claim) or ""):
        return "storageClassName does not match"
    if not _has_attributes(claim, volume):
        return "volumeAttributesClassName does not match"
    return "" if _has_modes(claim, volume) else "incompatible accessMode"


def _has_attributes(claim: Object, volume: Object) -> bool:
    wanted, found = ((each.get("spec") or {}).get("volumeAttributesClassName") or "" for each in (claim, volume))
    return bool(wanted == found)


def _has_modes(claim: Object, volume: Object) -> bool:
    return set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ())


def _selector(claim: Object) -> Selector | None:
    stated = claim["spec"].get("selector")
    if stated is None:
        return None
    try:
        return from_label_selector(stated)
    except SelectorError:
        return NOTHING
