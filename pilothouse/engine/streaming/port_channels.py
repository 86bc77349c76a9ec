"""Port forwarding over a plain WebSocket: two channels a port, one for its data and one to say why it failed.

A channel is the first byte of a message; each is opened by a message with the port's number. Source: kubelet's portforward over WebSockets.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress

from pilothouse.aio.tasks import scope
from pilothouse.client.transport import Socket
from pilothouse.engine.streaming.forwarding import Connect
from pilothouse.engine.streaming.seams import PortStream
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import Object

PROTOCOL = "v4.channel.k8s.io"
MOST_PORTS = 128
"""A channel is known by one byte, and each port has two."""


def named(parameter: str, stated: Sequence[str], *, is_needed: bool) -> list[int]:
    """The ports that a query parameter names. Raises BadRequest."""
    ports = [natural(port) or 0 for port in stated]
    if (is_needed and not ports) or not all(0 < port < 65536 for port in ports):
        raise BadRequest(f'query parameter "{parameter}" must name at least one port between 1 and 65535')
    if len(ports) > MOST_PORTS:
        raise BadRequest(f'query parameter "{parameter}" must name at most {MOST_PORTS} ports in one connection')
    return ports


async def serve(socket: Socket, pod: Object, ports: list[int], connect: Connect) -> None:
    """Until the client is gone, or the pod has ended every connection: that is all that can be said of an end here."""
    streams: dict[int, PortStream] = {}
    try:
        async with scope() as tasks:
            outputs = []
            for index, port in enumerate(ports):
                head = struct.pack("<H", port)
                await socket.send(bytes([2 * index]) + head)
                await socket.send(bytes([2 * index + 1]) + head)
                try:
                    streams[2 * index] = await connect(pod, port)
                except ApiError as error:
                    await socket.send(bytes([2 * index + 1]) + error.message.encode())
                    continue
                outputs.append(tasks.spawn(_from_pod(socket, 2 * index, streams[2 * index])))
            tasks.spawn(_when_done(outputs, tasks.cancel))
            while (message := await socket.receive()) is not None:
                if message and (stream := streams.get(message[0])) is not None:
                    await _to_pod(stream, message[1:])
            tasks.cancel()
    finally:
        for stream in streams.values():
            await stream.close()
        await socket.close()


async def _when_done(outputs: "list[asyncio.Task[None]]", then: Callable[[], None]) -> None:
    await asyncio.gather(*outputs)
    then()


async def _to_pod(stream: PortStream, data: bytes) -> None:
    """A connection that the pod has broken takes nothing more; the other ports go on."""
    with suppress(OSError):
        await stream.send(data)


async def _from_pod(socket: Socket, channel: int, stream: PortStream) -> None:
    try:
        with suppress(OSError):
            while (data := await stream.receive()) is not None:
                await socket.send(bytes([channel]) + data)
    except ApiError as error:
        await socket.send(bytes([channel + 1]) + error.message.encode())
