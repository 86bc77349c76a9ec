"""The gateway's own authority: what it issues is believed for private names alone, and kept."""

import contextlib
import ssl
from pathlib import Path

import pytest

from pilothouse.platform.gateway.authority import LocalAuthority
from pilothouse.platform.gateway.certificates import Pair


def authority(folder: Path) -> LocalAuthority:
    return LocalAuthority(folder / "authority", "abc", "apps.bank.example")


def shake_hands(folder: Path, ca: Path, pair: Pair, host: str) -> None:
    """Raises ssl.SSLError when a client that trusts the authority does not believe the server to be the host."""
    (folder / "pair.pem").write_text(pair.key + pair.chain)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder / "pair.pem")
    a, b, c, d = (ssl.MemoryBIO() for _ in range(4))
    server = server_side.wrap_bio(a, b, server_side=True)
    client = ssl.create_default_context(cafile=ca).wrap_bio(c, d, server_hostname=host)
    for _ in range(3):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            a.write(d.read())
            c.write(b.read())


@pytest.mark.parametrize("host", ["shop.localhost", "shop.test", "shop.apps.bank.example"])
def test_a_client_that_trusts_the_authority_believes_its_certificates(tmp_path: Path, host: str) -> None:
    made = authority(tmp_path)
    shake_hands(tmp_path, (made.pairs([host]), made.certificate)[1], made.pairs([host])[host], host)


def test_a_name_of_the_public_internet_is_not_believed(tmp_path: Path) -> None:
    made = authority(tmp_path)
    pair = made.pairs(["www.bank.example"])["www.bank.example"]
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake_hands(tmp_path, made.certificate, pair, "www.bank.example")


def test_certificates_stay_the_same_over_restarts_and_go_with_their_hosts(tmp_path: Path) -> None:
    first = authority(tmp_path).pairs(["a.localhost", "b.localhost"])
    again = authority(tmp_path).pairs(["a.localhost"])
    assert again == {"a.localhost": first["a.localhost"]}
    assert len(list((tmp_path / "authority" / "issued").iterdir())) == 2


def test_a_new_authority_issues_anew(tmp_path: Path) -> None:
    first = authority(tmp_path).pairs(["a.localhost"])
    for name in ("ca.crt", "ca.key"):
        (tmp_path / "authority" / name).unlink()
    assert authority(tmp_path).pairs(["a.localhost"]) != first


def test_keys_are_for_root_alone(tmp_path: Path) -> None:
    authority(tmp_path).pairs(["a.localhost"])
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "authority").rglob("*.key"))


def test_another_domain_later_is_believed_too_and_nothing_that_was_trusted_is_lost(tmp_path: Path) -> None:
    first = authority(tmp_path)
    first.pairs(["shop.localhost"])
    trusted = tmp_path / "trusted.crt"
    trusted.write_bytes(first.certificate.read_bytes())
    later = LocalAuthority(tmp_path / "authority", "abc", "apps.other.example")
    pairs = later.pairs(["shop.localhost", "shop.apps.bank.example", "shop.apps.other.example"])
    for host in ("shop.localhost", "shop.apps.bank.example"):
        shake_hands(tmp_path, trusted, pairs[host], host)
    for host in pairs:
        shake_hands(tmp_path, later.certificate, pairs[host], host)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake_hands(tmp_path, trusted, pairs["shop.apps.other.example"], "shop.apps.other.example")


def test_a_domain_within_one_that_is_known_leaves_the_authority_alone(tmp_path: Path) -> None:
    made = authority(tmp_path)
    made.pairs(["shop.localhost"])
    before = made.certificate.read_bytes()
    LocalAuthority(tmp_path / "authority", "abc", "team.localhost").pairs(["shop.localhost"])
    assert made.certificate.read_bytes() == before
