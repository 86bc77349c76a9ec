"""A real API server on a store of its own; over TLS on a free loopback port for those who need a kubeconfig."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.json import loads
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import server_context
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https
from tests.people import ADMIN


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and the schema cache, made once for all servers."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Nobody may have changed what it hands out: values are shared by all who read them."""
    async with Store.open(tmp_path / "store.db") as store:
        yield store
        assert [record.key for record in store.scan("/") if loads(record.raw) != record.value] == []


@pytest.fixture
async def server(store: Store, state: Path) -> AsyncIterator[ApiServer]:
    async with ApiServer.open(store, Settings(state)) as server:
        yield server


@pytest.fixture
async def api(server: ApiServer) -> Api:
    """What an administrator can do, without sockets."""
    api = Api(server, ADMIN)
    await api.post("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    return api


@pytest.fixture
def client(server: ApiServer) -> Client:
    return Client(InProcessTransport(server, ADMIN))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def https(server: ApiServer, authority: CertificateAuthority) -> AsyncIterator[Https]:
    """The server on a loopback port, for users who sign in."""
    own = authority.issue_server(["localhost"], ["127.0.0.1"])
    async with await serve(server.handle, tls=server_context(own.certificate, own.key, authority.certificate)) as listening:
        https = Https(server, authority, f"https://127.0.0.1:{listening.port}")
        try:
            yield https
        finally:
            await https.close()


@pytest.fixture
async def kubeconfig(server: ApiServer, tmp_path: Path) -> AsyncIterator[Path]:
    """An administrator's kubeconfig for the server, which listens on loopback while the test runs."""
    authority = CertificateAuthority.create(tmp_path / "pki")
    own = authority.issue_server(["localhost"], ["127.0.0.1"])
    admin = authority.issue_client("admin", [ADMINS])
    tls = server_context(own.certificate, own.key, authority.certificate)
    async with await serve(server.handle, tls=tls) as listening:
        cluster = {"server": f"https://127.0.0.1:{listening.port}", "certificate-authority-data": _encoded(authority.certificate)}
        user = {"client-certificate-data": _encoded(admin.certificate), "client-key-data": _encoded(admin.key)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        yield path


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings that go with the answers, in order."""
    texts: list[str] = []
    warn = ApiRequest.warn

    def heard(request: ApiRequest, text: str) -> None:
        texts.append(text)
        warn(request, text)

    monkeypatch.setattr(ApiRequest, "warn", heard)
    return texts
