"""Who may sign in from where: the instance's certificate authority, its server certificate, and a kubeconfig for each client.

The administrator is in pilothouse:admins, a group like any other that is bound to cluster-admin; the file for the day on which that
binding is gone is in system:masters, which authorization never refuses. The parts of a node have rights of their own:
the agent is system:node:NAME, service proxy and DNS are system:kube-proxy (with the group system:cluster-dns), the gateway is
system:gateway, and each may do what its roles say.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from pilothouse.client import kubeconfig_file
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.wire.pki import CertificateAuthority, Now, days_left

RENEW_DAYS = 30
VERSION = "2"
"""Of who is who below: files that another version made are made anew."""
ADMIN = ("admin", "pilothouse:admins")
SUPER_ADMIN = ("super-admin", "system:masters")
NODE, PROXY, GATEWAY = "node", "kube-proxy", "gateway"


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
    def super_admin(self) -> Path:
        """The kubeconfig that works whatever roles and bindings say."""
        return self.folder / "super-admin.kubeconfig"

    def kubeconfig(self, client: str) -> Path:
        """Of one of the clients on the node: NODE, PROXY or GATEWAY."""
        return self.folder / f"{client}.kubeconfig"

    def ensure(self, kubeconfig: Path, server_url: str, names: list[str], addresses: list[str], *, cluster: str, node: str) -> bool:
        """Whether they were made anew.

        names, addresses: under which the API server is reached. kubeconfig: the administrator's. cluster: its name there.
        """
        wanted = "\n".join([VERSION, server_url, cluster, node, *sorted(names), *sorted(addresses)])
        noted = self.folder / "names"
        known = noted.read_text() if noted.exists() else ""
        certificate, _ = self.server
        files = [kubeconfig, self.super_admin, certificate, *(self.kubeconfig(client) for client in (NODE, PROXY, GATEWAY))]
        if known == wanted and all(file.exists() for file in files) and days_left(certificate.read_bytes(), self.now()) > RENEW_DAYS:
            return False
        make = CertificateAuthority.load if self.ca.exists() else CertificateAuthority.create
        authority = make(self.folder, now=self.now)
        clients = {
            kubeconfig: ADMIN,
            self.super_admin: SUPER_ADMIN,
            self.kubeconfig(NODE): (f"system:node:{node}", "system:nodes"),
            self.kubeconfig(PROXY): ("system:kube-proxy", "system:cluster-dns"),
            self.kubeconfig(GATEWAY): ("system:gateway", "system:gateway"),
        }
        for path, (user, group) in clients.items():
            _write(authority, path, server_url, user, group, cluster)
        # Last: its end is what the next renewal goes by, and one that was interrupted is begun again.
        authority.issue_server(names, addresses).write(self.folder, "apiserver")
        noted.write_text(wanted)
        return True


def _write(authority: CertificateAuthority, path: Path, server_url: str, user: str, group: str, cluster: str) -> None:
    pair = authority.issue_client(user, [group])
    config = Kubeconfig(
        server=server_url, certificate_authority=authority.certificate, client_certificate=pair.certificate, client_key=pair.key
    )
    kubeconfig_file.write(path, kubeconfig_file.document(config, cluster))
