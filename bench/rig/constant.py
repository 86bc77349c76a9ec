"""A server that answers from constants, behind the same HTTP and TLS code as the API server: how fast a client could be served at all.

`python -m bench.rig.constant FOLDER SIZE...` makes certificates in the folder, then writes the port into FOLDER/port.
`GET /N` is answered with the N-th of the sizes in bytes. It runs until it is told to stop.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from bench.rig.raw import Endpoint
from pilothouse.aio.child import Child
from pilothouse.wire import Request, Response, serve
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import client_context, server_context

HEADERS = (("content-type", "application/json"),)


async def constants(folder: Path, sizes: list[int]) -> None:
    authority = CertificateAuthority.create(folder)
    certificate, key = authority.issue_server(["localhost"], ["127.0.0.1"]).write(folder, "server")
    authority.issue_client("bench").write(folder, "client")
    answers = {f"/{index}": Response(200, HEADERS, b'"' + b"x" * (size - 2) + b'"') for index, size in enumerate(sizes)}

    async def answer(request: Request) -> Response:
        return answers[request.path]

    server = await serve(answer, tls=server_context(certificate, key, folder / "ca.crt"))
    (folder / "port.new").write_text(str(server.port))
    (folder / "port.new").rename(folder / "port")
    async with server:
        await asyncio.Event().wait()


@asynccontextmanager
async def constant_server(folder: Path, *sizes: int) -> AsyncIterator[Endpoint]:
    """In a process of its own, as the API server is."""
    folder.mkdir()
    command = [sys.executable, "-m", "bench.rig.constant", str(folder), *map(str, sizes)]
    async with await Child.start(command, log=folder / "log", cwd=Path(__file__).parents[2], dies_with_us=True):
        async with asyncio.timeout(20):
            while not (folder / "port").exists():
                await asyncio.sleep(0.02)
        tls = client_context(folder / "ca.crt", folder / "client.crt", folder / "client.key")
        yield Endpoint("127.0.0.1", int((folder / "port").read_text()), tls)


if __name__ == "__main__":
    uvloop.run(constants(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]]))
