import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.apiserver.aggregator.front_proxy import COMMON_NAME, FrontProxy
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.aggregator.other import ADDRESS, APISERVICES, PORT, SERVICES, SLICES, Other, other_server, service, slice_of
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https
from tests.engine.apiserver.proxying.conftest import Person


@pytest.fixture(scope="session")
def front_proxy(tmp_path_factory: pytest.TempPathFactory) -> FrontProxy:
    folder = tmp_path_factory.mktemp("front-proxy")
    certificate, key = CertificateAuthority.create(folder).issue_client(COMMON_NAME).write(folder, COMMON_NAME)
    return FrontProxy(certificate, key, folder / "ca.crt")


@pytest.fixture
async def server(store: Store, state: Path, authority: CertificateAuthority, front_proxy: FrontProxy) -> AsyncIterator[ApiServer]:
    settings = Settings(state, ca=authority.certificate.decode(), front_proxy=front_proxy)
    async with ApiServer.open(store, settings) as server:
        yield server


class Network:
    """Leads connections to addresses of pods to servers of this process. dialled: (address, port, the name asked for)."""

    def __init__(self) -> None:
        self.ports: dict[tuple[str, int], int] = {}
        self.dialled: list[tuple[str, int, str]] = []

    async def dial(self, host: str, port: int, context: ssl.SSLContext, name: str) -> Any:
        self.dialled.append((host, port, name))
        if (host, port) not in self.ports:
            raise ConnectionRefusedError(111, "Connection refused")
        return await asyncio.open_connection("127.0.0.1", self.ports[host, port], ssl=context, server_hostname=name)


@pytest.fixture
def network(server: ApiServer) -> Network:
    network = Network()
    server.connector.dial = network.dial
    return network


@pytest.fixture
async def other(network: Network, front_proxy: FrontProxy, tmp_path: Path) -> AsyncIterator[Other]:
    """Behind the Service `other`, which is not there yet."""
    authority = CertificateAuthority.create(tmp_path / "others")
    async with other_server(front_proxy.authority.read_bytes(), authority, "other.default.svc") as other:
        network.ports[ADDRESS, PORT] = other.port
        yield other


@pytest.fixture
async def registered(api: Api, other: Other) -> Other:
    """Behind its Service, and found to answer for v1.example.org."""
    await expose(api)
    await api.post(APISERVICES, other.registration())
    await until_available(api)
    return other


async def expose(api: Api) -> None:
    await api.post(SERVICES, service())
    await api.post(SLICES, slice_of())


async def until_available(api: Api, name: str = "v1.example.org", reason: str = "Passed") -> Object:
    """The condition, once it has the reason."""
    async with asyncio.timeout(10):
        while True:
            with suppress(NotFound):
                found = meta.condition(await api.get(f"{APISERVICES}/{name}"), "Available") or {}
                if found.get("reason") == reason:
                    return found
            await asyncio.sleep(0.01)


@pytest.fixture
def admin(https: Https, authority: CertificateAuthority) -> Person:
    return Person(https, authority, "admin", "pilothouse:admins")


@pytest.fixture
def person(https: Https, authority: CertificateAuthority) -> Callable[[str], Person]:
    return lambda name: Person(https, authority, name)
