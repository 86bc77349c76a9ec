"""A runtime that takes its time: on a busy machine containerd accepts a connection long before it says anything on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.cri import RUNTIME, CriRuntime

HELD_S = 0.3


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Path]:
    """A socket behind which a runtime tells its version; nothing passes in the first moments of a connection."""
    behind, front = tmp_path / "runtime.sock", tmp_path / "slow.sock"
    relays: set[asyncio.Task[None] | None] = set()

    async def version(request: bytes, context: object) -> bytes:
        return api.VersionResponse(runtime_name="slow", runtime_version="1").SerializeToString()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.add(asyncio.current_task())
        try:
            await asyncio.sleep(HELD_S)
            there, back = await asyncio.open_unix_connection(behind)
            try:
                await asyncio.gather(pass_on(reader, back), pass_on(there, writer))
            finally:
                back.close()
        except OSError:
            return
        finally:
            writer.close()

    service = RUNTIME.strip("/")
    server = grpc.aio.server()
    methods = {"Version": grpc.unary_unary_rpc_method_handler(version)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    server.add_insecure_port(f"unix://{behind}")
    await server.start()
    async with await asyncio.start_unix_server(relay, front):
        yield front
    await server.stop(None)
    for each in relays:
        if each is not None:
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
    await asyncio.sleep(0)  # What has been closed is let go of in the next turn.


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def test_a_connection_has_time_to_be_answered(slow: Path) -> None:
    runtime = CriRuntime(slow)
    try:
        assert await runtime.version() == "slow://1"
    finally:
        await runtime.close()
