"""What is to be done about a claim: bind it to a volume, have one made, wait, or say that its volume is lost. Pure.

Source: kubernetes pkg/controller/volume/persistentvolume/pv_controller.go (syncUnboundClaim, syncBoundClaim).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volume_matching import best_match, why_not
from pilothouse.model.volumes import BIND_COMPLETED, SELECTED_NODE, class_of, is_claimed_by, waits_for_consumer

NOTHING_THERE = "no persistent volumes available for this claim and no storage class is set"
WAITS = "waiting for first consumer to be created before binding"
LOST_REFERENCE = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
LOST_VOLUME = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
MISBOUND = "Two claims are bound to the same volume, this one is bound incorrectly"


@dataclass(frozen=True, slots=True)
class Bind:
    volume: Object


@dataclass(frozen=True, slots=True)
class Provision:
    """A volume is to be made. storage_class: None when there is none of that name."""

    storage_class: Object | None


@dataclass(frozen=True, slots=True)
class Wait:
    """The claim stays Pending. reason, message: of the event about it; "" for nothing to say."""

    reason: str = ""
    message: str = ""
    type: str = "Normal"


@dataclass(frozen=True, slots=True)
class Lose:
    reason: str
    message: str


Decision = Bind | Provision | Wait | Lose


def decide(claim: Object, volumes: Mapping[str, Object], storage_class: Object | None, consumers: Collection[str] = ()) -> Decision:
    """volumes: all, by name. storage_class: of the claim, None for none. consumers: names of pods that want the claim and have no node."""
    name = claim["spec"].get("volumeName")
    if BIND_COMPLETED in meta.annotations(claim):
        return _bound(claim, volumes.get(name) if name else None)
    if name:
        return _asked_for(claim, volumes.get(name))
    delayed = waits_for_consumer(storage_class) and SELECTED_NODE not in meta.annotations(claim)
    found = best_match(claim, volumes.values(), delayed=delayed)
    if found is not None:
        return Bind(found)
    if delayed:
        if consumers:
            return Wait("WaitForPodScheduled", f"waiting for pod {min(consumers)} to be scheduled")
        return Wait("WaitForFirstConsumer", WAITS)
    return Provision(storage_class) if class_of(claim) else Wait("FailedBinding", NOTHING_THERE)


def _bound(claim: Object, volume: Object | None) -> Decision:
    if not claim["spec"].get("volumeName"):
        return Lose("ClaimLost", LOST_REFERENCE)
    if volume is None:
        return Lose("ClaimLost", LOST_VOLUME)
    reference = volume["spec"].get("claimRef")
    if reference is None or reference.get("uid") == meta.uid(claim):
        return Bind(volume)
    return Lose("ClaimMisbound", MISBOUND)


def _asked_for(claim: Object, volume: Object | None) -> Decision:
    """The volume that the claim names itself, or that was written there before its binding was complete."""
    if volume is None:
        return Wait("FailedBinding", f'volume "{claim["spec"]["volumeName"]}" does not exist')
    if volume["spec"].get("claimRef") is None:
        if why := why_not(claim, volume):
            return Wait("VolumeMismatch", f'Cannot bind to requested volume "{meta.name(volume)}": {why}', "Warning")
        return Bind(volume)
    if is_claimed_by(volume, claim):
        return Bind(volume)
    return Wait("FailedBinding", f'volume "{meta.name(volume)}" already bound to a different claim.', "Warning")
