"""The provisioner `pilothouse.io/local`: has a node make the volume of a claim, and remove it when it is released.

The node is asked first and the PersistentVolume made of its answer, so that a volume that is shown is there; both may be repeated, as
the volume's name follows from the claim's uid.
"""

from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.outcome import Retry
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.persistentvolume import binding, provision
from pilothouse.engine.controllers.persistentvolume.clones import CLONING
from pilothouse.engine.controllers.persistentvolume.data_source import (
    PROVISIONING_FAILED,
    DataSources,
    Populated,
    Source,
    Unusable,
)
from pilothouse.engine.controllers.persistentvolume.nodes import NodeVolumes
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict, InsufficientStorage, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from pilothouse.model.node_objects import is_simulated
from pilothouse.model.volumes import NODE, SELECTED_NODE, SOURCE_NODE, class_of, is_copied, mode, requested, waits_for_consumer

SOURCE_S = 2.0
"""How soon a source is looked at again at first, of which no volume can be made yet."""
COPYING_S = 1.0
IN_USE_S = 1.0
"""How soon a volume is looked at again that its last pod has not quite left."""


class LocalProvisioner:
    """nodes: None where nobody makes volumes."""

    def __init__(
        self,
        client: Client,
        claims: Informer,
        volumes: Informer,
        classes: Informer,
        nodes: Informer,
        recorder: Recorder,
        node_volumes: NodeVolumes | None,
    ) -> None:
        self._client = client
        self._claims = claims
        self._volumes = volumes
        self._classes = classes
        self._nodes = nodes
        self._recorder = recorder
        self._node_volumes = node_volumes
        self._sources = DataSources(client, claims, volumes)

    async def provision(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or meta.is_deleting(claim) or claim["spec"].get("volumeName"):
            return None
        storage_class = self._classes.get(class_of(claim) or "")
        if storage_class is None or self._volumes.get(provision.name_for(claim)) is not None:
            return None
        if waits_for_consumer(storage_class) and SELECTED_NODE not in meta.annotations(claim):
            return None  # Given back: the scheduler names a node again.
        if why := provision.why_not(claim, storage_class):
            self._failed(claim, why)
            return None
        try:
            source = await self._sources.of(claim)
        except Unusable as error:
            raise self._unusable(claim, error) from error
        except Populated:
            return None
        node = provision.node_for(claim, storage_class, self._nodes.items(), "" if source is None else source.node)
        if node is None or not provision.enforcement_of(node) or self._node_volumes is None:
            self._failed(claim, _no_node(claim, node, source))
            await self._elsewhere(claim)
            return None
        if source is not None and source.claim:
            await self._protect(source.claim)
        await self._make(claim, storage_class, node, source)
        return None

    async def place(self, claim: Object) -> None:
        """Notes on a claim that waits for its first pod where that has to go, since what its volume is made of is there.

        Raises ApiError; Retry when nothing can be made of it yet.
        """
        if not is_copied(claim) or SOURCE_NODE in meta.annotations(claim):
            return
        try:
            source = await self._sources.of(claim)
        except Unusable as error:
            raise self._unusable(claim, error) from error
        if source is not None:
            await self._client.update(PERSISTENTVOLUMECLAIMS, binding.annotated(claim, SOURCE_NODE, source.node))

    def _unusable(self, claim: Object, error: Unusable) -> Retry:
        """Says so of the claim. The source may come in a moment, or never: it is looked for ever more seldom."""
        if error.reason == PROVISIONING_FAILED:
            self._failed(claim, error.message)
        else:
            self._recorder.say(claim, "Warning", error.reason, error.message)
        return Retry(SOURCE_S, error.message, grows=True)

    async def _protect(self, key: str) -> None:
        """The claim that is cloned stays until the clone is made (`clones`)."""
        source = self._claims.get(key)
        if source is not None and CLONING not in meta.finalizers(source):
            metadata = source["metadata"] | {"finalizers": [*meta.finalizers(source), CLONING]}
            await self._client.update(PERSISTENTVOLUMECLAIMS, source | {"metadata": metadata})

    async def _make(self, claim: Object, storage_class: Object, node: Object, source: Source | None) -> None:
        assert self._node_volumes is not None
        name, where = provision.name_for(claim), meta.name(node)
        self._recorder.say(claim, "Normal", "Provisioning", f'provisioning volume {name} for claim "{meta.key(claim)}" on node {where}')
        try:
            made = await self._node_volumes.ensure(where, name, requested(claim).value, mode(claim), "" if source is None else source.name)
        except ApiError as error:
            self._failed(claim, error.message)
            if isinstance(error, InsufficientStorage) and await self._elsewhere(claim):
                return
            raise
        if "copiedBytes" in made:
            raise Retry(COPYING_S, f"volume {name} is being copied: {made['copiedBytes']} bytes")
        try:
            await self._client.create(PERSISTENTVOLUMES, provision.volume_for(claim, storage_class, node, made))
        except AlreadyExists:
            return
        self._recorder.say(claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
        with suppress(ApiError):  # What is not confirmed now is later (`orphans`).
            await self._node_volumes.confirm(where, name)

    def _failed(self, claim: Object, why: str) -> None:
        message = f'failed to provision volume with StorageClass "{class_of(claim)}": {why}'
        self._recorder.say(claim, "Warning", "ProvisioningFailed", message)

    async def _elsewhere(self, claim: Object) -> bool:
        """Lets the scheduler choose again, which leaves the node out for a while and says so of the pod. Returns whether it does."""
        if meta.annotations(claim).get(SELECTED_NODE) is None:
            return False
        await self._client.update(PERSISTENTVOLUMECLAIMS, binding.unannotated(claim, SELECTED_NODE))
        return True

    async def reclaim(self, name: str) -> float | None:
        """Only what is no claim's, is to be deleted, and lies on a node of ours."""
        if not _is_to_go(self._volumes.get(name)):
            return None
        # The cache may not know yet that it is to be retained, and what is removed is gone.
        volume = await self._client.get_or_none(PERSISTENTVOLUMES, name)
        if volume is None or not _is_to_go(volume):
            return None
        if provision.DATA_FINALIZER in meta.finalizers(volume):
            await self._remove(volume)
            volume = await self._client.update(PERSISTENTVOLUMES, provision.without_finalizer(volume, provision.DATA_FINALIZER))
        if not meta.is_deleting(volume):
            try:
                await self._client.delete(PERSISTENTVOLUMES, name, uid=meta.uid(volume))
            except NotFound:
                return None
        return None

    async def keep(self, volume: Object) -> None:
        """Its data stays on its node though its PersistentVolume goes. Raises ApiError."""
        if self._node_volumes is not None:
            with suppress(NotFound):  # The node has gone, and the data with it.
                await self._node_volumes.confirm(meta.annotations(volume).get(NODE) or "", meta.name(volume))

    async def _remove(self, volume: Object) -> None:
        node = meta.annotations(volume).get(NODE) or ""
        try:
            if self._node_volumes is None:
                raise NotFound(f"there is no node {node}")
            await self._node_volumes.remove(node, meta.name(volume))
        except Conflict as error:
            self._recorder.decide(volume, "VolumeInUse", error.message)
            raise Retry(IN_USE_S, error.message) from error
        except ApiError as error:
            self._recorder.say(volume, "Warning", "VolumeFailedDelete", error.message)
            if (shown := binding.volume_status(volume, "Failed", "VolumeFailedDelete", error.message)) is not None:
                await self._client.update_status(PERSISTENTVOLUMES, shown)
            raise


def _is_to_go(volume: Object | None) -> bool:
    """Whether its data is to be removed: by its policy, and as no claim has it any more."""
    if volume is None or not provision.is_provisioned(volume) or volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
        return False
    return (volume.get("status") or {}).get("phase") in ("Released", "Failed") or meta.is_deleting(volume)


def _no_node(claim: Object, node: Object | None, source: Source | None) -> str:
    selected = meta.annotations(claim).get(SELECTED_NODE) if source is None else source.node
    if node is None:
        return f'node "{selected}" is not there' if selected else "no node is ready that can keep volumes to their size"
    if is_simulated(node):
        return f"node {meta.name(node)} is simulated: there are no volumes"
    return f"node {meta.name(node)} cannot keep volumes to their size: it needs e2fsprogs, loop devices and root"
