"""The folder of registrations, as the kubelet's plugin watcher reads it: a socket makes a driver known, and forgotten when it goes.

Looked at every second, with a few calls of the system. Each socket is asked in a task of its own, so that one that hangs holds up no other,
and one that fails is tried again with a growing pause. A socket that was made anew is a new registration.
Source: kubernetes pkg/kubelet/pluginmanager, pkg/volume/csi (csi_plugin.go).
"""

import asyncio
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.csi import methods
from pilothouse.engine.csi import registration_pb2 as registration
from pilothouse.engine.csi.driver import CsiFailure, Driver
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.drivers import Drivers, ask
from pilothouse.model import names

log = structlog.get_logger("node.csi.registration")

LOOK_S, ASK_S, NAME_MOST = 1.0, 10.0, 63
RETRY_FIRST_S, RETRY_MOST_S = 0.5, 120.0
MOST_SOCKETS, MOST_FOLDERS = 256, 64
CSI_PLUGIN = "CSIPlugin"
Signature = tuple[int, int, int]
"""Device, inode, time of the last change in nanoseconds: another one for a socket that was made anew."""


class _Refused(Exception):
    """The registration cannot be accepted; the message is told to whoever asked for it."""


@dataclass(slots=True)
class _Seen:
    signature: Signature
    task: "asyncio.Task[None] | None" = None
    is_over: bool = False
    retry_at: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(RETRY_FIRST_S, cap_s=RETRY_MOST_S))


class Registrations:
    """changed(): called when a driver has come or gone. clock: seconds that never go back."""

    def __init__(self, config: NodeConfig, drivers: Drivers, changed: Callable[[], None], clock: Callable[[], float]) -> None:
        self._config = config
        self._drivers = drivers
        self._changed = changed
        self._clock = clock
        self._seen: dict[Path, _Seen] = {}
        self._tasks = TaskSet()

    async def run(self) -> None:
        try:
            while True:
                self._compare(await asyncio.to_thread(sockets, self._config.registrations_dir))
                await asyncio.sleep(LOOK_S)
        finally:
            await self._tasks.close()
            for each in self._drivers.all():
                await each.driver.close()

    def _compare(self, found: Mapping[Path, Signature]) -> None:
        for path in [path for path, seen in self._seen.items() if found.get(path) != seen.signature]:
            self._forget(path)
        for path, signature in found.items():
            seen = self._seen.setdefault(path, _Seen(signature))
            is_busy = seen.task is not None and not seen.task.done()
            if not seen.is_over and not is_busy and self._clock() >= seen.retry_at:
                seen.task = self._tasks.start(self._register(path, seen), name=f"registration {path.name}")

    def _forget(self, path: Path) -> None:
        seen = self._seen.pop(path)
        if seen.task is not None:
            seen.task.cancel()
        gone = self._drivers.remove(path)
        if gone is not None:
            log.info("storage driver gone", driver=gone.name)
            self._tasks.start(gone.driver.close(), name=f"end of driver {gone.name}")
            self._changed()

    async def _register(self, path: Path, seen: _Seen) -> None:
        plugin = Driver(path.name, path)
        try:
            info = await plugin.call(methods.GET_INFO, registration.InfoRequest(), ASK_S)
            why = await self._accepted(path, info)
            status = registration.RegistrationStatus(plugin_registered=not why, error=why)
            await plugin.call(methods.NOTIFY_REGISTRATION_STATUS, status, ASK_S)
        except CsiFailure as error:
            why = str(error)
        finally:
            await plugin.close()
        seen.is_over = not why
        if why:
            pause_s = seen.backoff.next_s()
            seen.retry_at = self._clock() + pause_s
            log.warning("plug-in not registered", socket=str(path), why=why, retry_s=pause_s)

    async def _accepted(self, path: Path, info: registration.PluginInfo) -> str:
        """Why the driver is not taken; "" when it is."""
        try:
            endpoint = _checked(info, path)
        except _Refused as refused:
            return str(refused)
        driver = Driver(info.name, self._config.on_node(endpoint))
        try:
            registered = await ask(self._config, driver, path, endpoint)
            if not registered.node_id:
                raise _Refused(f"driver {info.name} says no id of this node (NodeGetInfo)")
        except (CsiFailure, _Refused) as error:
            await driver.close()
            return str(error)
        except BaseException:
            await driver.close()
            raise
        replaced = self._drivers.add(registered)
        if replaced is not None:
            await replaced.driver.close()
        log.info("storage driver registered", driver=info.name, socket=str(driver.socket), node_id=registered.node_id)
        self._changed()
        return ""


def _checked(info: registration.PluginInfo, path: Path) -> str:
    """The driver's socket, in its own words. Raises _Refused."""
    if info.type != CSI_PLUGIN:
        raise _Refused(
            f"no handler registered for plugin type: {info.type} at socket {path}: this node takes storage drivers ({CSI_PLUGIN})"
        )
    if not any(version.removeprefix("v").split(".")[0] == "1" for version in info.supported_versions):
        said = ", ".join(info.supported_versions) or "none"
        raise _Refused(f"driver {info.name} supports version {said} of the Container Storage Interface; this node speaks version 1")
    if len(info.name) > NAME_MOST or names.dns1123_subdomain(info.name.lower()):
        raise _Refused(f"{info.name[:NAME_MOST]!r} is no name of a driver: it must be a DNS name of at most {NAME_MOST} characters")
    endpoint = info.endpoint or str(path)
    if not endpoint.startswith("/") or ".." in Path(endpoint).parts:
        raise _Refused(f"driver {info.name}: endpoint {endpoint!r} is no absolute path of a socket")
    return endpoint


def sockets(folder: Path) -> dict[Path, Signature]:
    """The sockets in the folder and its subfolders; names that begin with a dot are left out. Blocking."""
    found: dict[Path, Signature] = {}
    left = [folder]
    for _ in range(MOST_FOLDERS):
        if not left or len(found) >= MOST_SOCKETS:
            break
        here = left.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda each: each.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                seen = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(seen.st_mode):
                left.append(Path(entry.path))
            elif stat.S_ISSOCK(seen.st_mode):
                found[Path(entry.path)] = (seen.st_dev, seen.st_ino, seen.st_ctime_ns)
    return found
