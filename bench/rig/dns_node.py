"""A node's DNS server in a process of its own, with its standby, as a client of the API server of `bench.rig.alone`.

`python -m bench.rig.dns_node FOLDER ADDRESS PORT` answers there by what the API server of FOLDER has; it makes FOLDER/answers once it does.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from pilothouse.aio.child import Child
from pilothouse.aio.tasks import running
from pilothouse.client.choice import transport_to
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.network.dns import ClusterDNS, ClusterDNSConfig
from pilothouse.network.dns.standby.handover import end

READY_S = 60.0


async def main(folder: Path, address: str, port: int) -> None:
    access = Kubeconfig(
        f"https://127.0.0.1:{(folder / 'port').read_text()}",
        certificate_authority=(folder / "ca.crt").read_bytes(),
        client_certificate=(folder / "client.crt").read_bytes(),
        client_key=(folder / "client.key").read_bytes(),
    )
    client = Client(transport_to(access))
    informers = Informers(client)
    config = ClusterDNSConfig(
        node="n", addresses=(address,), cluster_ips=("10.96.0.10",), port=port, upstream=(), standby=standby_of(folder)
    )
    dns = ClusterDNS(client, informers, config)
    async with running(informers.run), running(dns.run):
        (folder / "answers").touch()
        await asyncio.Event().wait()


def standby_of(folder: Path) -> Path:
    return folder / "dns.sock"


def own_address() -> str:
    """Of this machine; an endpoint may not be a loopback address. Raises OSError without a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 53))
        address: str = probe.getsockname()[0]
        return address


async def start(folder: Path, address: str, port: int) -> Child:
    """Returns once it answers; who has started it kills it, and ends the standby when it is to be no more."""
    (folder / "answers").unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.rig.dns_node", str(folder), address, str(port)]
    child = await Child.start(command, log=folder / "dns.log", cwd=Path(__file__).parents[2], dies_with_us=True)
    async with asyncio.timeout(READY_S):
        while not (folder / "answers").exists():
            await asyncio.sleep(0.02)
    return child


@asynccontextmanager
async def dns_node(folder: Path, address: str, port: int) -> AsyncIterator[Child]:
    """folder: of an API server that is there."""
    try:
        async with await start(folder, address, port) as child:
            yield child
    finally:
        await asyncio.to_thread(end, standby_of(folder))


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
