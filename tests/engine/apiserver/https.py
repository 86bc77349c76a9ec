"""Users who sign in over TLS, with a client certificate, a bearer token, or nothing."""

from pilothouse.client.http import HttpTransport
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.engine.apiserver.identity import ANONYMOUS
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.json import Object
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.api import Api

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str, group: str = "") -> Object:
    """Words separated by blanks."""
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


async def grant(admin: Api, user: str, *rules: Object) -> None:
    """Give a user rights in the whole cluster."""
    await admin.post(f"{RBAC}/clusterroles", {"metadata": {"name": f"rights-of-{user}"}, "rules": list(rules)})
    await bind(admin, user, f"rights-of-{user}")


async def bind(admin: Api, user: str, role: str) -> None:
    subject = {"apiGroup": GROUP, "kind": "User", "name": user}
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}
    binding = {"metadata": {"name": f"{user}-has-{role}"}, "subjects": [subject], "roleRef": reference}
    await admin.post(f"{RBAC}/clusterrolebindings", binding)


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

    def speaking_for(
        self, name: str, other: str, *, groups: tuple[str, ...] = (), uid: str = "", extra: dict[str, str] | None = None
    ) -> Api:
        """As `certified`, each request in the name of somebody else."""
        pair = self._authority.issue_client(name, ())
        spoken_for = {"impersonate": other, "impersonate_groups": groups, "impersonate_uid": uid}
        more = tuple((extra or {}).items())
        return self._api(client_certificate=pair.certificate, client_key=pair.key, impersonate_extra=more, **spoken_for)

    def holding(self, certificate: bytes, key: bytes) -> Api:
        """The calls of who has this certificate and its key, both PEM."""
        return self._api(client_certificate=certificate, client_key=key)

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
