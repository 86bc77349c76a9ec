"""A throw-away instance: own home, ports and networks, driven through `ph` as a user would, removed whatever happens."""

import asyncio
import ipaddress
import random
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.rig.figures import now
from bench.rig.raw import Endpoint
from pilothouse.aio.process import Completed, run
from pilothouse.cli.daemon.roles import CONTROL
from pilothouse.cli.daemon.state import State, running_pid
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.client import kubeconfig
from pilothouse.client.client import Client
from pilothouse.client.http import HttpTransport
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.images.archive import busybox_archive, load_archive

IMAGE = "bench.pilothouse.internal/tools:1"
"""busybox alone; imported before the first pod, so that no figure holds a pull."""
PH = Path(sys.executable).with_name("ph")
UP_S, DESTROY_S = 180.0, 180.0


@dataclass(frozen=True, slots=True)
class Instance:
    """options: of its first `ph up`, which fix its ports and networks."""

    home: Home
    options: tuple[str, ...]

    async def ph(self, *words: str, timeout_s: float = 60.0) -> Completed:
        """Raises ProcessFailed with what ph said."""
        return (await run([PH, "--home", self.home.path, *words], timeout_s=timeout_s)).check()

    async def up(self) -> float:
        """Seconds until `ph up` returned."""
        began = now()
        await self.ph("up", *self.options, timeout_s=UP_S)
        return now() - began

    async def down(self) -> None:
        await self.ph("down", timeout_s=90)

    async def destroy(self) -> None:
        if self.home.path.exists():
            await self.ph("destroy", "--yes", timeout_s=DESTROY_S)

    @property
    def settings(self) -> Settings:
        found = Settings.load(self.home)
        assert found is not None
        return found

    @property
    def node(self) -> NodeConfig:
        # Imported here: it brings the whole engine, which benchmarks of single parts do not need.
        from pilothouse.cli.daemon.wiring import node_config

        return node_config(self.home, self.settings)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.of(kubeconfig.load(self.home.kubeconfig))

    @property
    def daemon(self) -> int | None:
        return running_pid(self.home.daemon_pid)

    def steps(self) -> dict[str, float]:
        """What the control plane did on its way up, milliseconds each."""
        state = State.load(self.home, CONTROL)
        return {what: round(took * 1000, 1) for what, took in state.steps} if state else {}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        client = Client(HttpTransport(kubeconfig.load(self.home.kubeconfig)), field_manager="bench")
        try:
            yield client
        finally:
            await client.close()

    async def import_image(self) -> None:
        archive = self.home.path / "tools.tar"
        busybox_archive(archive, IMAGE)
        await load_archive(self.node.containerd_dir / "containerd.sock", archive)
        archive.unlink()


def planned(path: Path, *, platform: bool) -> Instance:
    """An instance that does not exist yet, on ports and networks that nobody uses now."""
    api, http, https, registry = free_ports(4)
    pods, services = free_networks(2)
    ports = ["--port", str(api), "--http-port", str(http), "--https-port", str(https), "--registry-port", str(registry)]
    networks = ["--pod-cidr", pods, "--service-cidr", services]
    return Instance(Home(path), (*ports, *networks, *(() if platform else ("--no-platform",))))


async def destroy(instance: Instance) -> str:
    """To the end, even if Ctrl-C comes again meanwhile: half of a removal is worse than a late exit. Returns what went wrong, or ""."""
    removal = asyncio.ensure_future(instance.destroy())
    cancelled = False
    while not removal.done():
        try:
            await asyncio.wait({removal})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    error = removal.exception()
    return "" if error is None else str(error)


def free_ports(count: int) -> list[int]:
    """All are held until the last is known, so that they differ."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def free_networks(count: int) -> list[str]:
    """/16 networks of 10.128.0.0/9 to which no route of this machine leads; random ones, for others may start at this moment, too."""
    taken = routed(Path("/proc/net/route").read_text().splitlines()[1:])
    candidates = [ipaddress.IPv4Network(f"10.{second}.0.0/16") for second in range(128, 240)]
    free = [str(network) for network in candidates if not any(network.overlaps(other) for other in taken)]
    return random.sample(free, count)


def routed(lines: Sequence[str]) -> list[ipaddress.IPv4Network]:
    """The destinations of a table in the form of /proc/net/route, but for the default route."""
    found = []
    for line in lines:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[index]), "little") for index in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((address & mask, mask.bit_count())))
    return found
