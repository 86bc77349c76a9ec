"""Logs, exec, attach and port forwarding into real containers."""

import asyncio
import contextlib
import itertools

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.session import Session
from pilothouse.client.transport import Call
from pilothouse.model.errors import ApiError
from pilothouse.model.kinds import PODS
from pilothouse.wire.spdy import Connection
from tests.e2e.node.pods import Cluster, pod, shell

pytestmark = pytest.mark.containers
_requests = itertools.count()


async def test_exec_returns_output_and_exit_code(cluster: Cluster) -> None:
    await cluster.run(pod("ex"))
    assert await cluster.shell("ex", "echo out; echo err >&2; exit 4") in (("out\nerr\n", 4), ("err\nout\n", 4))


async def test_exec_learns_of_the_end_of_its_input(cluster: Cluster) -> None:
    await cluster.run(pod("ex"))
    data = b"x" * 300_000 + b"\n"
    said, code = await cluster.shell("ex", "wc -c", stdin=data)
    assert (said.strip(), code) == (str(len(data)), 0)


async def test_a_terminal_has_the_size_that_it_was_given(cluster: Cluster) -> None:
    await cluster.run(pod("ex"))
    async with cluster.client.exec("ex", "default", ["sh"], stdin=True, tty=True) as socket:
        session = Session(socket)
        await session.resize(111, 33)
        said = b""
        async with asyncio.timeout(25):
            while b"33 111" not in said:
                await session.send(b"stty size\n")
                output = await session.receive()
                assert output is not None
                said += output.data
        await session.send(b"exit 5\n")
        while await session.receive() is not None:
            pass
        assert session.exit_code == 5


async def test_a_program_that_does_not_exist_is_an_error(cluster: Cluster) -> None:
    await cluster.run(pod("ex"))
    async with cluster.client.exec("ex", "default", ["/no/such/program"]) as socket:
        session = Session(socket)
        while await session.receive() is not None:
            pass
        with pytest.raises(ApiError):
            assert session.exit_code == 0


async def test_attach_speaks_with_the_main_process(cluster: Cluster) -> None:
    await cluster.run(pod("att", shell("read line; echo got $line; sleep 1000 & wait", stdin=True, stdinOnce=True)))
    found = await cluster.client.get(PODS, "att", "default")
    session = await cluster.agent.connector.attach(found, "main", stdin=True, stdout=True, stderr=True, tty=False)
    await session.write(b"hello\n")
    async with asyncio.timeout(25):
        async for data in session.stdout():
            assert data == b"got hello\n"
            break
    await session.close()


async def test_a_forwarded_port_reaches_what_listens_on_loopback(cluster: Cluster) -> None:
    await cluster.run(pod("port", shell("echo ok > /tmp/x; exec httpd -f -p 127.0.0.1:7000 -h /tmp")))
    found = await cluster.client.get(PODS, "port", "default")
    async with asyncio.timeout(25):
        while True:
            try:
                stream = await cluster.agent.connector.connect(found, 7000)
            except ApiError:
                await asyncio.sleep(0.05)
            else:
                break
    await stream.send(b"GET /x HTTP/1.0\r\n\r\n")
    said = b""
    while (data := await stream.receive()) is not None:
        said += data
    assert said.endswith(b"ok\n")
    await stream.close()
    with pytest.raises(ApiError, match="refused"):
        await cluster.agent.connector.connect(found, 7001)


async def test_kubectl_s_streams_reach_a_port_of_the_pod(cluster: Cluster) -> None:
    serve = "dd if=/dev/zero of=/tmp/x bs=1024 count=2048; exec httpd -f -p 127.0.0.1:7000 -h /tmp"
    await cluster.run(pod("port", shell(serve)))
    call = Call("GET", PODS.path("default", "port", "portforward"))
    async with cluster.client.transport.connect(call, ("SPDY/3.1+portforward.k8s.io",)) as socket, scope() as tasks, asyncio.timeout(20):
        connection = Connection(socket, is_client=True)
        tasks.spawn(connection.run())
        while (answer := await _get(connection, 7000)) is None:
            await asyncio.sleep(0.05)  # nothing listens yet
        assert answer.endswith(b"\r\n\r\n" + bytes(2048 * 1024))
        assert await _get(connection, 7001) is None
        tasks.cancel()


async def _get(connection: Connection, port: int) -> bytes | None:
    """The answer to a request for /x; None when the port refuses."""
    headers = {"port": str(port), "requestid": str(next(_requests))}
    error, stream = (connection.open(headers | {"streamtype": kind}) for kind in ("error", "data"))
    await stream.send(b"GET /x HTTP/1.0\r\n\r\n")
    pieces = []
    while (piece := await stream.receive()) is not None:
        pieces.append(piece)
    stream.end()
    return None if await error.receive() else b"".join(pieces)


async def test_logs_follow_until_the_container_ends(cluster: Cluster) -> None:
    await cluster.create(pod("talk", shell("for i in 1 2 3; do echo $i; sleep 0.2; done"), restartPolicy="Never"))
    await cluster.until("talk", lambda found: found["status"]["phase"] == "Running")
    async with asyncio.timeout(25):
        assert await cluster.logs("talk", follow=True) == "1\n2\n3\n"


async def test_logs_can_be_cut_to_size(cluster: Cluster) -> None:
    await cluster.finish(pod("cut", shell("for i in 1 2 3 4 5; do echo line$i; done"), restartPolicy="Never"))
    assert await cluster.logs("cut", tail_lines=2) == "line4\nline5\n"
    assert await cluster.logs("cut", limit_bytes=8) == "line1\nli"
    stamped = (await cluster.logs("cut", timestamps=True, tail_lines=1)).split(" ")
    assert stamped[0].startswith("20")
    assert stamped[1] == "line5\n"


async def test_all_output_and_the_exit_code_arrive_however_slowly_they_are_read(cluster: Cluster) -> None:
    await cluster.run(pod("ex"))
    for pause_s in (0.0, 0.0, 0.0, 0.0, 1.0):
        async with cluster.client.exec("ex", "default", ["sh", "-c", "seq 1 300000; exit 7"]) as socket:
            session, said = Session(socket), bytearray()
            await asyncio.sleep(pause_s)
            while (output := await session.receive()) is not None:
                said += output.data
        assert (bytes(said[-7:]), len(said), session.exit_code) == (b"300000\n", 1_988_895, 7)


async def test_a_process_that_does_not_read_its_input_ends_with_its_exit_code(cluster: Cluster) -> None:
    await cluster.run(pod("ex"))
    async with asyncio.timeout(20), cluster.client.exec("ex", "default", ["sh", "-c", "head -c 10; exit 5"], stdin=True) as socket:
        session, said = Session(socket), b""
        async with scope() as tasks:
            tasks.spawn(_send_much(session))
            while (output := await session.receive()) is not None:
                said += output.data
            tasks.cancel()
        assert (said, session.exit_code) == (b"x" * 10, 5)


async def _send_much(session: Session) -> None:
    with contextlib.suppress(ApiError, ConnectionError):
        for _ in range(200):
            await session.send(b"x" * 10_000)
        await session.close_stdin()


async def test_the_log_of_a_container_that_never_was_is_an_error_and_not_an_empty_log(cluster: Cluster) -> None:
    await cluster.run(pod("ex"))
    with pytest.raises(ApiError, match="previous terminated container"):
        await cluster.logs("ex", previous=True)
