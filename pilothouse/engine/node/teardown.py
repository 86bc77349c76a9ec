"""Taking the node off the machine: every container, shim, mount, namespace and cgroup of this instance, and nothing of anybody else's.

Politely through the runtime while it answers, then by what can only be ours: shims that name our socket, mounts below our state
directory, processes in our cgroup. Shims that had to be killed leave files in a folder that all containerds of the machine share; which
of them are ours is told by the bundles of their containers, in our state directory.
"""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from pilothouse.aio.identity import Identity, wait_gone
from pilothouse.aio.tasks import each
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from pilothouse.engine.node.files.removal import remove_tree
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.local_volumes import loops
from pilothouse.engine.node.local_volumes.freezing import thaw_left
from pilothouse.engine.node.local_volumes.layout import mode_of
from pilothouse.engine.node.runtime.containerd import Containerd, ContainerdError
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.model.volumes import BLOCK

log = structlog.get_logger("node.teardown")

AT_ONCE = 8
SHARED = Path("/run/containerd")
"""Sockets of shims are in `s`, what runc knows of containers in `runc`; both are compiled into containerd."""


async def destroy(config: NodeConfig) -> None:
    """Leaves only files of the state directory behind, which the caller removes. May be repeated."""
    containerd = Containerd(config)
    if config.containerd_dir.exists():
        await _remove_pods(containerd)
    await containerd.stop()
    await _kill_shims(containerd.socket)
    await asyncio.to_thread(remove_shared, containerd.state)
    await _clear_cgroup(cgroups.instance_parent(config.instance))
    await asyncio.to_thread(_free_volumes, config.volumes_dir)
    for mounted in await asyncio.to_thread(mounts_below, config.home):
        await asyncio.to_thread(unmount, mounted)
    for folder in (config.containerd_dir, config.kubelet_dir, config.memory_dir, config.volumes_dir, config.home / "logs"):
        for left in await asyncio.to_thread(remove_tree, folder):
            log.warning("not removed", what=left)


def _free_volumes(volumes: Path) -> None:
    """What the kernel holds beside mounts: a file system that was frozen for a copy, devices of block volumes."""
    thaw_left(volumes)
    for file in volumes.glob("*/image"):
        if mode_of(file.parent) == BLOCK:
            loops.detach(file)


async def _remove_pods(containerd: Containerd) -> None:
    """Through the runtime, so that the pod network hears of it."""
    try:
        await containerd.start()
    except ContainerdError as error:
        log.warning("removing pods without the runtime", why=str(error))
        return
    runtime = CriRuntime(containerd.socket)
    try:
        boxes = await runtime.sandboxes()
        await each([_remove(runtime, box.id) for box in boxes], limit=AT_ONCE)
    except RuntimeFailure as error:
        log.warning("pods not listed", why=str(error))
    finally:
        await runtime.close()


async def _remove(runtime: CriRuntime, id: str) -> None:
    try:
        await runtime.stop_sandbox(id)
        await runtime.remove_sandbox(id)
    except RuntimeFailure as error:
        log.warning("sandbox not removed", id=id, why=str(error))


async def _kill_shims(socket: Path) -> None:
    for identity in await asyncio.to_thread(shims, socket):
        listening = await asyncio.to_thread(listening_at, identity.pid)
        identity.signal(signal.SIGKILL)
        if await wait_gone(identity, 2.0):
            for left in listening:
                left.unlink(missing_ok=True)


def listening_at(pid: int, folder: Path = SHARED / "s") -> list[Path]:
    """The sockets in a folder at which a process listens; it removes them when it ends by itself. Source: proc(5), /proc/PID/net/unix."""
    own = set()
    try:
        for each in Path(f"/proc/{pid}/fd").iterdir():
            # One that has been closed meanwhile.
            with suppress(FileNotFoundError):
                own.add(os.readlink(each))
        lines = Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]
    except OSError:
        return []
    entries = [fields for line in lines if len(fields := line.split(maxsplit=7)) == 8]
    return [Path(path) for *_, inode, path in entries if f"socket:[{inode}]" in own and Path(path).parent == folder]


def shims(socket: Path) -> list[Identity]:
    """The shim processes that report to our containerd."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            words = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words and b"containerd-shim" in words[0] and str(socket).encode() in words:
            found.append(Identity.of(int(name)))
    return found


def remove_shared(state: Path, shared: Path = SHARED) -> None:
    """What containers that the runtime could not remove have left in the shared folder. state: containerd's; neither it nor a shim runs."""
    for bundle in state.glob("io.containerd.runtime.v2.task/k8s.io/*"):
        for socket in _shim_sockets(bundle):
            if socket.parent == shared / "s":
                socket.unlink(missing_ok=True)
        shutil.rmtree(shared / "runc" / "k8s.io" / bundle.name, ignore_errors=True)


def _shim_sockets(bundle: Path) -> Iterator[Path]:
    """containerd writes the address as it is, and from 1.7 on as one of several parameters too."""
    with suppress(OSError):
        yield _socket_of((bundle / "address").read_text())
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        yield _socket_of(json.loads((bundle / "bootstrap.json").read_text())["address"])


def _socket_of(address: str) -> Path:
    return Path(address.strip().removeprefix("unix://"))


async def _clear_cgroup(cgroup: str) -> None:
    try:
        await asyncio.to_thread(cgroups.clear, cgroup)
    except OSError as error:
        log.warning("not removed", what=cgroup, why=error.strerror or str(error))
