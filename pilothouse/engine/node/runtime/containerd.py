"""A containerd of our own: its root, state, socket and configuration lie under the state directory.

It is started in a session of its own, so it outlives Pilothouse, and with it the containers. A later Pilothouse finds it by a
pid file that carries the process's start time (a recycled pid is never mistaken for it) and adopts it. Nothing is shared with a
containerd of the host or of another instance, except the folder of shim sockets that containerd has compiled in. Which program
is started is chosen by `programs`.
"""

import asyncio
import os
import shutil
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.child import Child
from pilothouse.aio.identity import Identity, ended, find, wait_gone
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host.capabilities import has_capability
from pilothouse.engine.node.host.cgroups import has_systemd_v2
from pilothouse.engine.node.runtime import handlers
from pilothouse.engine.node.runtime.programs import UNKNOWN, choose, keeps_output, shown, version_of

log = structlog.get_logger("node.containerd")

CAP_SYS_RESOURCE = 24
STEADY_S = 60.0
MAX_SOCKET_PATH = 100
NEEDLESS_PLUGINS = (
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.native",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.monitor.v1.cgroups",
)


class ContainerdError(Exception):
    """containerd cannot be started, or does not answer; the message says what to look at."""


class ContainerdUnusable(ContainerdError):
    """Trying again is no use: something that only the user can change is in the way."""


@dataclass(frozen=True, slots=True)
class Containerd:
    """The instance that belongs to a state directory, running or not."""

    config: NodeConfig

    @property
    def socket(self) -> Path:
        return self.config.containerd_dir / "containerd.sock"

    @property
    def state(self) -> Path:
        return self.config.containerd_dir / "state"

    @property
    def log(self) -> Path:
        return self.config.containerd_dir / "containerd.log"

    @property
    def pid_file(self) -> Path:
        return self.config.containerd_dir / "containerd.pid"

    def running(self) -> Identity | None:
        """The process that was started for this state directory, if it still lives."""
        identity = Identity.load(self.pid_file)
        return identity if identity is not None and identity.alive() else None

    async def start(self, timeout_s: float = 20.0) -> bool:
        """Adopts the running instance or starts one; returns once its socket accepts. True: it had to be started."""
        adopted = self.running() is not None or self._taken_back()
        if not adopted:
            self._prepare()
            await self._spawn()
        await self._until_accepting(timeout_s)
        return not adopted

    async def end_outdated(self) -> None:
        """End a running one whose settings are not today's, or that loses output when one that does not can be started instead.

        Containers go on under their shims.
        """
        if self.running() is None and not self._taken_back():
            return
        if await asyncio.to_thread(self._is_set_otherwise):
            log.info("containerd is started again with other settings")
            await self.stop()
            return
        identity = self.running()
        version = await version_of(f"/proc/{identity.pid}/exe") if identity is not None else UNKNOWN
        if keeps_output(version):
            return
        chosen = await choose(self.config.programs)
        if chosen.keeps_output:
            log.info("containerd is replaced by a later one", running=shown(version), chosen=shown(chosen.version))
            await self.stop()

    def _taken_back(self) -> bool:
        """Adopts one that an earlier agent started and had no time to note: it holds the state directory's lock."""
        stray = find("containerd", str(self._settings))
        if stray is not None:
            stray.save(self.pid_file)
        return stray is not None

    def _is_set_otherwise(self) -> bool:
        """A runtime was installed, or another Pilothouse has started it."""
        try:
            return self._settings.read_text() != render(self.config)
        except FileNotFoundError:
            return False

    @property
    def _settings(self) -> Path:
        return self.config.containerd_dir / "config.toml"

    def _prepare(self) -> None:
        if len(str(self.socket)) > MAX_SOCKET_PATH:
            raise ContainerdUnusable(f"the state directory's path is too long for a socket: {self.socket}; choose a shorter --home")
        if shutil.which("containerd") is None or shutil.which("runc") is None:
            raise ContainerdUnusable("containerd or runc is not installed: apt-get install containerd runc")
        config = self.config
        for folder in (config.containerd_dir / "certs.d", config.cni_conf_dir, config.cni_bin_dir, config.pods_dir, config.logs_dir):
            folder.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(render(config))
        self.socket.unlink(missing_ok=True)

    async def _spawn(self) -> None:
        programs = await choose(self.config.programs)
        child = await Child.start([programs.containerd, "--config", self._settings], log=self.log, env=programs.environment(), cwd="/")
        Identity.of(child.pid).save(self.pid_file)
        child.detach()

    async def _until_accepting(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not accepts(self.socket):
                    if self.running() is None:
                        raise ContainerdError(f"containerd has ended: {last_line(self.log)} (see {self.log})")
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise ContainerdError(f"containerd does not answer at {self.socket} after {timeout_s:.0f} s (see {self.log})") from None

    async def keep_running(self) -> NoReturn:
        """Starts it again whenever it ends, until cancelled. Containers do not notice."""
        backoff = Backoff(0.1, cap_s=10.0)
        while True:
            identity = self.running()
            if identity is not None:
                began = time.monotonic()
                await ended(identity)
                log.warning("containerd has ended", said=last_line(self.log))
                if time.monotonic() - began > STEADY_S:
                    backoff.reset()
            try:
                await self.start()
            except ContainerdError as error:
                log.error("containerd not started", why=str(error))
            await asyncio.sleep(backoff.next_s())

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Ends containerd; containers go on running under their shims."""
        identity = self.running()
        if identity is not None:
            identity.signal(signal.SIGTERM)
            if not await wait_gone(identity, timeout_s):
                # It holds no state that is not on disk; an import under way is rolled back at its next start.
                identity.signal(signal.SIGKILL)
                await wait_gone(identity, timeout_s)
        self.pid_file.unlink(missing_ok=True)


def accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1] if lines else "no log"


def render(config: NodeConfig) -> str:
    """The configuration file. Plugins that a pod never needs are left out: they cost start time."""
    folder = config.containerd_dir
    restrict = str(not has_capability(CAP_SYS_RESOURCE)).lower()
    apparmor = str(not os.path.exists("/sys/module/apparmor/parameters/enabled")).lower()
    systemd = has_systemd_v2()
    plugins = ", ".join(f'"{name}"' for name in NEEDLESS_PLUGINS)
    others = "\n".join(handlers.installed(systemd=systemd).values())
    return f"""version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = [{plugins}]

[grpc]
  address = "{folder}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{config.sandbox_image}"
  restrict_oom_score_adj = {restrict}
  disable_apparmor = {apparmor}
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  tolerate_missing_hugetlb_controller = true
  max_container_log_line_size = 16384
  stats_collect_period = 60
  stream_server_address = "127.0.0.1"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = {str(systemd).lower()}

{others}
[plugins."io.containerd.grpc.v1.cri".cni]
  conf_dir = "{config.cni_conf_dir}"
  bin_dir = "{config.cni_bin_dir}"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{folder}/certs.d"
"""
