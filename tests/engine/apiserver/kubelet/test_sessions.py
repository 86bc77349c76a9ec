"""Sessions with containers at the node's own port, through nodes/proxy, and through pods of another node: all the way to a program."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.http import HttpTransport
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.client.session import STDERR, STDOUT, Session
from pilothouse.client.transport import Call, Socket, Transport
from pilothouse.engine.apiserver.kubelet.by_node import ByNode
from pilothouse.engine.apiserver.kubelet.node import KubeletNode
from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.subresources import processes
from pilothouse.engine.streaming import forwarding, upgrade
from pilothouse.engine.streaming.sessions import open_session
from pilothouse.model.errors import ApiError, Internal
from pilothouse.model.json import Object
from pilothouse.wire.messages import Request
from pilothouse.wire.server import serve
from pilothouse.wire.spdy import PROTOCOL, Connection
from pilothouse.wire.tls import client_context
from tests.clients.node import PlayedNode, ProcessSession
from tests.engine.apiserver.api import PODS, Api
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.kubelet.conftest import NODE, POD, Kubelet
from tests.engine.apiserver.test_streams import everything, listening, pair

WAIT_S = 30.0
V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
ALL = {"input": "1", "output": "1", "error": "1"}
PROXY = f"/api/v1/nodes/{NODE}/proxy"


class Sized(ProcessSession):
    """Keeps the sizes that its terminal would get."""

    def __init__(self, process: asyncio.subprocess.Process, sizes: "asyncio.Queue[tuple[int, int]]") -> None:
        super().__init__(process)
        self._sizes = sizes

    async def resize(self, width: int, height: int) -> None:
        self._sizes.put_nowait((width, height))


class Runtime(PlayedNode):
    """Containers are processes of this machine, and ports its ports. Its streaming server speaks SPDY, as that of a runtime.

    ended: set once a process that was left has been ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.sizes: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self.ended = asyncio.Event()

    async def exec(self, pod: Object, container: str, command: list[str], **streams: Any) -> ProcessSession:
        session = await super().exec(pod, container, command, **streams)
        return Sized(session._process, self.sizes)

    async def exec_pipe(self, pod: Object, container: str, command: list[str], **streams: bool) -> upgrade.BytePipe:
        query = urlencode([*(("command", word) for word in command), *((name, "1") for name, is_wanted in streams.items() if is_wanted)])
        return await upgrade.to_url(f"http://127.0.0.1:{self.port}/?{query}", PROTOCOL)

    async def attach_pipe(self, pod: Object, container: str, **streams: bool) -> upgrade.BytePipe:
        return await self.exec_pipe(pod, container, ["cat"], **streams)

    async def connect(self, pod: Object, port: int) -> Any:
        try:
            return await super().connect(pod, port)
        except ApiError as error:
            raise Internal(f"failed to connect to localhost:{port} inside the pod: {error.message}") from error

    async def stream(self, request: Request) -> None:
        query = parse_qs(request.query)
        wanted = {name: name in query for name in ("stdin", "stdout", "stderr", "tty")}

        async def start() -> ProcessSession:
            return await self.exec(POD, "c", query["command"], **wanted)

        pipe = await request.upgrade(PROTOCOL, [("x-stream-protocol-version", upgrade.STREAMS)])
        try:
            await processes.serve(pipe, wanted, start)
        finally:
            self.ended.set()


@pytest.fixture
async def runtime(proxied: Kubelet) -> AsyncIterator[Runtime]:
    """Of the node that the API server knows."""
    runtime = Runtime()
    async with await serve(runtime.stream) as streaming:
        runtime.port = streaming.port
        proxied.host.connector = runtime
        yield runtime


@asynccontextmanager
async def at_node(kubelet: Kubelet, user: str) -> AsyncIterator[Transport]:
    """Straight to the node's port."""
    own = kubelet.authority.issue_client(user, ())
    url, ca = f"https://127.0.0.1:{kubelet.port}", kubelet.authority.certificate
    transport = HttpTransport(Kubeconfig(url, certificate_authority=ca, client_certificate=own.certificate, client_key=own.key))
    try:
        yield transport
    finally:
        await transport.close()


def shell(script: str, place: str = "", **streams: str) -> Call:
    words = [("command", "sh"), ("command", "-c"), ("command", script)]
    return Call("GET", f"{place}/exec/default/p/c", (*words, *(streams or ALL).items()))


