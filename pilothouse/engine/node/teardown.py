"""Taking the node off the machine: every container, shim, mount, namespace and cgroup of this instance, and nothing of anybody else's.

Politely through the runtime while it answers, then by what can only be ours: shims that name our socket, mounts below our state
directory, processes in our cgroup.
"""

import asyncio
import os
import signal
from pathlib import Path

import structlog

from pilothouse.aio.identity import Identity, wait_gone
from pilothouse.aio.tasks import each
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from pilothouse.engine.node.files.removal import remove_tree
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.runtime.containerd import Containerd, ContainerdError
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.node.runtime.seam import RuntimeFailure

log = structlog.get_logger("node.teardown")

AT_ONCE = 8


async def destroy(config: NodeConfig) -> None:
    """Leaves only files of the state directory behind, which the caller removes. May be repeated."""
    containerd = Containerd(config)
    if config.containerd_dir.exists():
        await _remove_pods(containerd)
    await containerd.stop()
    await _kill_shims(containerd.socket)
    await _clear_cgroup(cgroups.instance_parent(config.instance))
    for mounted in await asyncio.to_thread(mounts_below, config.home):
        await asyncio.to_thread(unmount, mounted)
    for folder in (config.containerd_dir, config.pods_dir, config.memory_dir, config.volumes_dir, config.home / "logs"):
        for left in await asyncio.to_thread(remove_tree, folder):
            log.warning("not removed", what=left)


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
        identity.signal(signal.SIGKILL)
        await wait_gone(identity, 2.0)


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


async def _clear_cgroup(cgroup: str) -> None:
    try:
        await asyncio.to_thread(cgroups.clear, cgroup)
    except OSError as error:
        log.warning("not removed", what=cgroup, why=error.strerror or str(error))
