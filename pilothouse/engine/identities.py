"""Who may sign in from where: the instance's certificate authority, its server certificate, and a kubeconfig for each client.

The administrator is in pilothouse:admins, a group like any other that is bound to cluster-admin; the file for the day on which that
binding is gone is in system:masters, which authorization never refuses. The parts of a node have rights of their own:
the agent is system:node:NAME, service proxy and DNS are system:kube-proxy (with the group system:cluster-dns), the gateway is
system:gateway, and each may do what its roles say. Towards the node's kubelet API, the API server is kube-apiserver-kubelet-client;
towards other API servers it is front-proxy-client, by an authority of its own, which stands for nothing else.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.client import kubeconfig_file
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.model.certificates import PROXY_GROUPS, PROXY_USER
from pilothouse.wire.pki import CertificateAuthority, Now, days_left

RENEW_DAYS = 30
VERSION = "2"
"""Of who is who below: files that another version made are made anew."""
ADMIN = ("admin", "pilothouse:admins")
SUPER_ADMIN = ("super-admin", "system:masters")
NODE, PROXY, GATEWAY = "node", "kube-proxy", "gateway"
KUBELET, KUBELET_CLIENT = "kubelet", "kube-apiserver-kubelet-client"
FRONT_PROXY, FRONT_PROXY_CLIENT = "front-proxy", "front-proxy-client"


@dataclass(frozen=True, slots=True)
class Identities:
    """The files under `folder`; made at the first start, renewed RENEW_DAYS before they expire."""

    folder: Path
    now: Now = time.time

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def server(self) -> tuple[Path, Path]:
        return self.folder / "apiserver.crt", self.folder / "apiserver.key"

    @property
    def kubelet(self) -> tuple[Path, Path]:
        """Certificate and key under which the node serves the kubelet API."""
        return self._pair(KUBELET)

    @property
    def kubelet_client(self) -> tuple[Path, Path]:
        """Certificate and key by which the kubelet API knows the API server."""
        return self._pair(KUBELET_CLIENT)

    @property
    def front_proxy(self) -> tuple[Path, Path]:
        """Certificate and key by which other API servers know this one."""
        return self._pair(FRONT_PROXY_CLIENT)

    @property
    def front_proxy_ca(self) -> Path:
        return self.folder / FRONT_PROXY / "ca.crt"

    def _pair(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    @property
    def super_admin(self) -> Path:
        """The kubeconfig that works whatever roles and bindings say."""
        return self.folder / "super-admin.kubeconfig"

    @property
    def bootstrap(self) -> Path:
        """The kubeconfig with the token by which a node has joined a cluster."""
        return self.folder / "bootstrap.kubeconfig"

    def kubeconfig(self, client: str) -> Path:
        """Of one of the clients on the node: NODE, PROXY or GATEWAY."""
        return self.folder / f"{client}.kubeconfig"

    def ensure(
        self,
        kubeconfig: Path,
        server_url: str,
        names: list[str],
        addresses: list[str],
        *,
        cluster: str,
        node: str,
        node_addresses: Sequence[str] = ("127.0.0.1",),
    ) -> bool:
        """Whether they were made anew.

        names, addresses: under which the API server is reached. kubeconfig: the administrator's. cluster: its name there.
        node_addresses: under which the node's kubelet API is reached.
        """
        wanted = "\n".join([VERSION, server_url, cluster, node, *sorted(names), *sorted(addresses), "node", *sorted(node_addresses)])
        noted = self.folder / "names"
        known = noted.read_text() if noted.exists() else ""
        certificate, _ = self.server
        files = [kubeconfig, self.super_admin, certificate, *(self.kubeconfig(client) for client in (NODE, PROXY, GATEWAY))]
        files += [*self.kubelet, *self.kubelet_client, *self.front_proxy, self.front_proxy_ca]
        if known == wanted and all(file.exists() for file in files) and days_left(certificate.read_bytes(), self.now()) > RENEW_DAYS:
            return False
        authority = self._authority(self.ca, "pilothouse-ca")
        clients = {
            kubeconfig: ADMIN,
            self.super_admin: SUPER_ADMIN,
            self.kubeconfig(NODE): (f"system:node:{node}", "system:nodes"),
            self.kubeconfig(PROXY): (PROXY_USER, *PROXY_GROUPS),
            self.kubeconfig(GATEWAY): ("system:gateway", "system:gateway"),
        }
        for path, (user, group) in clients.items():
            _write(authority, path, server_url, user, group, cluster)
        authority.issue_client(KUBELET_CLIENT).write(self.folder, KUBELET_CLIENT)
        others = self._authority(self.front_proxy_ca, "pilothouse-front-proxy-ca")
        others.issue_client(FRONT_PROXY_CLIENT).write(self.folder, FRONT_PROXY_CLIENT)
        authority.issue_server([node, "localhost"], node_addresses, common_name=f"system:node:{node}").write(self.folder, KUBELET)
        # Last: its end is what the next renewal goes by, and one that was interrupted is begun again.
        authority.issue_server(names, addresses).write(self.folder, "apiserver")
        noted.write_text(wanted)
        return True

    def _authority(self, certificate: Path, name: str) -> CertificateAuthority:
        """The one that there is, made when there is none."""
        if certificate.exists():
            return CertificateAuthority.load(certificate.parent, now=self.now)
        return CertificateAuthority.create(certificate.parent, name, now=self.now)


def _write(authority: CertificateAuthority, path: Path, server_url: str, user: str, group: str, cluster: str) -> None:
    pair = authority.issue_client(user, [group])
    config = Kubeconfig(
        server=server_url, certificate_authority=authority.certificate, client_certificate=pair.certificate, client_key=pair.key
    )
    kubeconfig_file.write(path, kubeconfig_file.document(config, cluster))
