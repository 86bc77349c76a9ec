"""NFS volumes: mounted into a folder of the pod by the program of Debian's nfs-common, and let go with the pod.

A server that does not answer holds up its own pods alone, and nothing here looks into what is mounted, which would wait for it as well.
Source: kubernetes pkg/volume/nfs.
"""

import asyncio
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from pilothouse.aio.process import ProcessFailed, ProcessTimeout
from pilothouse.engine.node.files.mountpoints import is_mount_point
from pilothouse.engine.node.local_volumes import programs
from pilothouse.engine.node.volumes.projection import VolumeMissing
from pilothouse.model.json import Object

KIND = "kubernetes.io~nfs"
HELPER = "mount.nfs"
MOUNT_S = 60.0
_FILE_SYSTEMS = Path("/proc/filesystems")


async def mount(source: Object, folder: Path, options: Sequence[str] = (), *, read_only: bool = False) -> None:
    """source: server and path, and readOnly. folder: where it appears; it is made. Raises VolumeMissing, OSError."""
    if await asyncio.to_thread(is_mount_point, folder):
        return
    if programs.missing((HELPER,)):
        raise VolumeMissing(f"this node cannot mount NFS volumes: {HELPER} cannot be found; install nfs-common")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    every = [*options, *(["ro"] if read_only or source.get("readOnly") else [])]
    words = ["mount", "-t", "nfs", *(["-o", ",".join(every)] if every else []), "--", address(source), str(folder)]
    try:
        await programs.call(words, timeout_s=MOUNT_S)
    except ProcessTimeout as error:
        raise VolumeMissing(f"{address(source)} was not mounted within {MOUNT_S:g} s: its server does not answer") from error
    except ProcessFailed as error:
        said = error.completed.stderr.decode(errors="replace").strip()[-500:]
        raise VolumeMissing(f"{address(source)} cannot be mounted: {said}{_hint()}") from error


def address(source: Object) -> str:
    """server:path, as mount takes it."""
    server = str(source["server"])
    try:
        is_ipv6 = ipaddress.ip_address(server).version == 6
    except ValueError:
        is_ipv6 = False
    return f"[{server}]:{source['path']}" if is_ipv6 else f"{server}:{source['path']}"


def _hint() -> str:
    known = {line.split()[-1] for line in _FILE_SYSTEMS.read_text().splitlines() if line.strip()}
    return "" if known & {"nfs", "nfs4"} else "; the kernel of this node knows no NFS: load its module nfs, or take another node"
