"""Takes and removes snapshots: what the external-snapshotter's sidecar does, for drivers that have none of their own.

A snapshot's name at the driver follows from the uid of its VolumeSnapshot, so that every call may be repeated, and one that was begun and
whose id nobody has heard is found again. Source: kubernetes-csi external-snapshotter (pkg/sidecar-controller, pkg/snapshotter).
"""

from collections.abc import Iterator, Mapping

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.outcome import Retry
from pilothouse.engine.controllers.csi import secrets
from pilothouse.engine.controllers.csi.drivers import Drivers, Instance
from pilothouse.engine.controllers.csi.secrets import PREFIX, SecretTrouble
from pilothouse.engine.controllers.snapshot.taking import SnapshotDriver, Taken
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.errors import NotFound, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMES
from pilothouse.model.snapshots import VOLUMESNAPSHOTCLASSES, VOLUMESNAPSHOTCONTENTS

PART = "snapshotter"
FOR_DELETION = "snapshot.storage.kubernetes.io/deletion-secret-{}"
"""Annotations of a content: where the Secret is by which its snapshot is removed."""
ASKED = "csi.pilothouse.dev/asked"
"""Annotation of a content: its driver has been asked for the snapshot, and may have it. Without, there is nothing to be removed."""
NOTED_S = 1.0
"""How soon a content comes again that has just been annotated; the change itself brings it sooner."""
_CAN, _LISTS = "CREATE_DELETE_SNAPSHOT", "LIST_SNAPSHOTS"


class SnapshotDrivers(Mapping[str, SnapshotDriver]):
    """By name, those of the drivers that are served here. beside: others, which are always served."""

    def __init__(self, client: Client, informers: Informers, drivers: Drivers, beside: Mapping[str, SnapshotDriver]) -> None:
        self._drivers = drivers
        self._beside = beside
        self._own = CsiSnapshots(client, informers, drivers)

    def __getitem__(self, name: str) -> SnapshotDriver:
        if name in self._beside:
            return self._beside[name]
        if not self._drivers.does(name, PART):
            raise KeyError(name)
        return self._own

    def __iter__(self) -> Iterator[str]:
        yield from self._beside
        yield from self._drivers.served(PART)

    def __len__(self) -> int:
        return len(self._beside) + len(self._drivers.served(PART))


