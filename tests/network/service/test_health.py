"""Health checks of load balancers, asked over real sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pilothouse.aio.tasks import scope
from pilothouse.network.service.health import MOST_OF_ONE_CLIENT, MOST_REQUEST_BYTES, HealthServer
from pilothouse.network.service.plan import Health
from pilothouse.network.service.rules import Remark


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Served:
    def __init__(self) -> None:
        self.is_healthy = True
        self.said: list[Remark] = []
        self.port = free_port()
        self.server = HealthServer(lambda: self.is_healthy, self.said.append)

    async def ask(self, address: str = "127.0.0.1", request: bytes = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") -> tuple[bytes, bytes]:
        """Head and body."""
        reader, writer = await asyncio.open_connection(address, self.port)
        try:
            writer.write(request)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        return head, body

    async def until(self, *, open: bool) -> None:
        async with asyncio.timeout(5):
            while await self._is_open() != open:
                await asyncio.sleep(0.005)

    async def _is_open(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def serving(*addresses: str) -> AsyncIterator[Served]:
    served = Served()
    served.server.listen_at(addresses or ("127.0.0.1",))
    async with scope() as tasks:
        tasks.spawn(served.server.run())
        yield served
        tasks.cancel()


async def test_a_node_with_endpoints_is_healthy_and_one_without_is_not() -> None:
    async with serving() as served:
        served.server.serve("shop/web", Health(served.port, 2))
        await served.until(open=True)
        head, body = await served.ask()
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n")
        assert b"X-Load-Balancing-Endpoint-Weight: 2" in head
        document = {"service": {"namespace": "shop", "name": "web"}, "localEndpoints": 2, "serviceProxyHealthy": True}
        assert json.loads(body) == document
        served.server.serve("shop/web", Health(served.port, 0))
        head, body = await served.ask()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert json.loads(body)["localEndpoints"] == 0


async def test_a_proxy_that_does_not_do_its_work_sends_nobody_here() -> None:
    async with serving() as served:
        served.server.serve("shop/web", Health(served.port, 2))
        await served.until(open=True)
        served.is_healthy = False
        head, body = await served.ask()
        assert (head[:12], json.loads(body)["serviceProxyHealthy"]) == (b"HTTP/1.1 503", False)


async def test_both_families_are_answered_and_head_requests_get_no_body() -> None:
    async with serving("127.0.0.1", "::1") as served:
        served.server.serve("shop/web", Health(served.port, 1))
        await served.until(open=True)
        assert (await served.ask("::1"))[0].startswith(b"HTTP/1.1 200")
        assert (await served.ask(request=b"HEAD / HTTP/1.0\r\n\r\n"))[1] == b""


async def test_a_service_that_goes_frees_its_port_and_another_takes_it() -> None:
    async with serving() as served:
        served.server.serve("shop/web", Health(served.port, 1))
        await served.until(open=True)
        served.server.serve("shop/web", None)
        await served.until(open=False)
        served.server.serve("shop/other", Health(served.port, 1))
        await served.until(open=True)
        assert b'"other"' in (await served.ask())[1]


async def test_a_port_that_is_taken_is_named_once_and_served_when_it_is_free() -> None:
    served = Served()
    served.server.RETRY_S = 0.02
    served.server.listen_at(("127.0.0.1",))
    with socket.create_server(("127.0.0.1", served.port)):
        served.server.serve("shop/web", Health(served.port, 1))
        async with scope() as tasks:
            task = tasks.spawn(served.server.run())
            async with asyncio.timeout(5):
                while not served.said:
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.1)
            task.cancel()
    (remark,) = served.said
    assert (remark.key, remark.reason) == ("shop/web", "FailedToStartServiceHealthcheck")
    assert f"not answered at 127.0.0.1 port {served.port}: the port is taken there" in remark.message
    async with scope() as tasks:
        tasks.spawn(served.server.run())
        await served.until(open=True)
        tasks.cancel()


async def test_an_address_that_is_not_there_yet_is_no_hindrance() -> None:
    async with serving("192.0.2.77", "2001:db8::77", "127.0.0.1") as served:
        served.server.serve("shop/web", Health(served.port, 1))
        await served.until(open=True)
        assert served.said == []


async def test_who_sends_too_much_or_nothing_to_the_point_is_let_go() -> None:
    async with serving() as served:
        served.server.serve("shop/web", Health(served.port, 1))
        await served.until(open=True)
        with suppress(ConnectionError):
            assert await served.ask(request=b"GET /" + b"a" * (4 * MOST_REQUEST_BYTES)) == (b"", b"")
        assert (await served.ask())[0].startswith(b"HTTP/1.1 200")


async def test_one_client_with_many_connections_leaves_room_for_others() -> None:
    async with serving("127.0.0.1", "127.0.0.2") as served:
        served.server.serve("default/web", Health(served.port, 1))
        await served.until(open=True)
        held = [await asyncio.open_connection("127.0.0.1", served.port, local_addr=("127.0.0.3", 0)) for _ in range(2 * MOST_OF_ONE_CLIENT)]
        try:
            head, _ = await served.ask("127.0.0.2")
            assert b"200 OK" in head
        finally:
            for _, writer in held:
                writer.close()