async def said(session: Session) -> dict[int, bytes]:
    """All that a program writes, by channel."""
    found = {STDOUT: b"", STDERR: b""}
    while (output := await session.receive()) is not None:
        found[output.channel] += output.data
    return found


@pytest.mark.parametrize("protocol", [V5, V4])
async def test_a_program_runs_over_a_websocket_to_the_node(runtime: Runtime, proxied: Kubelet, api: Api, protocol: str) -> None:
    await grant(api, "ann", rule("create", "nodes/proxy"))
    async with (
        asyncio.timeout(WAIT_S),
        at_node(proxied, "ann") as node,
        node.connect(shell("echo out; echo err >&2; exit 3", output="1", error="1"), (protocol,)) as socket,
    ):
        session = Session(socket)
        assert await said(session) == {STDOUT: b"out\n", STDERR: b"err\n"}
        assert (socket.subprotocol, session.exit_code) == (protocol, 3)


async def test_its_input_ends_where_the_client_says_so(runtime: Runtime, proxied: Kubelet, api: Api) -> None:
    await grant(api, "ann", rule("create", "nodes/proxy"))
    async with asyncio.timeout(WAIT_S), at_node(proxied, "ann") as node, node.connect(shell("wc -c"), (V5,)) as socket:
        session = Session(socket)
        await session.send(b"x" * 200_000)
        await session.close_stdin()
        assert (await said(session))[STDOUT].strip() == b"200000"
        assert session.exit_code == 0


async def test_a_program_that_is_not_there_and_a_container_that_is_not_there(runtime: Runtime, proxied: Kubelet, api: Api) -> None:
    await grant(api, "ann", rule("create", "nodes/proxy"))
    async with asyncio.timeout(WAIT_S), at_node(proxied, "ann") as node:
        query = (("command", "/no/such"), ("output", "1"))
        async with node.connect(Call("GET", "/exec/default/p/c", query), (V5,)) as socket:
            session = Session(socket)
            await said(session)
            with pytest.raises(ApiError, match="executable file not found"):
                assert session.exit_code
        with pytest.raises(ApiError) as refused:
            async with node.connect(Call("GET", "/exec/default/p/nosuch", query), (V5,)):
                pass
        assert refused.value.code == 404


async def test_attach_carries_both_ways(runtime: Runtime, proxied: Kubelet, api: Api) -> None:
    await grant(api, "ann", rule("create", "nodes/proxy"))
    async with (
        asyncio.timeout(WAIT_S),
        at_node(proxied, "ann") as node,
        node.connect(Call("GET", "/attach/default/p/c", tuple(ALL.items())), (V5,)) as socket,
    ):
        session = Session(socket)
        await session.send(b"hello\n")
        output = await session.receive()
        assert output is not None
        assert output.data == b"hello\n"
        await session.close_stdin()
        assert (await said(session), session.exit_code) == ({STDOUT: b"", STDERR: b""}, 0)


@asynccontextmanager
async def tunnel(socket: Socket) -> AsyncIterator[Connection]:
    async with scope() as tasks:
        connection = Connection(socket, is_client=True)
        tasks.spawn(connection.run())
        yield connection
        tasks.cancel()


async def closed_port() -> int:
    async with listening() as port:
        return port


@pytest.mark.parametrize("place", ["", PROXY], ids=["port", "proxy"])
async def test_ports_are_forwarded_in_a_tunnel(runtime: Runtime, proxied: Kubelet, api: Api, https: Https, place: str) -> None:
    await grant(api, "ann", rule("create get", "nodes/proxy"))
    nobodys = await closed_port()
    async with asyncio.timeout(WAIT_S), listening() as port, at_node(proxied, "ann") as node:
        transport = https.certified("ann").transport if place else node
        async with (
            transport.connect(Call("GET", f"{place}/portForward/default/p"), (forwarding.TUNNEL,)) as socket,
            tunnel(socket) as connection,
        ):
            error, data = pair(connection, port, "0")
            await data.send(b"hello")
            data.end()
            assert [await everything(data), await everything(error)] == [b"HELLO", b""]
            error, data = pair(connection, nobodys, "1")
            refused = await everything(error)
            assert refused.startswith(f"error forwarding port {nobodys} to pod p, uid u1: failed to connect".encode())


