"""pods/portforward: connections to ports of a pod, in one of two protocols.

kubectl and other Go clients open a pair of SPDY streams for each connection (`forwarding`), over a SPDY connection of their own or
inside the binary messages of a WebSocket. The official Python client uses a plain WebSocket (v4.channel.k8s.io): two channels a port,
data and errors, each opened by the port's number. Source: KEP-4006; kubelet's portforward over WebSockets.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pilothouse.aio.tasks import scope
from pilothouse.client.transport import Socket
from pilothouse.engine.apiserver.answer import Session
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.nodes import PortStream
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.subresources import container
from pilothouse.engine.apiserver.subresources.session import check_create
from pilothouse.engine.streaming import forwarding
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import Object
from pilothouse.wire.spdy import Pipe

TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = "v4.channel.k8s.io"
STREAMS = ("portforward.k8s.io",)
_MOST_PORTS = 128
"""A channel is known by one byte, and each port has two."""


async def forward(backend: Backend, request: ApiRequest, served: ServedResource) -> Session:
    check_create(backend, request)
    pod = container.pod_of(backend, request, served)
    ports = _ports(request)
    nodes = container.connector(backend, pod)

    async def streams(pipe: Pipe) -> None:
        await forwarding.serve(pipe, pod, nodes.connect)

    async def run(socket: Socket) -> None:
        if socket.subprotocol == TUNNEL:
            await streams(socket)
        else:
            await _serve(socket, pod, ports, nodes.connect)

    return Session((TUNNEL, CHANNELS), run, STREAMS, streams)


def _ports(request: ApiRequest) -> list[int]:
    """What the query names, which only a client of channels has to do: streams name their port themselves. Raises BadRequest."""
    stated = [port for text in request.query.get("ports") or () for port in text.split(",")]
    offered = ",".join(request.headers.get_all("sec-websocket-protocol"))
    is_needed = CHANNELS in offered and TUNNEL not in offered
    ports = [natural(port) or 0 for port in stated]
    if (is_needed and not ports) or not all(0 < port < 65536 for port in ports):
        raise BadRequest('query parameter "ports" must name at least one port between 1 and 65535')
    if len(ports) > _MOST_PORTS:
        raise BadRequest(f'query parameter "ports" must name at most {_MOST_PORTS} ports in one connection')
    return ports


async def _serve(socket: Socket, pod: Object, ports: list[int], connect: Callable[[Object, int], Awaitable[PortStream]]) -> None:
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
    with suppress(OSError):
        while (data := await stream.receive()) is not None:
            await socket.send(bytes([channel]) + data)
