"""Whom a machine believes that has a token and a hash, and nothing else."""

from base64 import b64encode
from pathlib import Path

import pytest

from pilothouse.cli.cluster.discovery import NotBelieved, believed
from pilothouse.model.bootstrap_tokens import BootstrapToken, signature
from pilothouse.model.json import Object, dumps
from pilothouse.wire.pki import CertificateAuthority, public_key_hash

TOKEN = BootstrapToken("abcdef", "0123456789abcdef")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("pki"))


def info(authority: CertificateAuthority, signed_with: BootstrapToken = TOKEN) -> Object:
    return info_of(authority.certificate, signed_with)


def info_of(certificates: bytes, signed_with: BootstrapToken = TOKEN) -> Object:
    cluster = {"certificate-authority-data": b64encode(certificates).decode(), "server": "https://192.0.2.1:6443"}
    text = dumps({"clusters": [{"name": "", "cluster": cluster}]}).decode()
    return {"data": {"kubeconfig": text, f"jws-kubeconfig-{signed_with.id}": signature(text, signed_with)}}


def test_the_authority_is_believed_that_the_tokens_holder_has_signed_and_whose_hash_was_given(authority: CertificateAuthority) -> None:
    own = public_key_hash(authority.certificate)
    assert believed(info(authority), TOKEN, ("sha256:" + "0" * 64, own)) == authority.certificate


def test_another_authority_is_not_believed_though_it_is_signed(authority: CertificateAuthority, tmp_path: Path) -> None:
    other = CertificateAuthority.create(tmp_path)
    with pytest.raises(NotBelieved, match="this is another cluster"):
        believed(info(other), TOKEN, (public_key_hash(authority.certificate),))


@pytest.mark.parametrize("is_first", [True, False])
def test_an_authority_beside_the_one_whose_hash_was_given_is_left_out(
    authority: CertificateAuthority, tmp_path: Path, is_first: bool
) -> None:
    own, other = authority.certificate, CertificateAuthority.create(tmp_path).certificate
    both = own + other if is_first else other + own
    assert believed(info_of(both), TOKEN, (public_key_hash(own),)) == own
    assert believed(info_of(both), TOKEN, (public_key_hash(own), public_key_hash(other))) == both


def test_who_does_not_know_the_tokens_secret_is_not_believed(authority: CertificateAuthority) -> None:
    guessed = BootstrapToken(TOKEN.id, "f" * 16)
    with pytest.raises(NotBelieved, match="has not signed with the token abcdef"):
        believed(info(authority, guessed), TOKEN, (public_key_hash(authority.certificate),))


def test_a_token_that_the_cluster_does_not_have_is_told(authority: CertificateAuthority) -> None:
    with pytest.raises(NotBelieved, match="does not know the token abcdef"):
        believed(info(authority, BootstrapToken("ghijkl", "0" * 16)), TOKEN, (public_key_hash(authority.certificate),))


def test_what_is_signed_and_no_kubeconfig_is_told(authority: CertificateAuthority) -> None:
    for text in ("", "[]", "{}", '{"clusters": []}', '{"clusters":[{"cluster":{"certificate-authority-data":"!"}}]}'):
        data = {"data": {"kubeconfig": text, "jws-kubeconfig-abcdef": signature(text, TOKEN)}}
        with pytest.raises(NotBelieved, match="cannot be read"):
            believed(data, TOKEN, (public_key_hash(authority.certificate),))
