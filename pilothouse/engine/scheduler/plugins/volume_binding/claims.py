"""The claims of a pod that is to be placed: where they let it go, and what is to happen before it is bound.

A claim that is bound keeps the pod to where its volume is reached. One that waits for its first pod lets the node be chosen: then a
volume is kept for it, or it is told the node (`volume.kubernetes.io/selected-node`) and its provisioner makes one there. The pod is not
bound before all its claims are; it is looked at again with every change of them, so that nothing is remembered between two looks.
Source: kubernetes pkg/scheduler/framework/plugins/{volumebinding,volumerestrictions}.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.scheduler.plugins.volume_binding.capacities import Capacities
from pilothouse.engine.scheduler.plugins.volume_binding.failures import Failures
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from pilothouse.model.volume_matching import best_match
from pilothouse.model.volumes import (
    BOUND_BY_CONTROLLER,
    LOCAL_PROVISIONER,
    ONE_POD,
    SELECTED_NODE,
    SOURCE_NODE,
    allows_node,
    claim_names,
    class_of,
    fits_node,
    is_bound,
    is_copied,
    is_ephemeral,
    is_made_for,
    waits_for_consumer,
)

CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NOT_MADE = "node(s) could not make the volume of persistentvolumeclaim"
NO_ROOM = "node(s) did not have enough free storage"
NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
SELECTED_ELSEWHERE = "node(s) are not the one that the pod's volumes are being made on"
SOURCE_ELSEWHERE = "node(s) do not have the data source that the pod's volumes are made of"
IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"
TAKEN = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
_ENDED = ("Succeeded", "Failed")
_NO_PROVISIONER = "kubernetes.io/"


@dataclass(slots=True)
class PodVolumes:
    """What the claims of one pod ask for.

    trouble: why the pod can go nowhere, "" when it can. bound: volumes that it has. open: claims whose volumes are chosen with the node,
    each with its class.
    """

    trouble: str = ""
    bound: list[Object] = field(default_factory=list)
    open: list[tuple[Object, Object]] = field(default_factory=list)


class Claims:
    """client: signed in as the scheduler."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._classes = informers.of(STORAGECLASSES)
        self._capacities = Capacities(informers)
        self.informers = (self._claims, self._volumes, self._classes, *self._capacities.informers)
        self._pods = informers.of(PODS, indexes={"claim": _claims_of})
        self._failures = Failures()

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call back whenever a pod with claims may fit that did not before, or may be bound."""
        for informer in self.informers:
            informer.on_change(lambda old, new: changed())
        self._failures.changed = changed

    def of(self, pod: Object) -> PodVolumes:
        """Pods without claims cost nothing."""
        found = PodVolumes()
        for name in claim_names(pod):
            found.trouble = self._look_at(pod, name, found)
            if found.trouble:
                break
        return found

    def _look_at(self, pod: Object, name: str, found: PodVolumes) -> str:
        """Notes what the claim asks for; returns why the pod cannot have it, "" when it can."""
        claim = self._claims.get(f"{meta.namespace(pod)}/{name}")
        if claim is None:
            if is_ephemeral(pod, name):
                return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
            return f'persistentvolumeclaim "{name}" not found'
        if is_ephemeral(pod, name) and not is_made_for(claim, pod):
            return f'PVC "{meta.key(claim)}" was not created for pod "{meta.key(pod)}" (pod is not owner)'
        if meta.is_deleting(claim):
            return f'persistentvolumeclaim "{name}" is being deleted'
        volume_name = claim["spec"].get("volumeName") or ""
        if (claim.get("status") or {}).get("phase") == "Lost":
            return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume_name}"'
        if self._is_taken(pod, claim):
            return TAKEN
        if is_bound(claim):
            volume = self._volumes.get(volume_name)
            if volume is None:
                return f'persistentvolume "{volume_name}" not found'
            found.bound.append(volume)
            return ""
        storage_class = self._classes.get(class_of(claim) or "")
        if storage_class is None or volume_name or not waits_for_consumer(storage_class):
            return IMMEDIATE
        if _is_local_copy(claim, storage_class) and SOURCE_NODE not in meta.annotations(claim):
            return f'persistentvolumeclaim "{name}" waits for the data source that its volume is made of'
        found.open.append((claim, storage_class))
        return ""

    def _is_taken(self, pod: Object, claim: Object) -> bool:
        """Whether another pod has a claim that is for one pod at a time."""
        if ONE_POD not in (claim["spec"].get("accessModes") or ()):
            return False
        users = self._pods.by_index("claim", meta.key(claim))
        return any(meta.uid(user) != meta.uid(pod) and _has_place(user) for user in users)

    def refusal(self, wanted: PodVolumes, node: Object) -> str | None:
        """Why the pod cannot go to the node for the sake of its volumes, in upstream's words; None when it can."""
        if not all(fits_node(volume, node) for volume in wanted.bound):
            return CONFLICT
        for claim, storage_class in wanted.open:
            selected = meta.annotations(claim).get(SELECTED_NODE)
            if selected is not None and selected != meta.name(node):
                return SELECTED_ELSEWHERE
            if _is_local_copy(claim, storage_class) and meta.annotations(claim).get(SOURCE_NODE) != meta.name(node):
                return SOURCE_ELSEWHERE
            if best_match(claim, self._volumes.items(), node=node) is not None:
                continue
            if self._failures.has(meta.uid(claim), meta.name(node)):
                return f'{NOT_MADE} "{meta.name(claim)}"'
            if not _can_be_made(storage_class, node):
                return NO_VOLUME
            if not self._capacities.has_room(claim, storage_class, node):
                return NO_ROOM
        return None

    def given_back(self, wanted: PodVolumes, node: Object, told: Mapping[str, str]) -> bool:
        """Whether a claim that was told the node has been given back by its provisioner, which could not make the volume there.

        Such a node is left out for a while. told: what `prepare` has noted.
        """
        found = [claim for claim, _ in wanted.open if _is_given_back(claim, told.get(meta.uid(claim)))]
        for claim in found:
            self._failures.note(meta.uid(claim), meta.name(node))
        return bool(found)

    async def prepare(self, wanted: PodVolumes, node: Object, told: dict[str, str]) -> None:
        """Has what the open claims lack made or kept for them; the pod is bound when none is open any more. Raises ApiError.

        told: gets the uids of the claims that know the node, each with its resource version before or while it does.
        """
        taken: set[str] = set()
        for claim, _ in wanted.open:
            free = [each for each in self._volumes.items() if meta.name(each) not in taken]
            volume = best_match(claim, free, node=node)
            if volume is not None:
                taken.add(meta.name(volume))
                await self._keep(volume, claim)
                continue
            if meta.annotations(claim).get(SELECTED_NODE) != meta.name(node):
                patch = {"metadata": {"annotations": {SELECTED_NODE: meta.name(node)}, "resourceVersion": meta.resource_version(claim)}}
                await self._client.patch(PERSISTENTVOLUMECLAIMS, meta.name(claim), patch, namespace=meta.namespace(claim))
            told[meta.uid(claim)] = meta.resource_version(claim)

    async def _keep(self, volume: Object, claim: Object) -> None:
        """The volume is the claim's from now on; the binder does the rest."""
        if volume["spec"].get("claimRef") is not None:
            return
        reference = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": meta.namespace(claim), "name": meta.name(claim)}
        metadata = {"annotations": {BOUND_BY_CONTROLLER: "yes"}, "resourceVersion": meta.resource_version(volume)}
        patch = {"metadata": metadata, "spec": {"claimRef": reference | {"uid": meta.uid(claim)}}}
        await self._client.patch(PERSISTENTVOLUMES, meta.name(volume), patch)


def _is_local_copy(claim: Object, storage_class: Object) -> bool:
    """Whether its volume is a copy of what lies on one node: the binder notes on the claim on which (`SOURCE_NODE`)."""
    return storage_class.get("provisioner") == LOCAL_PROVISIONER and is_copied(claim)


def _can_be_made(storage_class: Object, node: Object) -> bool:
    return not (storage_class.get("provisioner") or _NO_PROVISIONER).startswith(_NO_PROVISIONER) and allows_node(storage_class, node)


def _is_given_back(claim: Object, told_at: str | None) -> bool:
    """A claim of the very version at which it was told is one that the cache has not seen told yet."""
    return told_at is not None and SELECTED_NODE not in meta.annotations(claim) and meta.resource_version(claim) != told_at


def _claims_of(pod: Object) -> Iterable[str]:
    return [f"{meta.namespace(pod)}/{name}" for name in claim_names(pod)]


def _has_place(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in _ENDED
