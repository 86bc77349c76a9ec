"""Certificates are judged by a real Envoy, before they can harm a listener."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.platform.gateway.certificates import CertificateChecks, Pair
from pilothouse.platform.gateway.program import envoy_program
from tests.platform.gateway.objects import certificate

BROKEN = {
    "no name": (["-newkey", "rsa:2048", "-subj", "/DC=example"], "neither a common name nor a subject alternative name"),
    "a short RSA key": (["-newkey", "rsa:1024", "-subj", "/CN=a"], "an RSA key of fewer than 2048 bits"),
    "P-224": (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp224r1", "-subj", "/CN=a"], "the curve secp224r1 is not used"),
    "secp256k1": (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1", "-subj", "/CN=a"], "the curve secp256k1 is not used"),
    "RSA-PSS": (["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-subj", "/CN=a"], "a key or a signature of a kind"),
}
FINE = {
    "RSA": ["-newkey", "rsa:2048"],
    "P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    "P-521": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"],
    "Ed25519": ["-newkey", "ed25519"],
}


def made_by_openssl(folder: Path, options: list[str]) -> tuple[str, str]:
    key, chain = folder / "tls.key", folder / "tls.crt"
    argv = ["openssl", "req", "-x509", "-nodes", "-days", "9", "-keyout", str(key), "-out", str(chain), *options]
    subprocess.run(argv, check=True, capture_output=True)
    return chain.read_text(), key.read_text()


def program(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the name envoy that is found before the real one."""
    folder.mkdir()
    (folder / "envoy").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "envoy").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


@pytest.fixture
def envoys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often the real Envoy has been started."""
    counted = tmp_path / "counted"
    program(tmp_path / "bin", f'echo >> {counted}; exec {envoy_program()} "$@"', monkeypatch)
    return lambda: len(counted.read_text().splitlines())


async def verdict(folder: Path, chain: str, key: str) -> str:
    checks, pair = CertificateChecks(folder), Pair.of(chain, key)
    await checks.check([pair])
    assert not (folder / "check.json").exists()
    return checks.verdicts[pair.digest]


@pytest.mark.parametrize(("options", "why"), BROKEN.values(), ids=BROKEN)
async def test_what_envoy_does_not_take_is_refused_with_the_reason(tmp_path: Path, options: list[str], why: str) -> None:
    assert why in await verdict(tmp_path, *made_by_openssl(tmp_path, options))


@pytest.mark.parametrize("options", FINE.values(), ids=FINE)
async def test_keys_that_clients_use_are_taken(tmp_path: Path, options: list[str]) -> None:
    assert await verdict(tmp_path, *made_by_openssl(tmp_path, [*options, "-subj", "/CN=a"])) == ""


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda chain: "\ufeff" + chain, "begins with a byte order mark"),
        (lambda chain: chain + "-----BEGIN CERTIFICATE-----\nMIIB\n", "a PEM block in it has no end"),
        (lambda chain: "hello", "holds no PEM certificate"),
    ],
)
async def test_a_spoilt_file_is_named(tmp_path: Path, spoil: Callable[[str], str], why: str) -> None:
    chain, key = certificate("a.localhost")
    assert why in await verdict(tmp_path, spoil(chain), key)


@pytest.mark.parametrize("harmless", [lambda text: text.replace("\n", "\r\n"), lambda text: "Bag Attributes: x\n" + text])
async def test_what_tools_add_around_a_pem_does_no_harm(tmp_path: Path, harmless: Callable[[str], str]) -> None:
    chain, key = certificate("a.localhost")
    assert await verdict(tmp_path, harmless(chain), key) == ""


async def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    assert "not the key of the certificate" in await verdict(tmp_path, certificate("a")[0], certificate("b")[1])


async def test_many_good_certificates_cost_one_question_and_the_bad_ones_among_them_are_named(
    tmp_path: Path, envoys: Callable[[], int]
) -> None:
    checks = CertificateChecks(tmp_path)
    good = [Pair.of(*certificate(f"{i}.localhost")) for i in range(20)]
    await checks.check(good)
    assert (set(checks.verdicts.values()), envoys()) == ({""}, 1)
    bad = Pair.of(certificate("a")[0], certificate("b")[1])
    await checks.check([*(Pair.of(*certificate(f"more-{i}")) for i in range(3)), bad])
    assert [digest for digest, why in checks.verdicts.items() if why] == [bad.digest]
    assert "not the key" in checks.verdicts[bad.digest]


async def test_a_check_that_is_killed_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "kill -9 $$", monkeypatch)
    checks, pair = CertificateChecks(tmp_path), Pair.of(*certificate("a"))
    await checks.check([pair])
    assert checks.verdicts == {}


async def test_a_verdict_is_kept_only_while_its_pair_is_in_use(tmp_path: Path) -> None:
    checks, pair = CertificateChecks(tmp_path), Pair.of(*certificate("a"))
    await checks.check([pair])
    checks.forget_others([])
    assert checks.verdicts == {}
