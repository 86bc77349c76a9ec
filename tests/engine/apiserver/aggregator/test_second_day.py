"""What changes under a server that forwards: itself, its certificate, the other server's authority, the APIService."""

import base64
from pathlib import Path

from pilothouse.engine.apiserver.aggregator.front_proxy import COMMON_NAME, FrontProxy
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.aggregator.conftest import Network, expose, until_available
from tests.engine.apiserver.aggregator.other import ADDRESS, APISERVICES, PORT, Other, other_server
from tests.engine.apiserver.api import Api
from tests.people import ADMIN

THING = "/apis/example.org/v1/namespaces/default/things/a"


async def test_a_server_that_starts_anew_forwards_at_once(
    registered: Other, network: Network, store: Store, state: Path, front_proxy: FrontProxy
) -> None:
    async with ApiServer.open(store, Settings(state, front_proxy=front_proxy)) as again:
        again.connector.dial = network.dial
        api = Api(again, ADMIN)
        assert (await api.get(THING))["kind"] == "Thing"
        await until_available(api)
        assert (await api.get("/apis/example.org"))["versions"]


async def test_a_renewed_certificate_is_shown_from_then_on(registered: Other, api: Api, front_proxy: FrontProxy) -> None:
    await api.get(THING)
    first = registered.asked[-1].peer.certificate
    folder = front_proxy.authority.parent
    CertificateAuthority.load(folder).issue_client(COMMON_NAME, days=10).write(folder, COMMON_NAME)
    await api.get(THING)
    second = registered.asked[-1].peer.certificate
    assert first is not None
    assert second is not None
    assert second.expires_at < first.expires_at


async def test_a_certificate_of_the_clusters_authority_is_nobody_to_another_server(
    other: Other, api: Api, authority: CertificateAuthority, tmp_path: Path, network: Network
) -> None:
    """And the other way round: the front proxy's is nobody to this server (see `Identities.front_proxy_ca`)."""
    certificate, key = authority.issue_client(COMMON_NAME).write(tmp_path, "forged")
    api.server.connector._front_proxy = FrontProxy(certificate, key, tmp_path)
    await expose(api)
    await api.post(APISERVICES, other.registration())
    said = await until_available(api, reason="FailedDiscoveryCheck")
    assert "failing or missing response" in said["message"]
    assert other.checked == []


async def test_another_server_takes_over_the_name(
    registered: Other, api: Api, network: Network, front_proxy: FrontProxy, tmp_path: Path
) -> None:
    own = CertificateAuthority.create(tmp_path / "second")
    async with other_server(front_proxy.authority.read_bytes(), own, "other.default.svc") as second:
        network.ports[ADDRESS, PORT] = second.port
        bundle = base64.b64encode(own.certificate).decode()
        await api.delete(f"{APISERVICES}/v1.example.org")
        registration = second.registration()
        registration["spec"]["caBundle"] = bundle
        await api.post(APISERVICES, registration)
        await until_available(api)
        await api.get(THING)
    assert (len(second.asked), len(registered.asked)) == (1, 0)