class CsiSnapshots:
    def __init__(self, client: Client, informers: Informers, drivers: Drivers) -> None:
        self._client = client
        self._drivers = drivers
        self._volumes = informers.of(PERSISTENTVOLUMES, indexes={"csi handle": _handle_of})

    async def take(self, content: Object, parameters: Mapping[str, str]) -> Taken:
        try:
            return _taken((await self._create(content, parameters)).snapshot)
        except (CsiFailure, SecretTrouble) as error:
            raise Unavailable(str(error)) from error

    async def look(self, content: Object) -> Taken:
        handle = content["spec"]["source"]["snapshotHandle"]
        try:
            instance = await self._near(content)
            if _LISTS not in instance.can:
                return Taken(handle, is_ready=True)
            known = await self._secret(content, await self._parameters(content))
            request = csi.ListSnapshotsRequest(snapshot_id=handle, secrets=known)
            entries = (await self._drivers.call(instance, methods.LIST_SNAPSHOTS, request)).entries
        except (CsiFailure, SecretTrouble) as error:
            raise Unavailable(str(error)) from error
        found = next((each.snapshot for each in entries if each.snapshot.snapshot_id == handle), None)
        if found is None:
            raise NotFound(f"driver {content['spec']['driver']} has no snapshot {handle}")
        return _taken(found)

    async def remove(self, content: Object) -> None:
        source, status = content["spec"]["source"], content.get("status") or {}
        handle = status.get("snapshotHandle") or source.get("snapshotHandle")
        if not handle and ASKED not in meta.annotations(content):
            return
        try:
            parameters = await self._parameters(content)
            if not handle and not (handle := await self._begun(content, parameters)):
                return
            instance = await self._near(content)
            request = csi.DeleteSnapshotRequest(snapshot_id=handle, secrets=await self._secret(content, parameters))
            await self._drivers.call(instance, methods.DELETE_SNAPSHOT, request)
        except (CsiFailure, SecretTrouble) as error:
            raise Unavailable(str(error)) from error

    async def _begun(self, content: Object, parameters: Mapping[str, str]) -> str:
        """The handle of a snapshot that may be being taken, as the driver says when it is asked once more; "" when it takes none."""
        try:
            return (await self._create(content, parameters)).snapshot.snapshot_id
        except CsiFailure as error:
            if error.is_final and error.method == methods.CREATE_SNAPSHOT.name:
                return ""
            raise

    async def _create(self, content: Object, parameters: Mapping[str, str]) -> csi.CreateSnapshotResponse:
        """Raises CsiFailure, SecretTrouble, ApiError; Retry once, when it has noted that the driver is asked."""
        instance = await self._near(content)
        request = csi.CreateSnapshotRequest(
            source_volume_id=content["spec"]["source"]["volumeHandle"],
            name=f"snapshot-{content['spec']['volumeSnapshotRef'].get('uid')}",
            parameters={key: value for key, value in parameters.items() if not key.startswith(PREFIX)},
            secrets=await self._secret(content, parameters),
        )
        if ASKED not in meta.annotations(content):
            await self._client.patch(VOLUMESNAPSHOTCONTENTS, meta.name(content), {"metadata": {"annotations": {ASKED: "yes"}}})
            raise Retry(NOTED_S, f"the driver is asked for the snapshot of {meta.name(content)} next")
        return await self._drivers.call(instance, methods.CREATE_SNAPSHOT, request)

    async def _near(self, content: Object) -> Instance:
        """Where the volume is reached, as the snapshot may lie beside it."""
        driver, handle = content["spec"]["driver"], content["spec"]["source"].get("volumeHandle") or ""
        volumes = self._volumes.by_index("csi handle", f"{driver}/{handle}")
        instance = await self._drivers.near(driver, volume=volumes[0] if volumes else None)
        if _CAN not in instance.can:
            raise CsiFailure(driver, "", "the driver takes no snapshots", "UNIMPLEMENTED")
        return instance

    async def _parameters(self, content: Object) -> Mapping[str, str]:
        """Of the content's class, none when that has gone."""
        name = content["spec"].get("volumeSnapshotClassName")
        found = await self._client.get_or_none(VOLUMESNAPSHOTCLASSES, name) if name else None
        return (found or {}).get("parameters") or {}

    async def _secret(self, content: Object, parameters: Mapping[str, str]) -> dict[str, str]:
        """Raises SecretTrouble, ApiError."""
        stated = {part: meta.annotations(content).get(FOR_DELETION.format(part)) or "" for part in ("name", "namespace")}
        if not all(stated.values()):
            snapshot = content["spec"].get("volumeSnapshotRef") or {}
            known = {
                "volumesnapshotcontent.name": meta.name(content),
                "volumesnapshot.name": snapshot.get("name") or "",
                "volumesnapshot.namespace": snapshot.get("namespace") or "",
            }
            return await secrets.read(self._client, secrets.named(parameters, "snapshotter", known, known))
        return await secrets.read(self._client, stated)


def _handle_of(volume: Object) -> list[str]:
    source = names.source_of(volume)
    return [f"{source['driver']}/{source['volumeHandle']}"] if source is not None else []


def _taken(found: csi.Snapshot) -> Taken:
    taken_ns = found.creation_time.seconds * 1_000_000_000 + found.creation_time.nanos
    return Taken(found.snapshot_id, is_ready=found.ready_to_use, taken_ns=taken_ns or None, size_bytes=found.size_bytes or None)
