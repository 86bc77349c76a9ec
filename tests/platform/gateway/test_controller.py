"""The gateway's controller with a real Envoy, on an API server in memory."""

import asyncio
import os
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.platform.gateway import routes
from pilothouse.platform.gateway.admin import Admin, Hosts
from pilothouse.platform.gateway.controller import TAKEN_DEADLINE_S, Gateway, GatewayConfig
from pilothouse.platform.gateway.program import GatewayError
from pilothouse.wire.pki import Now
from tests.client.fake_cluster import FakeCluster, FakeTransport
from tests.platform.gateway.conftest import RealGateway
from tests.platform.gateway.objects import certificate, endpoint, ingress, path, piece, secret, service
from tests.platform.gateway.test_certificates import made_by_openssl
from tests.platform.gateway.upstream import Upstream, answer

READY = {"ready": True}
DRAINING = {"ready": False, "serving": True, "terminating": True}


def slices(upstream: Upstream, **conditions: bool) -> Object:
    made = piece(endpoint(upstream.address, **conditions), http=upstream.port)
    return made | {"metadata": {"name": "web-x", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}}}


@asynccontextmanager
async def running(
    gateway: RealGateway, client: Client, barrier: EndpointBarrier, *, now: Now = time.time, **more: float
) -> AsyncIterator[None]:
    recorder, informers = Recorder(client, None, "gateway"), Informers(client)
    config = GatewayConfig(gateway.files.folder, gateway.log, gateway.listening, "test", **more)  # type: ignore[arg-type]
    controller = Gateway(client, informers, recorder, config, barrier, now)
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        await tasks.start(informers.run)
        await tasks.start(controller.run)
        yield
        tasks.cancel()


async def until_served(gateway: RealGateway, status: int, host: str = "shop.localhost") -> None:
    async with asyncio.timeout(10):
        while (await gateway.ask(host=host))[0] != status:
            await asyncio.sleep(0.01)


async def test_an_ingress_is_served_and_its_address_told(gateway: RealGateway) -> None:
    client = Client(FakeTransport(FakeCluster()))
    async with Upstream("web") as web, running(gateway, client, EndpointBarrier()):
        assert await gateway.ask() == (404, "404: no route has this host name\n")
        await client.create(kinds.SERVICES, service(http=80), "default")
        await client.create(kinds.ENDPOINTSLICES, slices(web, **READY), "default")
        await client.create(kinds.INGRESSES, ingress("a", ("shop.localhost", [path("/")])), "default")
        await until_served(gateway, 200)
        async with asyncio.timeout(10):
            while not (found := await client.get(kinds.INGRESSES, "a", "default")).get("status"):
                await asyncio.sleep(0.01)
        assert found["status"]["loadBalancer"]["ingress"] == [{"ip": "127.0.0.1"}]
        await client.delete(kinds.INGRESSES, "a", "default")
        await until_served(gateway, 404)


