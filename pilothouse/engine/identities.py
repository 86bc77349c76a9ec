"""Who may sign in from where: the instance's certificate authority, its server certificate and the administrator's kubeconfig."""

from dataclasses import dataclass
from pathlib import Path

from pilothouse.client import kubeconfig_file
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.wire.pki import CertificateAuthority, days_left

RENEW_DAYS = 30


@dataclass(frozen=True, slots=True)
class Identities:
    """The files under `folder`; made at the first start, renewed when they are about to expire."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def server(self) -> tuple[Path, Path]:
        return self.folder / "apiserver.crt", self.folder / "apiserver.key"

    def ensure(self, kubeconfig: Path, server_url: str, names: list[str], addresses: list[str]) -> None:
        """names, addresses: under which the API server is reached. The kubeconfig is for the group system:masters."""
        wanted = "\n".join([server_url, *sorted(names), *sorted(addresses)])
        noted = self.folder / "names"
        known = noted.read_text() if noted.exists() else ""
        certificate, _ = self.server
        if known == wanted and kubeconfig.exists() and certificate.exists() and days_left(certificate.read_bytes()) > RENEW_DAYS:
            return
        authority = CertificateAuthority.load(self.folder) if self.ca.exists() else CertificateAuthority.create(self.folder)
        authority.issue_server(names, addresses).write(self.folder, "apiserver")
        admin = authority.issue_client("admin", ["system:masters"])
        config = Kubeconfig(
            server=server_url,
            certificate_authority=authority.certificate,
            client_certificate=admin.certificate,
            client_key=admin.key,
        )
        kubeconfig_file.write(kubeconfig, kubeconfig_file.document(config, "pilothouse"))
        noted.write_text(wanted)