async def test_ports_are_forwarded_in_channels(runtime: Runtime, proxied: Kubelet, api: Api) -> None:
    await grant(api, "ann", rule("create", "nodes/proxy"))
    async with asyncio.timeout(WAIT_S), listening() as port, at_node(proxied, "ann") as node:
        call = Call("GET", "/portForward/default/p", (("port", str(port)),))
        async with node.connect(call, (V4,)) as socket:
            assert [await socket.receive(), await socket.receive()] == [bytes([n]) + struct.pack("<H", port) for n in (0, 1)]
            await socket.send(b"\0hello")
            assert await socket.receive() == b"\0HELLO"
        with pytest.raises(ApiError):
            async with node.connect(Call("GET", "/portForward/default/p"), (V4,)):
                pass


async def test_a_program_runs_through_the_nodes_proxy_for_who_may_create(
    runtime: Runtime, proxied: Kubelet, api: Api, https: Https
) -> None:
    await grant(api, "ann", rule("get create", "nodes/proxy"))
    await grant(api, "eve", rule("get", "nodes/proxy"))
    async with asyncio.timeout(WAIT_S):
        async with https.certified("ann").transport.connect(shell("cat; exit 4", PROXY), (V5,)) as socket:
            session = Session(socket)
            await session.send(b"through\n")
            await session.close_stdin()
            assert ((await said(session))[STDOUT], session.exit_code) == (b"through\n", 4)
        with pytest.raises(ApiError) as refused:
            async with https.certified("eve").transport.connect(shell("id", PROXY), (V5,)):
                pass
        assert refused.value.code == 403


async def test_a_post_through_the_nodes_proxy_takes_create_alone(runtime: Runtime, proxied: Kubelet, api: Api, https: Https) -> None:
    await grant(api, "bob", rule("create", "nodes/proxy"))
    own = proxied.authority.issue_client("bob", ())
    context = client_context(proxied.authority.certificate, own.certificate, own.key)
    port = int(https.url.rpartition(":")[2])
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="127.0.0.1")
        target = f"{PROXY}/exec/default/p/c?command=sh&command=-c&command=cat%3B+exit+6&input=1&output=1"
        pipe = await upgrade.over(reader, writer, "api", target, PROTOCOL)
        session = await open_session(pipe, stdin=True, stdout=True, stderr=False, tty=False)
        await session.write(b"x" * 100_000)
        await session.close_stdin()
        assert b"".join([piece async for piece in session.stdout()]) == b"x" * 100_000
        assert await session.wait() == 6
        await session.close()


async def test_a_log_is_followed_through_the_nodes_proxy(runtime: Runtime, proxied: Kubelet, api: Api, https: Https) -> None:
    await grant(api, "eve", rule("get", "nodes/proxy"))
    more = asyncio.Event()

    async def logs(pod: Object, container: str, options: Any) -> AsyncIterator[bytes]:
        yield b"first\n"
        await more.wait()
        yield b"later\n"

    runtime.logs = logs  # type: ignore[method-assign]
    call = Call("GET", f"{PROXY}/containerLogs/default/p/c", (("follow", "true"),))
    async with asyncio.timeout(WAIT_S), https.certified("eve").transport.stream(call) as pieces:
        assert await anext(pieces) == b"first\n"
        more.set()
        assert await anext(pieces) == b"later\n"


@pytest.fixture
async def elsewhere(runtime: Runtime, proxied: Kubelet, server: ApiServer, api: Api, https: Https) -> Api:
    """Somebody who may open sessions with pods of the namespace `default`, of which `p` is on the other node."""
    proxy = server.backend.proxy
    assert isinstance(proxy, KubeletProxy)
    status = {"daemonEndpoints": {"kubeletEndpoint": {"Port": proxied.port}}}
    server.backend.nodes = ByNode(lambda name: KubeletNode(name, lambda: {"metadata": {"name": NODE}, "status": status}, proxy))
    spec = {"nodeName": NODE, "containers": [{"name": "c", "image": "i"}]}
    made = await api.post(PODS, {"metadata": {"name": "p"}, "spec": spec})
    POD_THERE = POD | {"metadata": POD["metadata"] | {"uid": made["metadata"]["uid"]}}
    proxied.host.pod = lambda uid: POD_THERE if uid == made["metadata"]["uid"] else None  # type: ignore[method-assign]
    proxied.host.pods = lambda: [POD_THERE]  # type: ignore[method-assign]
    await grant(api, "ann", rule("create get", "pods/exec pods/attach pods/portforward"), rule("get", "pods/log"))
    return https.certified("ann")


