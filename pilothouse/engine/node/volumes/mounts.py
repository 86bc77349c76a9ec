"""What is mounted into a container: its volumes, and the files that the node keeps for it.

Blocking: called in a thread.
"""

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.engine.node.config import HOSTS_FILE, MESSAGE_FILES
from pilothouse.engine.node.files.beneath import opened
from pilothouse.engine.node.files.subpath import bind_subpath
from pilothouse.engine.node.files.subpath import place as lay_out
from pilothouse.engine.node.files.trees import copy
from pilothouse.engine.node.own_folders import folders_below, make_mountpoint
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.environment import ConfigMissing, expand
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.model.json import Object

PROPAGATION = {
    "None": api.PROPAGATION_PRIVATE,
    "HostToContainer": api.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": api.PROPAGATION_BIDIRECTIONAL,
}
HOSTS = "/etc/hosts"
SUBPATHS, COPIES = "volume-subpaths", "volume-copies"
KEPT_MESSAGES = 4


@dataclass(frozen=True, slots=True)
class Mounted:
    mounts: list[api.Mount]
    message_file: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where one container's mounts come from. volumes: name -> path on the node; read_only: those that nobody may write to; images: those
    that are images. users: path of the pod's own user namespace, "" for the node's. inside: volume -> path from there -> folder of the
    node that is seen there instead of what the machine has.
    """

    volumes: Mapping[str, Path]
    read_only: frozenset[str]
    pod_dir: Path
    container: str
    users: str = ""
    images: frozenset[str] = frozenset()
    inside: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)


def container_mounts(
    pod: Object, container: Object, volumes: Mapping[str, Path], variables: Mapping[str, str], pod_dir: Path, hosts: str, users: str = "",
    owned: Mapping[str, Path] | None = None,
) -> Mounted:  # fmt: skip
    """Makes the files that are mounted. Raises ConfigMissing for a volume or a part of one that cannot be had.

    hosts: the content of /etc/hosts. users: path of the pod's own user namespace, "" for the node's. owned: paths of the machine that mean
    a folder of the node, and that folder.
    """
    images = frozenset(each["name"] for each in podspec.image_volumes(pod))
    inside = {each["name"]: dict(folders_below(each["hostPath"]["path"], owned or {})) for each in podspec.host_path_volumes(pod)}
    place = Place(volumes, podspec.read_only_volumes(pod), pod_dir, container["name"], users, images, inside)
    stated = list(enumerate(container.get("volumeMounts") or ()))
    mounts = [_volume_mount(place, index, mount, variables) for index, mount in stated]
    mounts += [made for index, mount in stated for made in _mounts_inside(place, index, mount)]
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
    if name in place.images:
        # Nothing can be written to it as it is; a runtime that was asked for that as well would drop the other bars (nothing runs in it).
        return api.Mount(container_path=_absolute(mount["mountPath"]), host_path=str(source))
    return _mount(place, mount, source, _absolute(mount["mountPath"]), f"{index}-{name}")


def _mounts_inside(place: Place, index: int, mount: Object) -> Iterator[api.Mount]:
    """What is mounted inside of a volume that is a path of the machine. Nothing where mounts of the pod appear on the machine."""
    name, sub = mount["name"], mount.get("subPath") or mount.get("subPathExpr")
    if sub or mount.get("mountPropagation") == "Bidirectional":
        return
    for number, (path, folder) in enumerate(place.inside.get(name, {}).items()):
        if make_mountpoint(place.volumes[name] / path):
            target = f"{_absolute(mount['mountPath']).rstrip('/')}/{path}"
            yield _mount(place, mount, folder, target, f"{index}-{name}-{number}")


def _mount(place: Place, mount: Object, source: Path, target: str, copy_name: str) -> api.Mount:
    """source: on the node. target: in the container. copy_name: of the folder for a copy of the source, where one is needed."""
    if podspec.is_recursively_read_only(mount) or place.users:
        source = _copied(source, mount, place, place.pod_dir / COPIES / place.container / copy_name)
    return api.Mount(
        container_path=target,
        host_path=str(source),
        readonly=bool(mount.get("readOnly")) or mount["name"] in place.read_only,
        propagation=PROPAGATION[mount.get("mountPropagation") or "None"],
    )


def _absolute(path: str) -> str:
    return path if path.startswith("/") else "/" + path


def _copied(source: Path, mount: Object, place: Place, target: Path) -> Path:
    """Where the source is read-only with all that is mounted below it, or as the pod's own users see it.

    Raises ConfigMissing where that cannot be and must.
    """
    is_read_only = podspec.is_recursively_read_only(mount)
    propagation = mount.get("mountPropagation")
    if propagation == "Bidirectional":
        raise ConfigMissing(f'volume "{mount["name"]}": what is mounted in a pod with users of its own cannot appear on the node')
    try:
        with contextlib.ExitStack() as held:
            found = held.enter_context(opened(os.open(source, os.O_PATH | os.O_CLOEXEC)))
            users = held.enter_context(opened(os.open(place.users, os.O_RDONLY | os.O_CLOEXEC))) if place.users else -1
            lay_out(target, is_folder=stat.S_ISDIR(os.fstat(found).st_mode))
            copy(found, target, read_only=is_read_only, users=users, follows=propagation == "HostToContainer")
    except OSError as error:
        if place.users:
            why = f'volume "{mount["name"]}" cannot be mounted for the user namespace of the pod'
        elif mount["recursiveReadOnly"] == "IfPossible":
            return source
        else:
            why = f'failed to resolve recursive read-only mode: volume "{mount["name"]}" requested it, but it cannot be had here'
        raise ConfigMissing(f"{why}: {error.strerror}") from error
    return target


def _hosts_file(pod_dir: Path, content: str) -> Path:
    path = pod_dir / HOSTS_FILE
    wanted = content.encode()
    # A container may have made anything of it, of any size.
    if not path.exists() or path.stat().st_size != len(wanted) or path.read_bytes() != wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted)
        path.chmod(0o644)
    return path


def _message_file(pod_dir: Path, name: str) -> str:
    """A fresh file for each start, so that an old message is never taken for a new one; those of the last few starts are kept."""
    folder = pod_dir / MESSAGE_FILES / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_MESSAGES:]:
        old.unlink()
    path = folder / uuid.uuid4().hex[:8]
    path.touch()
    path.chmod(0o666)
    return str(path)
