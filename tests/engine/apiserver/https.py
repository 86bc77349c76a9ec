"""Users who sign in over TLS, with a client certificate, a bearer token, or nothing."""

from pilothouse.client.http import HttpTransport
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.engine.apiserver.identity import ANONYMOUS
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.api import Api


class Https:
    def __init__(self, server: ApiServer, authority: CertificateAuthority, url: str) -> None:
        self.server = server
        self.url = url
        self._authority = authority
        self._transports: list[HttpTransport] = []

    def certified(self, name: str, *groups: str) -> Api:
        """The calls of somebody with a client certificate of the cluster's authority."""
        pair = self._authority.issue_client(name, groups)
        return self._api(client_certificate=pair.certificate, client_key=pair.key)

    def bearing(self, token: str) -> Api:
        return self._api(token=token)

    def anonymous(self) -> Api:
        return self._api()

    def _api(self, **credentials: object) -> Api:
        transport = HttpTransport(Kubeconfig(self.url, certificate_authority=self._authority.certificate, **credentials))  # type: ignore[arg-type]
        self._transports.append(transport)
        return Api(self.server, ANONYMOUS, transport)

    async def close(self) -> None:
        for transport in self._transports:
            await transport.close()