def in_pod(script: str, **streams: str) -> Call:
    words = [("command", "sh"), ("command", "-c"), ("command", script)]
    return Call("GET", f"{PODS}/p/exec", (*words, *(streams or {"stdin": "1", "stdout": "1", "stderr": "1"}).items()))


async def test_a_pod_of_another_node_has_its_streams_and_its_exit_code(elsewhere: Api) -> None:
    async with asyncio.timeout(WAIT_S), elsewhere.transport.connect(in_pod("cat; echo err >&2; exit 7"), (V5,)) as socket:
        session = Session(socket)
        await session.send(b"x" * 100_000)
        await session.close_stdin()
        assert await said(session) == {STDOUT: b"x" * 100_000, STDERR: b"err\n"}
        assert session.exit_code == 7


async def test_its_terminal_gets_the_clients_size(elsewhere: Api, runtime: Runtime) -> None:
    call = in_pod("read line; exit 0", stdin="1", stdout="1", tty="1")
    async with asyncio.timeout(WAIT_S), elsewhere.transport.connect(call, (V5,)) as socket:
        session = Session(socket)
        await session.resize(111, 33)
        assert await runtime.sizes.get() == (111, 33)
        await session.send(b"\n")
        await said(session)
        assert session.exit_code == 0


async def test_who_leaves_ends_the_program(elsewhere: Api, runtime: Runtime) -> None:
    async with asyncio.timeout(WAIT_S):
        async with elsewhere.transport.connect(in_pod("echo begun; exec sleep 1000"), (V5,)) as socket:
            assert await Session(socket).receive() is not None
        await runtime.ended.wait()


async def test_a_port_that_nobody_listens_on_is_said(elsewhere: Api) -> None:
    nobodys = await closed_port()
    call = Call("GET", f"{PODS}/p/portforward")
    async with (
        asyncio.timeout(WAIT_S),
        listening() as port,
        elsewhere.transport.connect(call, (forwarding.TUNNEL,)) as socket,
        tunnel(socket) as connection,
    ):
        error, data = pair(connection, nobodys, "0")
        await data.send(b"hello")
        refused = await everything(error)
        assert refused.startswith(f"error forwarding port {nobodys} to pod p, uid ".encode())
        assert refused.count(b"error forwarding port") == 1
        assert await everything(data) == b""
        error, data = pair(connection, port, "1")
        await data.send(b"hello")
        data.end()
        assert [await everything(data), await everything(error)] == [b"HELLO", b""]


async def test_a_port_that_nobody_listens_on_is_said_in_channels(elsewhere: Api) -> None:
    nobodys = await closed_port()
    call = Call("GET", f"{PODS}/p/portforward", (("ports", str(nobodys)),))
    async with asyncio.timeout(WAIT_S), elsewhere.transport.connect(call, (V4,)) as socket:
        assert [await socket.receive(), await socket.receive()] == [bytes([n]) + struct.pack("<H", nobodys) for n in (0, 1)]
        message = await socket.receive()
        assert message is not None
        assert message.startswith(f"\1error forwarding port {nobodys} to pod p".encode())


async def test_a_node_that_ends_ends_its_sessions_and_says_so(elsewhere: Api, proxied: Kubelet) -> None:
    async with asyncio.timeout(WAIT_S), elsewhere.transport.connect(in_pod("echo begun; exec sleep 1000"), (V5,)) as socket:
        session = Session(socket)
        assert await session.receive() is not None
        await proxied.server.close(0)
        with suppress(ApiError):
            await said(session)
        with pytest.raises(ApiError, match="without saying how"):
            assert session.exit_code
    async with asyncio.timeout(WAIT_S):
        with suppress(ApiError):
            async with elsewhere.transport.connect(in_pod("true"), (V5,)) as socket:
                session = Session(socket)
                await said(session)
                with pytest.raises(ApiError, match=f"error trying to reach node {NODE}"):
                    assert session.exit_code
