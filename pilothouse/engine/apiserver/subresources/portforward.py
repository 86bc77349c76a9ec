"""pods/portforward: connections to ports of a pod, in one of two protocols.

kubectl and other Go clients open a pair of SPDY streams for each connection (`forwarding`), over a SPDY connection of their own or
inside the binary messages of a WebSocket. The official Python client uses a plain WebSocket (v4.channel.k8s.io): two channels a port,
data and errors, each opened by the port's number. Source: KEP-4006; kubelet's portforward over WebSockets.
"""

from pilothouse.client.transport import Socket
from pilothouse.engine.apiserver.answer import Session
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.subresources import container
from pilothouse.engine.apiserver.subresources.session import check_create
from pilothouse.engine.streaming import forwarding, port_channels
from pilothouse.wire.spdy import Pipe

STREAMS = (forwarding.PROTOCOL,)


async def forward(backend: Backend, request: ApiRequest, served: ServedResource) -> Session:
    check_create(backend, request)
    pod = container.pod_of(backend, request, served)
    ports = _ports(request)
    nodes = container.connector(backend, pod)

    async def streams(pipe: Pipe) -> None:
        await forwarding.serve(pipe, pod, nodes.connect)

    async def run(socket: Socket) -> None:
        if socket.subprotocol == forwarding.TUNNEL:
            await streams(socket)
        else:
            await port_channels.serve(socket, pod, ports, nodes.connect)

    return Session((forwarding.TUNNEL, port_channels.PROTOCOL), run, STREAMS, streams)


def _ports(request: ApiRequest) -> list[int]:
    """What the query names, which only a client of channels has to do: streams name their port themselves. Raises BadRequest."""
    stated = [port for text in request.query.get("ports") or () for port in text.split(",")]
    offered = ",".join(request.headers.get_all("sec-websocket-protocol"))
    is_needed = port_channels.PROTOCOL in offered and forwarding.TUNNEL not in offered
    return port_channels.named("ports", stated, is_needed=is_needed)
