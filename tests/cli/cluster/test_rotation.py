"""`ph rotate-key`, on a home that has keys and on one that has none."""

from pathlib import Path

from pilothouse.engine.store import keyring
from tests.cli.test_ending import ph


def test_a_new_key_comes_before_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "pki" / "store.keys"
    old = keyring.ensure(path)
    done = ph("--home", str(tmp_path), "rotate-key")
    assert done.stdout.startswith(f"key-2 in {path} encrypts Secrets from now on")
    assert list(keyring.read(path).items())[1:] == list(old.items())


def test_a_home_without_keys_is_named_with_the_way_to_them(tmp_path: Path) -> None:
    done = ph("--home", str(tmp_path), "rotate-key")
    assert done.returncode == 1
    assert f"ph --home {tmp_path} up` makes them" in done.stderr
