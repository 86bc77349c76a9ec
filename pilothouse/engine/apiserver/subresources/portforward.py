"""pods/portforward over a WebSocket (v4.channel.k8s.io): two channels a port, data and errors, each opened by the port's number.

Source: kubelet's portforward over WebSockets. The SPDY stream that kubectl tunnels through a WebSocket is answered by none of
these protocols, so kubectl falls back.
"""

import struct
from collections.abc import Awaitable, Callable

from pilothouse.aio.tasks import scope
from pilothouse.client.transport import Socket
from pilothouse.engine.apiserver.answer import Session
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.nodes import PortStream
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.engine.apiserver.served import Served
from pilothouse.engine.apiserver.subresources import container
from pilothouse.engine.apiserver.subresources.session import check_create
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import Object

PROTOCOLS = ("v4.channel.k8s.io",)


async def forward(backend: Backend, request: ApiRequest, served: Served) -> Session:
    check_create(backend, request)
    pod = container.pod_of(backend, request, served)
    ports = _ports(request)
    nodes = container.connector(backend, pod)

    async def run(socket: Socket) -> None:
        await _serve(socket, pod, ports, nodes.connect)

    return Session(PROTOCOLS, run)


def _ports(request: ApiRequest) -> list[int]:
    stated = [port for text in request.query.get("ports") or () for port in text.split(",")]
    if not stated or not all(port.isdigit() and 0 < int(port) < 65536 for port in stated):
        raise BadRequest('query parameter "ports" must name at least one port between 1 and 65535')
    return [int(port) for port in stated]


async def _serve(socket: Socket, pod: Object, ports: list[int], connect: Callable[[Object, int], Awaitable[PortStream]]) -> None:
    streams: dict[int, PortStream] = {}
    try:
        async with scope() as tasks:
            for index, port in enumerate(ports):
                head = struct.pack("<H", port)
                await socket.send(bytes([2 * index]) + head)
                await socket.send(bytes([2 * index + 1]) + head)
                try:
                    streams[2 * index] = await connect(pod, port)
                except ApiError as error:
                    await socket.send(bytes([2 * index + 1]) + error.message.encode())
                    continue
                tasks.spawn(_from_pod(socket, 2 * index, streams[2 * index]))
            while (message := await socket.receive()) is not None:
                if message and (stream := streams.get(message[0])) is not None:
                    await stream.send(message[1:])
            tasks.cancel()
    finally:
        for stream in streams.values():
            await stream.close()
        await socket.close()


async def _from_pod(socket: Socket, channel: int, stream: PortStream) -> None:
    while (data := await stream.receive()) is not None:
        await socket.send(bytes([channel]) + data)
