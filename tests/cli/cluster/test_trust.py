"""The machine's certificate store, in a folder of the test's own."""

from pathlib import Path

import pytest

from pilothouse.cli.cluster.trust import TrustError, TrustStores


def stores(folder: Path, update: tuple[str, ...] = ("true",)) -> TrustStores:
    return TrustStores("pilothouse-abc", folder / "store", update, folder / "home")


def test_a_certificate_is_installed_under_the_instances_name_and_taken_back(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("PEM")
    made = stores(tmp_path)
    assert made.install(tmp_path / "ca.crt")
    assert (tmp_path / "store" / "pilothouse-abc.crt").read_text() == "PEM"
    assert made.remove()
    assert not made.remove()
    assert list((tmp_path / "store").iterdir()) == []


def test_a_certificate_that_has_been_made_anew_since_is_noticed(tmp_path: Path) -> None:
    made, certificate = stores(tmp_path), tmp_path / "ca.crt"
    assert not made.is_outdated(certificate)
    certificate.write_text("PEM")
    made.install(certificate)
    assert not made.is_outdated(certificate)
    certificate.write_text("PEM of more domains")
    assert made.is_outdated(certificate)


def test_a_store_that_cannot_be_rebuilt_is_said(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("PEM")
    with pytest.raises(TrustError, match="failed"):
        stores(tmp_path, ("false",)).install(tmp_path / "ca.crt")
    with pytest.raises(TrustError, match="apt-get install ca-certificates"):
        stores(tmp_path, ("no-such-program",)).install(tmp_path / "ca.crt")
