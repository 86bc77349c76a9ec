"""Where a certificate that is kept lies: in a kubeconfig, or as a pair of PEM files for a server. Everything here blocks."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pilothouse.client import kubeconfig_file
from pilothouse.client.kubeconfig import Kubeconfig, KubeconfigError, load
from pilothouse.wire import pki
from pilothouse.wire.pki import KeyPair


class CertificateFile(Protocol):
    def certificate(self) -> bytes | None:
        """PEM; None for what is not there, or cannot be read."""
        ...

    def write(self, pair: KeyPair, asked: Kubeconfig) -> None:
        """asked: by which the certificate was had."""
        ...

    @property
    def waiting(self) -> Path:
        """Where a request for it is kept that nobody has approved yet."""
        ...


@dataclass(frozen=True, slots=True)
class KubeconfigFile:
    """cluster: its name in the file."""

    path: Path
    cluster: str

    def certificate(self) -> bytes | None:
        try:
            return load(self.path).client_certificate
        except KubeconfigError:
            return None

    def write(self, pair: KeyPair, asked: Kubeconfig) -> None:
        own = replace(asked, client_certificate=pair.certificate, client_key=pair.key, token=None)
        kubeconfig_file.write(self.path, kubeconfig_file.document(own, self.cluster))

    @property
    def waiting(self) -> Path:
        return waiting_at(self.path)


@dataclass(frozen=True, slots=True)
class PairFiles:
    """Certificate and key: NAME.crt and NAME.key in the folder."""

    folder: Path
    name: str

    def certificate(self) -> bytes | None:
        try:
            found = (self.folder / f"{self.name}.crt").read_bytes()
            pki.validity(found)
        except (OSError, ValueError):
            return None
        return found

    def write(self, pair: KeyPair, asked: Kubeconfig) -> None:
        pair.write(self.folder, self.name)

    @property
    def waiting(self) -> Path:
        return waiting_at(self.folder / self.name)


def waiting_at(path: Path) -> Path:
    """path: of the kubeconfig, or of the pair without its suffixes."""
    return path.with_name(f"{path.name}.request")
