"""What a volume of the local provisioner is to be made of: another claim's volume, or a snapshot, each on one node.

Source: kubernetes-csi/external-provisioner pkg/controller/controller.go (getPVCSource, getSnapshotSource); volume-data-source-validator
pkg/data-source-validator. The words are theirs, as far as they have some.
"""

from dataclasses import dataclass

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.engine.controllers.persistentvolume.clones import volume_to_clone
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.snapshots import GROUP, MODE_CHANGE, VOLUMESNAPSHOTCONTENTS, VOLUMESNAPSHOTS, is_ready, points_to
from pilothouse.model.volumes import (
    LOCAL_PROVISIONER,
    NODE,
    PROVISIONED_BY,
    capacity,
    data_source,
    mode,
    requested,
)

PROVISIONING_FAILED = "ProvisioningFailed"
UNRECOGNIZED = "UnrecognizedDataSourceKind"
_UNRECOGNIZED = "The datasource for this PVC does not match any registered VolumePopulator"
_POPULATORS = Resource("populator.storage.k8s.io", "v1beta1", "volumepopulators", "VolumePopulator", namespaced=False, custom=True)


@dataclass(frozen=True, slots=True)
class Source:
    """node: that has it. name: that the node knows it by. claim: key of the claim that is cloned, "" for a snapshot."""

    node: str
    name: str
    claim: str = ""


class Unusable(Exception):
    """No volume can be made of the source now; the message says why. reason: of the event."""

    def __init__(self, message: str, reason: str = PROVISIONING_FAILED) -> None:
        super().__init__(message)
        self.message, self.reason = message, reason


class Populated(Exception):
    """Somebody else fills the claim's volume: nothing is to be made."""


class DataSources:
    def __init__(self, client: Client, claims: Informer, volumes: Informer) -> None:
        self._client = client
        self._claims = claims
        self._volumes = volumes

    async def of(self, claim: Object) -> Source | None:
        """None for a claim that wants an empty volume. Raises Unusable, Populated, ApiError."""
        source = data_source(claim)
        if source is None:
            return None
        if source.get("namespace") not in (None, "", meta.namespace(claim)):
            raise Unusable("volumes are made of sources of the claim's own namespace; leave spec.dataSourceRef.namespace out")
        match source.get("apiGroup") or "", source["kind"]:
            case "", "PersistentVolumeClaim":
                return self._of_claim(claim, source["name"])
            case group, kind if (group, kind) == (GROUP, VOLUMESNAPSHOTS.kind):
                return await self._of_snapshot(claim, source["name"])
        await self._check_populator(source)
        raise Populated

    def _of_claim(self, claim: Object, name: str) -> Source:
        source = self._claims.get(f"{meta.namespace(claim)}/{name}")
        if source is None:
            raise Unusable(f'error getting PVC {name} from api server: persistentvolumeclaim "{name}" not found')
        if meta.is_deleting(source):
            raise Unusable(f"the PVC DataSource {name} is currently being deleted")
        volume = volume_to_clone(source, self._volumes)
        if volume is None:
            raise Unusable(f"the PVC DataSource {name} must have a status of Bound. Got {(source.get('status') or {}).get('phase')}")
        if meta.annotations(volume).get(PROVISIONED_BY) != LOCAL_PROVISIONER:
            raise Unusable(
                f"the PVC DataSource {name} has a volume of another provisioner; only those of {LOCAL_PROVISIONER} can be cloned"
            )
        if mode(source) != mode(claim):
            raise Unusable(
                "the source PVC and destination PVCs must have the same volume mode for cloning.  "
                f"Source is {mode(source)}, but new PVC requested {mode(claim)}"
            )
        if requested(claim) < capacity(volume):
            raise Unusable(
                "error, new PVC request must be greater than or equal in size to the specified PVC data source, "
                f"requested {requested(claim)} but source is {capacity(volume)}"
            )
        return Source(meta.annotations(volume).get(NODE) or "", meta.name(volume), meta.key(source))

    async def _of_snapshot(self, claim: Object, name: str) -> Source:
        snapshot = await self._client.get_or_none(VOLUMESNAPSHOTS, name, meta.namespace(claim))
        if snapshot is None:
            raise Unusable(f'error getting snapshot {name} from api server: volumesnapshots.{GROUP} "{name}" not found')
        if meta.is_deleting(snapshot):
            raise Unusable(f"snapshot {name} is currently being deleted")
        bound = (snapshot.get("status") or {}).get("boundVolumeSnapshotContentName") or ""
        content = await self._client.get_or_none(VOLUMESNAPSHOTCONTENTS, bound) if bound else None
        if content is None or not points_to(content, snapshot):
            raise Unusable(f"snapshot {name} not bound")
        if not is_ready(snapshot) or not is_ready(content):
            raise Unusable(f"snapshot {name} not Ready")
        if content["spec"]["driver"] != LOCAL_PROVISIONER:
            raise Unusable(f"snapshot {name} is of driver {content['spec']['driver']}, and the class of {LOCAL_PROVISIONER}")
        _check_content(claim, name, content)
        node, _, at = (content["status"].get("snapshotHandle") or "").partition("/")
        if not at:
            raise Unusable(f"snapshot {name} has a handle that is no NODE/NAME")
        return Source(node, at)

    async def _check_populator(self, source: Object) -> None:
        """Raises Unusable when nobody says that it makes volumes of such sources."""
        try:
            found = (await self._client.list_all(_POPULATORS)).items
        except NotFound:
            found = []
        wanted = source.get("apiGroup") or "", source["kind"]
        kinds = [(each.get("sourceKind") or {}) for each in found]
        if wanted not in [(each.get("group") or "", each.get("kind")) for each in kinds]:
            raise Unusable(_UNRECOGNIZED, UNRECOGNIZED)


def _check_content(claim: Object, name: str, content: Object) -> None:
    """Raises Unusable."""
    size_bytes = int((content.get("status") or {}).get("restoreSize") or 0)
    if requested(claim).value < size_bytes:
        raise Unusable(f"requested volume size {requested(claim).value} is less than the size {size_bytes} for the source snapshot {name}")
    was = content["spec"].get("sourceVolumeMode")
    if was and was != mode(claim) and meta.annotations(content).get(MODE_CHANGE) != "true":
        raise Unusable(
            f"requested volume {meta.key(claim)} modifies the mode of the source volume but does not have permission to do so. "
            f"{MODE_CHANGE} annotation is not present on snapshotcontent {meta.name(content)}"
        )
