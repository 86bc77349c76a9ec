"""Streams into pods: what the API server makes of exec and port-forward, towards a node that is played by this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.session import Session
from pilothouse.client.transport import Call, Socket
from pilothouse.engine.apiserver import answer
from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.apiserver.http import respond
from pilothouse.engine.apiserver.nodes import LogOptions
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.streaming import channels
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.spdy import Connection, Stream, StreamClosed
from tests.clients.node import PlayedNode
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https
from tests.engine.apiserver.test_http import ask, connected

TUNNEL = "SPDY/3.1+portforward.k8s.io"
POD = "/api/v1/namespaces/default/pods/calm"
WAIT_S = 10.0


@pytest.fixture
async def calm(api: Api, server: ApiServer, client: Client) -> Client:
    """With a pod `calm` on a node."""
    server.backend.nodes = PlayedNode()
    spec = {"nodeName": "node-a", "containers": [{"name": "main", "image": "busybox"}]}
    await client.create(PODS, {"metadata": {"name": "calm", "namespace": "default"}, "spec": spec})
    return client


async def test_a_program_that_is_not_there_is_an_error_of_its_own(calm: Client) -> None:
    with pytest.raises(ApiError, match="executable file not found"):
        await exit_code(calm, "no-such-program")


async def exit_code(client: Client, *command: str) -> int:
    async with client.exec("calm", "default", list(command)) as socket:
        session = Session(socket)
        while await session.receive() is not None:
            pass
        return session.exit_code


async def test_what_the_user_of_a_session_raises_leaves_as_it_is(calm: Client) -> None:
    with pytest.raises(LookupError, match="nothing to do with it"):
        async with calm.exec("calm", "default", ["sleep", "1000"]):
            raise LookupError("nothing to do with it")


async def test_a_session_can_be_left_in_the_middle_of_its_output(calm: Client) -> None:
    async with asyncio.timeout(WAIT_S), calm.exec("calm", "default", ["yes"]) as socket:
        assert await Session(socket).receive() is not None


class Upgraded:
    """A request whose client has closed its WebSocket, which nobody has been told yet."""

    subprotocol = "v5.channel.k8s.io"

    def upgrades_to(self, protocol: str) -> bool:
        return False

    async def websocket(self, protocols: object) -> "Upgraded":
        return self

    async def receive(self) -> None:
        await asyncio.Event().wait()

    async def send(self, data: bytes) -> None:
        raise Disconnected("the WebSocket is closed")

    async def close(self) -> None:
        pass


async def test_a_client_that_goes_before_it_is_told_the_outcome_is_no_failure_of_the_server(calm: Client, server: ApiServer) -> None:
    """As those of `kubectl cp` do; a Disconnected is what the stages of the chain expect of it."""

    async def run(socket: Socket) -> None:
        pod = await calm.get(PODS, "calm", "default")
        await channels.run(socket, PlayedNode().exec(pod, "main", ["true"], stdin=False, stdout=True, stderr=True, tty=False))

    with pytest.raises(Disconnected, match="the WebSocket is closed"):
        await respond.open_session(Upgraded(), answer.Session(channels.PROTOCOLS, run, (), run))  # type: ignore[arg-type]


class Forgetful(PlayedNode):
    """Keeps no logs; says so when it is asked for the first line."""

    async def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        raise BadRequest(f'previous terminated container "{container}" in pod "{pod["metadata"]["name"]}" not found')
        yield b""


@pytest.mark.usefixtures("calm")
async def test_a_log_that_is_not_there_is_an_error_and_no_empty_log(https: Https, server: ApiServer) -> None:
    server.backend.nodes = Forgetful()
    admin = https.certified("admin", ADMINS)
    error = await admin.refused("GET", f"{POD}/log", previous="true")
    assert error.code == 400
    assert 'previous terminated container "main" in pod "calm" not found' in error.message


class Talkative(PlayedNode):
    """Says two things, and then nothing for a long time when it is followed."""

    def __init__(self) -> None:
        super().__init__()
        self.left = asyncio.Event()

    async def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        try:
            yield b"one\n"
            yield b"two\n"
            if options.follow:
                await asyncio.Event().wait()
        finally:
            self.left.set()


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    ("protocol", "pieces"),
    [
        ("", [b"", b"one\n", b"two\n"]),
        ("binary.k8s.io", [b"", b"one\n", b"two\n"]),
        ("base64.binary.k8s.io", [b"", b"b25lCg==", b"dHdvCg=="]),
    ],
)
async def test_a_log_comes_as_messages_of_a_websocket(https: Https, server: ApiServer, protocol: str, pieces: list[bytes]) -> None:
    server.backend.nodes = Talkative()
    admin = https.certified("admin", ADMINS)
    async with asyncio.timeout(WAIT_S), admin.transport.connect(Call("GET", f"{POD}/log"), (protocol,) if protocol else ()) as socket:
        found = []
        while (message := await socket.receive()) is not None:
            found.append(message)
    assert found == pieces


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    ("protocol", "command", "messages"),
    [
        ("channel.k8s.io", "echo hi", [b"\x01hi\n"]),
        ("", "echo hi", [b"\x01hi\n"]),
        ("channel.k8s.io", "exit 3", [b"\x03command terminated with non-zero exit code: exit status 3"]),
        ("base64.channel.k8s.io", "echo hi", [b"1aGkK"]),
        ("v4.base64.channel.k8s.io", "true", [b"3eyJtZXRhZGF0YSI6e30sInN0YXR1cyI6IlN1Y2Nlc3MifQ=="]),
    ],
)
async def test_the_older_channel_protocols_are_spoken(https: Https, protocol: str, command: str, messages: list[bytes]) -> None:
    query = (*(("command", word) for word in ("sh", "-c", command)), ("stdout", "true"))
    call = Call("GET", f"{POD}/exec", query)
    async with asyncio.timeout(WAIT_S), https.certified("admin", ADMINS).transport.connect(call, (protocol,) if protocol else ()) as socket:
        found = []
        while (message := await socket.receive()) is not None:
            found.append(message)
    assert found == messages


@pytest.mark.usefixtures("calm")
async def test_what_a_client_writes_in_base64_reaches_the_process(https: Https) -> None:
    query = (("command", "head"), ("command", "-c3"), ("stdin", "true"), ("stdout", "true"))
    admin = https.certified("admin", ADMINS)
    async with asyncio.timeout(WAIT_S):
        async with admin.transport.connect(Call("GET", f"{POD}/exec", query), ("base64.channel.k8s.io",)) as socket:
            await socket.send("0YWI=")
            await socket.send("no channel")
            await socket.send("0Yw==")
            assert await socket.receive() == b"1YWJj"


@pytest.mark.usefixtures("calm")
async def test_a_log_is_let_go_when_its_websocket_is_closed(https: Https, server: ApiServer) -> None:
    node = server.backend.nodes = Talkative()
    admin = https.certified("admin", ADMINS)
    async with asyncio.timeout(WAIT_S):
        async with admin.transport.connect(Call("GET", f"{POD}/log", (("follow", "true"),)), ()) as socket:
            assert await socket.receive() == b""
            assert not node.left.is_set()
        await node.left.wait()


@pytest.mark.usefixtures("calm")
async def test_a_log_that_is_not_there_is_an_error_for_a_websocket_too(https: Https, server: ApiServer) -> None:
    server.backend.nodes = Forgetful()
    admin = https.certified("admin", ADMINS)
    with pytest.raises(ApiError, match="previous terminated container"):
        async with admin.transport.connect(Call("GET", f"{POD}/log", (("previous", "true"),)), ()):
            pass


@asynccontextmanager
async def tunnel(api: Api) -> AsyncIterator[Connection]:
    """A client's end of a port-forward."""
    async with api.transport.connect(Call("GET", f"{POD}/portforward"), (TUNNEL,)) as socket, scope() as tasks:
        connection = Connection(socket, is_client=True)
        tasks.spawn(connection.run())
        yield connection
        tasks.cancel()


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """A port that answers in capitals."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data.upper())
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def pair(connection: Connection, port: int, id: str) -> tuple[Stream, Stream]:
    error, data = (connection.open({"streamType": kind, "port": str(port), "requestID": id}) for kind in ("error", "data"))
    error.end()
    return error, data


async def everything(stream: Stream) -> bytes:
    said = b""
    async with asyncio.timeout(WAIT_S):
        while (data := await stream.receive()) is not None:
            said += data
    return said


@pytest.mark.usefixtures("calm")
async def test_a_pair_of_streams_is_a_connection_to_the_pod(api: Api) -> None:
    async with listening() as port, tunnel(api) as connection:
        (error, data), (other_error, other) = pair(connection, port, "0"), pair(connection, port, "1")
        await other.send(b"second")
        await data.send(b"first")
        other.end()
        assert [await everything(other), await everything(other_error)] == [b"SECOND", b""]
        data.end()
        assert [await everything(data), await everything(error)] == [b"FIRST", b""]


@pytest.mark.usefixtures("calm")
async def test_a_refused_port_is_said_on_the_error_stream(api: Api) -> None:
    async with listening() as port:
        pass
    async with tunnel(api) as connection:
        error, data = pair(connection, port, "0")
        assert (await everything(error)).startswith(b"error forwarding port %d to pod calm, uid " % port)
        assert await everything(data) == b""


@pytest.mark.usefixtures("calm")
async def test_a_reset_ends_the_connection_to_the_pod_and_no_other(api: Api) -> None:
    async with listening() as port, tunnel(api) as connection:
        (error, data), (_, other) = pair(connection, port, "0"), pair(connection, port, "1")
        await data.send(b"x")
        assert await data.receive() == b"X"
        data.reset()
        assert await everything(error) == b""
        await other.send(b"still there")
        assert await other.receive() == b"STILL THERE"


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("headers", [{"streamtype": "video", "port": "80"}, {"streamtype": "data", "port": "²"}, {"port": "80"}])
async def test_streams_that_name_no_port_or_kind_are_refused(api: Api, headers: dict[str, str]) -> None:
    async with tunnel(api) as connection, asyncio.timeout(WAIT_S):
        stream = connection.open({"requestid": "0", **headers})
        assert await stream.receive() is None
        with pytest.raises(StreamClosed):
            stream.check_open()


@pytest.mark.usefixtures("calm")
async def test_channels_without_ports_are_refused_before_anything_is_opened(api: Api) -> None:
    with pytest.raises(BadRequest, match='"ports" must name at least one port'):
        async with api.transport.connect(Call("GET", f"{POD}/portforward"), ("v4.channel.k8s.io",)):
            pytest.fail("entered")


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    ("ports", "why"),
    [("²", "at least one port between 1 and 65535"), ("9" * 5000, "at least one port"), (",".join(["80"] * 129), "at most 128 ports")],
)
async def test_ports_that_are_none_or_too_many_are_the_clients_mistake(api: Api, ports: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        async with api.transport.connect(Call("GET", f"{POD}/portforward", (("ports", ports),)), ("v4.channel.k8s.io",)):
            pytest.fail("entered")


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    ("offered", "code", "said"),
    [
        (["x-stream-protocol-version: v9, portforward.k8s.io"], 101, "x-stream-protocol-version: portforward.k8s.io\r\n"),
        (["x-stream-protocol-version: v9"], 403, "x-accepted-stream-protocol-versions: portforward.k8s.io\r\n"),
        ([], 400, ""),
    ],
)
async def test_the_protocol_of_spdy_streams_is_agreed_on(
    kubeconfig: Path, tmp_path: Path, offered: list[str], code: int, said: str
) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0")
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        status, head = await ask(reader, writer, f"{POD}/portforward", *upgrade, *offered, method="POST")
    assert status == code
    assert said in head
