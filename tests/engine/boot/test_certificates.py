"""Certificates that are renewed while their listener runs."""

import asyncio
import ssl
import time
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.client.kubeconfig import load
from pilothouse.engine.boot.certificates import AGAIN_S, EVERY_S, keep_certificates
from pilothouse.engine.identities import Identities
from pilothouse.wire import Request, Response, serve
from pilothouse.wire.pki import days_left
from pilothouse.wire.tls import client_context, server_context
from tests.wire.raw import RawClient

DAY_S = 86_400.0


class LateClock:
    """Some days behind the machine's. A sleep ends when the test says that its time has come."""

    def __init__(self, days: float) -> None:
        self.days = days
        self.slept: list[float] = []
        self.looked = asyncio.Semaphore(0)
        self._may_look = asyncio.Semaphore(0)

    def now(self) -> float:
        return time.time() - self.days * DAY_S

    def monotonic(self) -> float:
        return self.now()

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.looked.release()
        await self._may_look.acquire()

    async def look(self) -> None:
        """Until it has been looked at the certificates once more."""
        self._may_look.release()
        await self.looked.acquire()


async def hello(request: Request) -> Response:
    return Response(200, (), b"hello")


async def served(port: int, context: ssl.SSLContext) -> bytes:
    client, certificate = await connected(port, context)
    await client.close()
    return certificate


async def connected(port: int, context: ssl.SSLContext) -> tuple[RawClient, bytes]:
    """With the certificate that is served."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    return RawClient(reader, writer), writer.get_extra_info("ssl_object").getpeercert(binary_form=True)


async def test_the_api_servers_certificate_is_renewed_under_open_connections(tmp_path: Path) -> None:
    clock = LateClock(days=340)
    identities = Identities(tmp_path / "pki", clock.now)

    async def renew() -> bool:
        return identities.ensure(tmp_path / "admin.kubeconfig", "https://x", ["localhost"], ["127.0.0.1"], cluster="c", node="n")

    assert await renew()
    context, trusting = server_context(*identities.server, identities.ca), client_context(identities.ca)
    async with await serve(hello, tls=context) as server, scope() as tasks:
        tasks.spawn(keep_certificates(renew, context, identities.server, clock))
        await clock.looked.acquire()
        open_one, first = await connected(server.port, trusting)
        await clock.look()
        assert await served(server.port, trusting) == first
        clock.days = 0
        await clock.look()
        assert await served(server.port, trusting) != first
        open_one.get("/")
        assert (await open_one.answer()).body == b"hello"
        await open_one.close()
        tasks.cancel()


async def test_a_certificate_that_was_renewed_and_not_loaded_is_loaded_at_the_next_look(tmp_path: Path) -> None:
    clock = LateClock(days=340)
    identities = Identities(tmp_path / "pki", clock.now)

    def ensure() -> bool:
        return identities.ensure(tmp_path / "admin.kubeconfig", "https://x", ["localhost"], ["127.0.0.1"], cluster="c", node="n")

    async def renew() -> bool:
        return ensure()

    assert await renew()
    context, trusting = server_context(*identities.server, identities.ca), client_context(identities.ca)
    async with await serve(hello, tls=context) as server, scope() as tasks:
        first = await served(server.port, trusting)
        clock.days = 0
        assert ensure()
        tasks.spawn(keep_certificates(renew, context, identities.server, clock))
        await clock.looked.acquire()
        await clock.look()
        assert await served(server.port, trusting) != first
        tasks.cancel()


async def test_what_cannot_be_loaded_or_renewed_leaves_what_is_served_and_is_tried_again_soon(tmp_path: Path) -> None:
    clock = LateClock(days=340)
    identities, fails = Identities(tmp_path / "pki", clock.now), False

    async def renew() -> bool:
        if fails:
            raise OSError(28, "No space left on device")
        return identities.ensure(tmp_path / "admin.kubeconfig", "https://x", ["localhost"], ["127.0.0.1"], cluster="c", node="n")

    assert await renew()
    context, trusting = server_context(*identities.server, identities.ca), client_context(identities.ca)
    _, key = identities.server
    async with await serve(hello, tls=context) as server, scope() as tasks:
        first = await served(server.port, trusting)
        tasks.spawn(keep_certificates(renew, context, identities.server, clock))
        await clock.looked.acquire()
        # Somebody writes the pair: the key is there, its certificate is not yet.
        kept = key.read_bytes()
        key.write_bytes(identities.kubelet[1].read_bytes())
        await clock.look()
        assert await served(server.port, trusting) == first
        key.write_bytes(kept)
        fails = True
        await clock.look()
        fails, clock.days = False, 0
        await clock.look()
        assert await served(server.port, trusting) != first
        assert clock.slept == [EVERY_S, AGAIN_S, AGAIN_S, EVERY_S]
        tasks.cancel()


def test_in_three_years_no_certificate_of_an_instance_ends_before_it_is_renewed(tmp_path: Path) -> None:
    """The first certificates are made three years ago, and looked at every nine days."""
    clock = LateClock(days=1096)
    identities = Identities(tmp_path / "pki", clock.now)
    admin, renewals = tmp_path / "admin.kubeconfig", 0
    while clock.days > 0:
        renewals += identities.ensure(admin, "https://x", ["localhost"], ["127.0.0.1"], cluster="c", node="n")
        pairs = [file.read_bytes() for file in (identities.server[0], identities.kubelet[0], identities.kubelet_client[0])]
        clients = [load(file).client_certificate for file in (admin, *(tmp_path / "pki").glob("*.kubeconfig"))]
        assert len(clients) == 5
        assert min(days_left(each, clock.now()) for each in [*pairs, *filter(None, clients)]) > 30
        clock.days -= 9
    assert renewals == 4


def test_every_client_of_the_node_is_renewed_with_the_server(tmp_path: Path) -> None:
    clock = LateClock(days=340)
    identities = Identities(tmp_path / "pki", clock.now)
    arguments = (tmp_path / "admin.kubeconfig", "https://x", ["localhost"], ["127.0.0.1"])
    identities.ensure(*arguments, cluster="c", node="n")
    files = [tmp_path / "admin.kubeconfig", *(tmp_path / "pki").glob("*.kubeconfig")]
    before = [file.read_bytes() for file in files]
    clock.days = 0
    assert identities.ensure(*arguments, cluster="c", node="n")
    assert len(files) == 5
    assert all(file.read_bytes() != old for file, old in zip(files, before, strict=True))