async def test_an_address_is_released_only_after_its_last_request_is_answered(gateway: RealGateway) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(line: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "/slow" in line:
            entered.set()
            await go_on.wait()
        await answer(writer, "done")

    client, barrier = Client(FakeTransport(FakeCluster())), EndpointBarrier()
    async with Upstream("web", slowly, address="127.0.0.2") as web, running(gateway, client, barrier):
        await client.create(kinds.SERVICES, service(http=80), "default")
        await client.create(kinds.ENDPOINTSLICES, slices(web, **READY), "default")
        await client.create(kinds.INGRESSES, ingress("a", ("shop.localhost", [path("/")])), "default")
        await until_served(gateway, 200)
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(gateway.ask("/slow"))
            await entered.wait()
            await client.patch(kinds.ENDPOINTSLICES, "web-x", {"endpoints": slices(web, **DRAINING)["endpoints"]}, namespace="default")
            await until_served(gateway, 503)
            await client.create(kinds.SECRETS, {"metadata": {"name": "unrelated"}}, "default")
            assert [(await gateway.ask())[0] for _ in range(20)] == [503] * 20
            assert barrier.routed_by("127.0.0.2") == ["gateway"]
            go_on.set()
            assert await barrier.released("127.0.0.2", 5)
        assert slow.result() == (200, "done")


async def test_a_gateway_without_its_port_is_not_ready_until_it_has_it(gateway: RealGateway) -> None:
    """The program that has the port does not let it be shared, as most do not."""
    client = Client(FakeTransport(FakeCluster()))
    with socket.create_server(("127.0.0.1", gateway.listening.http_port)):
        with pytest.raises(ExceptionGroup) as failed:
            async with running(gateway, client, EndpointBarrier()):
                raise AssertionError("it is ready")
        assert failed.group_contains(GatewayError, match=f"envoy cannot listen on 127.0.0.1:{gateway.listening.http_port}")
    async with running(gateway, client, EndpointBarrier()):
        assert (await gateway.ask())[0] == 404


async def test_an_envoy_that_dies_is_started_again(gateway: RealGateway) -> None:
    client = Client(FakeTransport(FakeCluster()))
    async with running(gateway, client, EndpointBarrier()):
        first = gateway.process.running_pid()
        await gateway.process.stop()
        async with asyncio.timeout(10):
            while gateway.process.running_pid() in (None, first):
                await asyncio.sleep(0.02)
        async with asyncio.timeout(10):
            while not await gateway.process.admin.is_ready():
                await asyncio.sleep(0.02)
        assert (await gateway.ask())[0] == 404


async def https_status(gateway: RealGateway, host: str, trust: str) -> int:
    """What a client that believes only the given PEM certificate is answered; raises when it does not believe the server."""
    context = ssl.create_default_context(cadata=trust)
    where = ("127.0.0.1", gateway.listening.https_port)
    reader, writer = await asyncio.open_connection(*where, ssl=context, server_hostname=host)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return int((await reader.readuntil(b"\r\n")).split(b" ")[1])
    finally:
        writer.close()


async def until_trusted(gateway: RealGateway, host: str, trust: str) -> None:
    async with asyncio.timeout(10):
        while True:
            # Envoy may take the certificate before the route.
            with suppress(OSError, ssl.SSLError):
                if await https_status(gateway, host, trust) == 503:
                    return
            await asyncio.sleep(0.02)


def secured(name: str) -> Object:
    host = f"{name}.localhost"
    return ingress(name, (host, [path("/")]), tls=[{"hosts": [host], "secretName": name}])


async def test_a_bad_certificate_harms_its_own_ingress_alone(gateway: RealGateway, tmp_path: Path) -> None:
    client = Client(FakeTransport(FakeCluster()))
    async with running(gateway, client, EndpointBarrier()):
        pairs = {name: certificate(f"{name}.localhost") for name in ("first", "later")}
        pairs["bad"] = made_by_openssl(tmp_path, ["-newkey", "rsa:2048", "-subj", "/DC=example"])
        for name in ("first", "bad", "later"):
            await client.create(kinds.SECRETS, secret(*pairs[name], name=name), "default")
            await client.create(kinds.INGRESSES, secured(name), "default")
            if name != "bad":
                await until_trusted(gateway, f"{name}.localhost", pairs[name][0])
        own = (gateway.files.folder / "authority" / "ca.crt").read_text()
        await until_trusted(gateway, "bad.localhost", own)
        events = (await client.list(kinds.EVENTS, "default")).items
        assert [(e["involvedObject"]["name"], e["reason"]) for e in events if e["type"] == "Warning"] == [("bad", "NoCertificate")]


async def test_every_host_answers_over_https_and_a_new_one_leaves_the_others_connections_alone(gateway: RealGateway) -> None:
    client = Client(FakeTransport(FakeCluster()))
    async with running(gateway, client, EndpointBarrier()):
        await client.create(kinds.INGRESSES, ingress("a", ("a.localhost", [path("/")])), "default")
        own = (gateway.files.folder / "authority" / "ca.crt").read_text()
        await until_trusted(gateway, "a.localhost", own)
        context = ssl.create_default_context(cadata=own)
        where = ("127.0.0.1", gateway.listening.https_port)
        reader, writer = await asyncio.open_connection(*where, ssl=context, server_hostname="a.localhost")
        await client.create(kinds.INGRESSES, ingress("b", ("b.localhost", [path("/")])), "default")
        await until_trusted(gateway, "b.localhost", own)
        writer.write(b"GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 503")
        writer.close()


async def test_a_certificate_is_renewed_while_its_connections_go_on(gateway: RealGateway) -> None:
    client = Client(FakeTransport(FakeCluster()))
    ago_s = [310 * 86_400.0]
    async with running(gateway, client, EndpointBarrier(), now=lambda: time.time() - ago_s[0], renewal_s=0.05):
        await client.create(kinds.INGRESSES, ingress("a", ("a.localhost", [path("/")])), "default")
        own = (gateway.files.folder / "authority" / "ca.crt").read_text()
        await until_trusted(gateway, "a.localhost", own)
        reader, writer = await https_connection(gateway, own)
        old = served(writer)
        ago_s[0] = 0.0
        async with asyncio.timeout(10):
            while await newly_served(gateway, own) == old:
                await asyncio.sleep(0.02)
        writer.write(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert b"connection: close" not in head.lower()
        writer.close()


async def https_connection(gateway: RealGateway, trust: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = ("127.0.0.1", gateway.listening.https_port)
    return await asyncio.open_connection(*where, ssl=ssl.create_default_context(cadata=trust), server_hostname="a.localhost")


def served(writer: asyncio.StreamWriter) -> bytes:
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return found


async def newly_served(gateway: RealGateway, trust: str) -> bytes:
    _, writer = await https_connection(gateway, trust)
    writer.close()
    return served(writer)


async def test_an_endpoint_that_envoy_does_not_take_delays_no_other_app(gateway: RealGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_canonical", lambda addresses: addresses)
    client = Client(FakeTransport(FakeCluster()))
    async with Upstream("web") as web, running(gateway, client, EndpointBarrier()):
        odd = slices(web, **READY) | {"endpoints": [endpoint("no.address")]}
        odd["metadata"] = {"name": "odd-x", "namespace": "default", "labels": {"kubernetes.io/service-name": "odd"}}
        await client.create(kinds.SERVICES, service("odd", http=80), "default")
        await client.create(kinds.ENDPOINTSLICES, odd, "default")
        await client.create(kinds.INGRESSES, ingress("odd", ("odd.localhost", [path("/", "odd")])), "default")
        await until_served(gateway, 503, "odd.localhost")
        await asyncio.sleep(TAKEN_DEADLINE_S)
        await client.create(kinds.SERVICES, service(http=80), "default")
        await client.create(kinds.ENDPOINTSLICES, slices(web, **READY), "default")
        began = asyncio.get_running_loop().time()
        for name in ("a", "b", "c"):
            await client.create(kinds.INGRESSES, ingress(name, (f"{name}.localhost", [path("/")])), "default")
            await until_served(gateway, 200, f"{name}.localhost")
        assert asyncio.get_running_loop().time() - began < 2 * TAKEN_DEADLINE_S


async def test_a_request_that_goes_on_at_a_draining_endpoint_costs_few_questions(
    gateway: RealGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    entered = asyncio.Event()
    hosts = Admin.hosts

    async def counted(admin: Admin) -> Hosts:
        asked.append(asyncio.get_running_loop().time())
        return await hosts(admin)

    async def never(line: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "/slow" in line:
            entered.set()
            await asyncio.Event().wait()
        await answer(writer, "done")

    monkeypatch.setattr(Admin, "hosts", counted)
    client, barrier = Client(FakeTransport(FakeCluster())), EndpointBarrier()
    async with Upstream("web", never, address="127.0.0.2") as web, running(gateway, client, barrier):
        await client.create(kinds.SERVICES, service(http=80), "default")
        await client.create(kinds.ENDPOINTSLICES, slices(web, **READY), "default")
        await client.create(kinds.INGRESSES, ingress("a", ("shop.localhost", [path("/")])), "default")
        await until_served(gateway, 200)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(gateway.ask("/slow"))
            await entered.wait()
            await client.patch(kinds.ENDPOINTSLICES, "web-x", {"endpoints": slices(web, **DRAINING)["endpoints"]}, namespace="default")
            asked.clear()
            assert not await barrier.released("127.0.0.2", 3)
            assert 3 < len(asked) < 60
            waiting.cancel()


async def test_what_an_earlier_gateway_has_left_is_removed(gateway: RealGateway) -> None:
    left = gateway.files.endpoints("default/gone/80")
    left.write_text("{}")
    async with running(gateway, Client(FakeTransport(FakeCluster())), EndpointBarrier()):
        assert not left.exists()


async def test_an_address_counts_as_routed_to_before_envoy_can_be_asked(gateway: RealGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(admin: Admin) -> Hosts:
        raise Unavailable("reset by peer")

    client, barrier = Client(FakeTransport(FakeCluster())), EndpointBarrier()
    async with Upstream("web", address="127.0.0.2") as web, running(gateway, client, barrier):
        monkeypatch.setattr(Admin, "hosts", silent)
        await client.create(kinds.SERVICES, service(http=80), "default")
        await client.create(kinds.ENDPOINTSLICES, slices(web, **READY), "default")
        await client.create(kinds.INGRESSES, ingress("a", ("shop.localhost", [path("/")])), "default")
        await until_served(gateway, 200)
        assert barrier.routed_by("127.0.0.2") == ["gateway"]


async def test_an_envoy_that_hangs_is_started_again(gateway: RealGateway) -> None:
    async with running(gateway, Client(FakeTransport(FakeCluster())), EndpointBarrier(), ask_every_s=0.3):
        hung = gateway.process.running_pid()
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        async with asyncio.timeout(40):
            while gateway.process.running_pid() in (hung, None) or not await gateway.process.admin.is_ready():
                await asyncio.sleep(0.05)
