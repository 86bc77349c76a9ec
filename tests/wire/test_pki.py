"""What the authority writes and issues."""

import datetime
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from pilothouse.wire import pki
from pilothouse.wire.pki import CertificateAuthority


def test_authority_loaded_again_issues_what_the_first_one_vouches_for(tmp_path: Path) -> None:
    first = CertificateAuthority.create(tmp_path / "pki")
    second = CertificateAuthority.load(tmp_path / "pki")
    leaf = x509.load_pem_x509_certificate(second.issue_client("ann").certificate)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(first.certificate))


def test_private_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    CertificateAuthority.create(tmp_path).issue_server(["a"]).write(tmp_path, "server")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "server.crt": 0o644, "server.key": 0o600}


def test_certificates_are_valid_from_five_minutes_ago(tmp_path: Path) -> None:
    leaf = x509.load_pem_x509_certificate(CertificateAuthority.create(tmp_path).issue_client("ann", days=7).certificate)
    now = datetime.datetime.now(datetime.UTC)
    assert now - datetime.timedelta(minutes=6) < leaf.not_valid_before_utc <= now - datetime.timedelta(minutes=5)
    assert leaf.not_valid_after_utc - now == pytest.approx(datetime.timedelta(days=7), abs=datetime.timedelta(minutes=1))
    assert pki.days_left(CertificateAuthority.load(tmp_path).issue_client("ann", days=7).certificate) == pytest.approx(7, abs=0.01)


def test_openssl_accepts_the_chain_in_its_strict_mode(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path)
    authority.issue_server(["localhost"], ["127.0.0.1"]).write(tmp_path, "server")
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-verify_hostname",
        "localhost",
        "-CAfile",
        "ca.crt",
        "server.crt",
    ]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.stdout == "server.crt: OK\n", said.stderr


def test_damaged_authority_is_an_error(tmp_path: Path) -> None:
    CertificateAuthority.create(tmp_path)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(ValueError):
        CertificateAuthority.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        CertificateAuthority.load(tmp_path / "missing")


def test_importing_the_module_does_not_load_cryptography() -> None:
    code = "import sys, pilothouse.wire.pki, pilothouse.wire; sys.exit('cryptography' in sys.modules or 'websockets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_reissued_authority_speaks_for_more_and_is_the_same_to_who_trusts_it(tmp_path: Path) -> None:
    before = CertificateAuthority.create(tmp_path, permitted=("localhost",))
    pair = before.issue_server(["shop.localhost"])
    after = before.reissued(tmp_path, permitted=(*before.permitted, "example.org"))
    assert CertificateAuthority.load(tmp_path).permitted == after.permitted == ("localhost", "example.org")
    assert after.has_issued(pair.certificate)
    assert before.has_issued(after.issue_server(["blog.localhost"]).certificate)
