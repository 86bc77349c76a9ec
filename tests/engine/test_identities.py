from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from pilothouse.client.kubeconfig import load
from pilothouse.engine.identities import GATEWAY, NODE, PROXY, Identities
from pilothouse.wire.pki import CertificateAuthority


def ensure(folder: Path) -> Identities:
    made = Identities(folder / "pki")
    made.ensure(folder / "admin.kubeconfig", "https://127.0.0.1:6443", ["localhost"], ["127.0.0.1"], cluster="c", node="n1")
    return made


def signed_in(kubeconfig: Path) -> tuple[str, str]:
    """User and group of the file's certificate."""
    certificate = load(kubeconfig).client_certificate
    assert certificate is not None
    subject = x509.load_pem_x509_certificate(certificate).subject
    name, group = (subject.get_attributes_for_oid(oid)[0].value for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME))
    return str(name), str(group)


def test_only_the_break_glass_file_is_beyond_authorization(tmp_path: Path) -> None:
    made = ensure(tmp_path)
    assert signed_in(tmp_path / "admin.kubeconfig") == ("admin", "pilothouse:admins")
    assert signed_in(made.super_admin) == ("super-admin", "system:masters")
    assert made.super_admin.stat().st_mode & 0o077 == 0
    certificate = x509.load_pem_x509_certificate(made.kubelet_client[0].read_bytes())
    assert [each.value for each in certificate.subject] == ["kube-apiserver-kubelet-client"]
    others = {signed_in(made.kubeconfig(client)) for client in (NODE, PROXY, GATEWAY)}
    assert not {group for _, group in others} & {"system:masters", "pilothouse:admins"}


def test_the_front_proxy_is_of_an_authority_that_stands_for_nothing_else(tmp_path: Path) -> None:
    made = ensure(tmp_path)
    own = CertificateAuthority.load(made.front_proxy_ca.parent)
    certificate, key = made.front_proxy
    assert own.has_issued(certificate.read_bytes())
    assert not CertificateAuthority.load(made.folder).has_issued(certificate.read_bytes())
    assert [key.stat().st_mode & 0o077, (made.front_proxy_ca.parent / "ca.key").stat().st_mode & 0o077] == [0, 0]


@pytest.mark.parametrize("missing", ["version", "super-admin.kubeconfig", "kubelet.crt", "front-proxy-client.crt", "front-proxy/ca.crt"])
def test_files_of_an_earlier_version_are_made_anew_under_the_same_authority(tmp_path: Path, missing: str) -> None:
    made = ensure(tmp_path)
    authority = made.ca.read_bytes()
    before = (tmp_path / "admin.kubeconfig").read_bytes()
    if missing == "version":
        noted = tmp_path / "pki" / "names"
        noted.write_text(noted.read_text().partition("\n")[2])
    else:
        (tmp_path / "pki" / missing).unlink()
    ensure(tmp_path)
    assert made.super_admin.exists()
    assert made.kubelet[0].exists()
    assert (tmp_path / "admin.kubeconfig").read_bytes() != before
    assert made.ca.read_bytes() == authority
