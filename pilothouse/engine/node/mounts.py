"""What is mounted into a container: its volumes, and the files that the node keeps for it.

Blocking: called in a thread.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilothouse.engine.node import api_pb2 as api
from pilothouse.engine.node import podspec
from pilothouse.engine.node.environment import ConfigMissing, expand
from pilothouse.engine.node.files.subpath import bind_subpath
from pilothouse.model.json import Object

PROPAGATION = {
    "None": api.PROPAGATION_PRIVATE,
    "HostToContainer": api.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": api.PROPAGATION_BIDIRECTIONAL,
}
HOSTS = "/etc/hosts"
SUBPATHS = "volume-subpaths"
KEPT_MESSAGES = 4


@dataclass(frozen=True, slots=True)
class Mounted:
    mounts: list[api.Mount]
    message_file: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where one container's mounts come from. volumes: name -> path on the node; read_only: those that nobody may write to."""

    volumes: Mapping[str, Path]
    read_only: frozenset[str]
    pod_dir: Path
    container: str


def container_mounts(
    pod: Object, container: Object, volumes: Mapping[str, Path], variables: Mapping[str, str], pod_dir: Path, hosts: str
) -> Mounted:
    """hosts: the content of /etc/hosts. Makes the files that are mounted. Raises ConfigMissing for a subPath that cannot be had."""
    place = Place(volumes, podspec.read_only_volumes(pod), pod_dir, container["name"])
    mounts = [_volume_mount(place, index, mount, variables) for index, mount in enumerate(container.get("volumeMounts") or ())]
    targets = {mount.container_path.rstrip("/") for mount in mounts}
    if HOSTS not in targets:
        mounts.append(api.Mount(container_path=HOSTS, host_path=str(_hosts_file(pod_dir, hosts))))
    message_path = container.get("terminationMessagePath") or "/dev/termination-log"
    message_file = _message_file(pod_dir, container["name"])
    if message_path.rstrip("/") not in targets:
        mounts.append(api.Mount(container_path=message_path, host_path=message_file))
    return Mounted(mounts, message_file)


def _volume_mount(place: Place, index: int, mount: Object, variables: Mapping[str, str]) -> api.Mount:
    name = mount["name"]
    source = place.volumes.get(name)
    if source is None:
        raise ConfigMissing(f'cannot find volume "{name}" to mount')
    sub = expand(mount["subPathExpr"], variables) if mount.get("subPathExpr") else mount.get("subPath") or ""
    if sub:
        source = bind_subpath(source, sub, place.pod_dir / SUBPATHS / place.container / f"{index}-{name}")
    return api.Mount(
        container_path=mount["mountPath"] if mount["mountPath"].startswith("/") else "/" + mount["mountPath"],
        host_path=str(source),
        readonly=bool(mount.get("readOnly")) or name in place.read_only,
        propagation=PROPAGATION[mount.get("mountPropagation") or "None"],
    )


def _hosts_file(pod_dir: Path, content: str) -> Path:
    path = pod_dir / "etc-hosts"
    if not path.exists() or path.read_text() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o644)
    return path


def _message_file(pod_dir: Path, name: str) -> str:
    """A fresh file for each start, so that an old message is never taken for a new one; those of the last few starts are kept."""
    folder = pod_dir / "containers" / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_MESSAGES:]:
        old.unlink()
    path = folder / uuid.uuid4().hex[:8]
    path.touch()
    path.chmod(0o666)
    return str(path)
