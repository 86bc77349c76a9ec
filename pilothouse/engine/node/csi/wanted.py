"""What a pod wants of a driver, from its volume and the PersistentVolume behind it, and how that is said to the driver. Pure.

Source: kubernetes pkg/volume/csi (csi_mounter.go, csi_client.go, csi_util.go).
"""

from dataclasses import dataclass
from hashlib import sha256

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.node.csi.drivers import MANY_WRITERS, MOUNT_GROUP, Registered
from pilothouse.engine.node.csi.failure import MountFailed
from pilothouse.engine.node.pod import podspec
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import BLOCK, ONE_POD, mode

POD_INFO = "csi.storage.k8s.io/"
TOKENS = POD_INFO + "serviceAccount.tokens"
_MODES = {
    "ReadWriteOnce": csi.VolumeCapability.AccessMode.SINGLE_NODE_WRITER,
    "ReadOnlyMany": csi.VolumeCapability.AccessMode.MULTI_NODE_READER_ONLY,
    "ReadWriteMany": csi.VolumeCapability.AccessMode.MULTI_NODE_MULTI_WRITER,
    ONE_POD: csi.VolumeCapability.AccessMode.SINGLE_NODE_WRITER,
}
_OF_ONE_NODE = {
    "ReadWriteOnce": csi.VolumeCapability.AccessMode.SINGLE_NODE_MULTI_WRITER,
    ONE_POD: csi.VolumeCapability.AccessMode.SINGLE_NODE_SINGLE_WRITER,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A volume of a driver that a pod wants. name: as in `Record`. pod_volume: its name in the pod. source: the `csi` that describes it.

    volume: the PersistentVolume, None for one that is inline. claim: what it is bound to, None for one that is inline.
    """

    name: str
    pod_volume: str
    driver: str
    handle: str
    source: Object
    volume: Object | None = None
    claim: Object | None = None
    read_only: bool = False

    @property
    def is_inline(self) -> bool:
        return self.volume is None

    @property
    def is_block(self) -> bool:
        return self.volume is not None and mode(self.volume) == BLOCK

    @property
    def is_for_one_pod(self) -> bool:
        return self.access_modes == (ONE_POD,)

    @property
    def access_modes(self) -> tuple[str, ...]:
        return tuple(((self.volume or {}).get("spec") or {}).get("accessModes") or ())

    @property
    def fs_type(self) -> str:
        found: str = self.source.get("fsType") or ""
        return found


def of_claim(volume: Object, pod_volume: Object, claim: Object) -> Wanted:
    source = volume["spec"]["csi"]
    read_only = bool((pod_volume.get("persistentVolumeClaim") or {}).get("readOnly"))
    return Wanted(meta.name(volume), pod_volume["name"], source["driver"], source["volumeHandle"], source, volume, claim, read_only)


def inline(pod: Object, pod_volume: Object) -> Wanted:
    source, name = pod_volume["csi"], pod_volume["name"]
    handle = f"csi-{sha256(f'{meta.uid(pod)}{name}'.encode()).hexdigest()}"
    return Wanted(name, name, source["driver"], handle, source, read_only=bool(source.get("readOnly")))


def check_lifecycle(wanted: Wanted, about: Object | None) -> None:
    """about: the CSIDriver. Raises MountFailed for a kind of volume that the driver does not serve."""
    modes = ((about or {}).get("spec") or {}).get("volumeLifecycleModes") or ["Persistent"]
    mode = "Ephemeral" if wanted.is_inline else "Persistent"
    if mode not in modes:
        only = ", ".join(f'"{each}"' for each in modes)
        raise MountFailed(f'volume mode "{mode}" not supported by driver {wanted.driver} (only supports [{only}])')


def capability(wanted: Wanted, driver: Registered, group: int | None) -> csi.VolumeCapability:
    """group: that the driver is to give the files to, None where that is not its work."""
    first = next(iter(wanted.access_modes), "ReadWriteOnce")
    modes = _MODES | (_OF_ONE_NODE if driver.can(MANY_WRITERS) else {})
    access = csi.VolumeCapability.AccessMode(mode=modes[first])
    if wanted.is_block:
        return csi.VolumeCapability(block=csi.VolumeCapability.BlockVolume(), access_mode=access)
    mount = csi.VolumeCapability.MountVolume(
        fs_type=wanted.fs_type,
        mount_flags=((wanted.volume or {}).get("spec") or {}).get("mountOptions") or (),
        volume_mount_group="" if group is None else str(group),
    )
    return csi.VolumeCapability(mount=mount, access_mode=access)


def delegated_group(pod: Object, driver: Registered) -> int | None:
    group: int | None = podspec.security(pod).get("fsGroup")
    return group if driver.can(MOUNT_GROUP) else None


def gives_to_group(pod: Object, wanted: Wanted, driver: Registered, about: Object | None) -> bool:
    """Whether the node gives the files to the pod's fsGroup. Source: csi_mounter.go (supportsFSGroup)."""
    policy = ((about or {}).get("spec") or {}).get("fsGroupPolicy") or "ReadWriteOnceWithFSType"
    if podspec.security(pod).get("fsGroup") is None or wanted.is_block or driver.can(MOUNT_GROUP) or policy == "None" or wanted.read_only:
        return False
    if policy == "File":
        return True
    return bool(wanted.fs_type) and (wanted.is_inline or bool({"ReadWriteOnce", ONE_POD} & set(wanted.access_modes)))


def pod_info(pod: Object, wanted: Wanted, about: Object | None) -> dict[str, str]:
    """What the driver is told of the pod, where it wants to be."""
    if not ((about or {}).get("spec") or {}).get("podInfoOnMount"):
        return {}
    return {
        POD_INFO + "pod.name": meta.name(pod),
        POD_INFO + "pod.namespace": meta.namespace(pod),
        POD_INFO + "pod.uid": meta.uid(pod),
        POD_INFO + "serviceAccount.name": podspec.spec(pod).get("serviceAccountName") or "default",
        POD_INFO + "ephemeral": "true" if wanted.is_inline else "false",
    }


def secret_of(wanted: Wanted, pod: Object, field: str) -> tuple[str, str] | None:
    """(namespace, name) of a Secret that the volume names in that field; an inline volume's is the pod's namespace's."""
    reference = wanted.source.get(field)
    if not reference or not reference.get("name"):
        return None
    return (meta.namespace(pod) if wanted.is_inline else reference.get("namespace") or ""), reference["name"]
