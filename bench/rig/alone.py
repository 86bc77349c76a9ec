"""The API server and its store in a process of their own, without controllers and nodes: what requests and objects cost there.

`python -m bench.rig.alone FOLDER` makes certificates in the folder, then writes the port into FOLDER/port; the client's certificate is an
administrator's. It runs until it is told to stop.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.rig.raw import Endpoint
from pilothouse.aio import allocator, collector
from pilothouse.aio.child import Child
from pilothouse.aio.tasks import scope
from pilothouse.engine.apiserver.identity import MASTERS
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.boot.control import SWITCH_S
from pilothouse.engine.store.store import Store
from pilothouse.wire import serve
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import client_context, server_context


@dataclass(frozen=True, slots=True)
class Alone:
    endpoint: Endpoint
    pid: int

    def memory_mib(self) -> float:
        """Resident memory as the kernel counts it now."""
        return _status(self.pid, "VmRSS")

    def cpu_s(self) -> float:
        """Processor time of its event loop so far."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def peak_mib(self) -> float:
        return _status(self.pid, "VmHWM")


async def api(folder: Path) -> None:
    authority = CertificateAuthority.create(folder)
    certificate, key = authority.issue_server(["localhost"], ["127.0.0.1"]).write(folder, "server")
    authority.issue_client("bench", (MASTERS,)).write(folder, "client")
    async with Store.open(folder / "store.db") as store, ApiServer.open(store, Settings(folder / "state")) as api:
        tls = server_context(certificate, key, folder / "ca.crt")
        async with scope() as tasks, await serve(api.handle, tls=tls, body_limit=api.body_limit) as server:
            tasks.spawn(allocator.give_back(), name="memory")
            (folder / "port.new").write_text(str(server.port))
            (folder / "port.new").rename(folder / "port")
            await asyncio.Event().wait()


@asynccontextmanager
async def api_alone(folder: Path) -> AsyncIterator[Alone]:
    folder.mkdir()
    command = [sys.executable, "-m", "bench.rig.alone", str(folder)]
    async with await Child.start(command, log=folder / "log", cwd=Path(__file__).parents[2], dies_with_us=True) as child:
        async with asyncio.timeout(30):
            while not (folder / "port").exists():
                await asyncio.sleep(0.02)
        tls = client_context(folder / "ca.crt", folder / "client.crt", folder / "client.key")
        yield Alone(Endpoint("127.0.0.1", int((folder / "port").read_text()), tls), child.pid)


def _status(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024


if __name__ == "__main__":
    allocator.restrain()
    sys.setswitchinterval(SWITCH_S)
    collector.restrain()
    uvloop.run(api(Path(sys.argv[1])))
