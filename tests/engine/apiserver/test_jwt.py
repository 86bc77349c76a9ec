"""Signed tokens."""

import os
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.authn.jwt import BadToken, Signer


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.load(tmp_path / "key")


def test_a_token_says_what_was_signed(signer: Signer) -> None:
    assert signer.verify(signer.sign({"sub": "x"})) == {"sub": "x"}


def test_the_key_is_private_and_kept(tmp_path: Path) -> None:
    first = Signer.load(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert Signer.load(tmp_path / "key").verify(first.sign({"a": 1})) == {"a": 1}


def test_a_new_key_is_on_disk_with_its_name_before_anything_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    Signer.load(tmp_path / "key")
    assert synced == [str(tmp_path / "key.new"), str(tmp_path)]


@pytest.mark.parametrize("change", [lambda t: t + "x", lambda t: t[:-2], lambda t: "a.b", lambda t: t.replace(".", ".A", 1), lambda t: ""])
def test_a_changed_token_is_none(signer: Signer, change: object) -> None:
    assert callable(change)
    with pytest.raises(BadToken):
        signer.verify(change(signer.sign({"sub": "x"})))


def test_a_token_cannot_choose_its_algorithm(signer: Signer) -> None:
    _, claims, signature = signer.sign({"sub": "x"}).split(".")
    none = "eyJhbGciOiJub25lIn0"
    with pytest.raises(BadToken):
        signer.verify(f"{none}.{claims}.{signature}")


def test_another_key_is_not_ours(signer: Signer, tmp_path: Path) -> None:
    with pytest.raises(BadToken):
        signer.verify(Signer.load(tmp_path / "other").sign({"sub": "x"}))
