"""What is mounted into a container: its volumes, and the files that the node keeps for it.

Blocking: called in a thread.
"""

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilothouse.engine.node import api_pb2 as api
from pilothouse.engine.node.environment import ConfigMissing, expand
from pilothouse.model.json import Object

PROPAGATION = {
    "None": api.PROPAGATION_PRIVATE,
    "HostToContainer": api.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": api.PROPAGATION_BIDIRECTIONAL,
}
HOSTS = "/etc/hosts"


@dataclass(frozen=True, slots=True)
class Mounted:
    mounts: list[api.Mount]
    message_file: str


def container_mounts(
    pod: Object, container: Object, volumes: Mapping[str, Path], variables: Mapping[str, str], pod_dir: Path, hosts: str
) -> Mounted:
    """hosts: the content of /etc/hosts. Makes the files that are mounted. Raises ConfigMissing for a subPath that cannot be had."""
    mounts = [_volume_mount(mount, volumes, variables) for mount in container.get("volumeMounts") or ()]
    targets = {mount.container_path.rstrip("/") for mount in mounts}
    if HOSTS not in targets:
        mounts.append(api.Mount(container_path=HOSTS, host_path=str(_hosts_file(pod_dir, hosts))))
    message_path = container.get("terminationMessagePath") or "/dev/termination-log"
    message_file = _message_file(pod_dir, container["name"])
    if message_path.rstrip("/") not in targets:
        mounts.append(api.Mount(container_path=message_path, host_path=message_file))
    return Mounted(mounts, message_file)


def _volume_mount(mount: Object, volumes: Mapping[str, Path], variables: Mapping[str, str]) -> api.Mount:
    source = volumes.get(mount["name"])
    if source is None:
        raise ConfigMissing(f'cannot find volume "{mount["name"]}" to mount')
    sub = expand(mount["subPathExpr"], variables) if mount.get("subPathExpr") else mount.get("subPath") or ""
    return api.Mount(
        container_path=mount["mountPath"] if mount["mountPath"].startswith("/") else "/" + mount["mountPath"],
        host_path=str(_below(source, sub) if sub else source),
        readonly=bool(mount.get("readOnly")),
        propagation=PROPAGATION[mount.get("mountPropagation") or "None"],
    )


def _below(volume: Path, sub: str) -> Path:
    """The path inside a volume, made as a folder when absent; links must not lead out of the volume."""
    if ".." in Path(sub).parts or sub.startswith("/"):
        raise ConfigMissing(f"subPath {sub!r} leaves its volume")
    root = volume.resolve()
    target = (root / sub).resolve()
    if not target.is_relative_to(root):
        raise ConfigMissing(f"subPath {sub!r} leaves its volume")
    if not target.exists():
        status = root.stat()
        target.mkdir(parents=True)
        target.chmod(status.st_mode & 0o7777)
        os.chown(target, -1, status.st_gid)
    return target


def _hosts_file(pod_dir: Path, content: str) -> Path:
    path = pod_dir / "etc-hosts"
    if not path.exists() or path.read_text() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o644)
    return path


def _message_file(pod_dir: Path, name: str) -> str:
    """A fresh file for each start, so that an old message is never taken for a new one."""
    path = pod_dir / "containers" / name / uuid.uuid4().hex[:8]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(0o666)
    return str(path)
