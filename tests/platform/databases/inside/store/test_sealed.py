import base64
import os
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.store.sealed import CHUNK, HEAD, MARK, BrokenSeal, Keys, UnknownKey, get, id_of, key_of, put
from pilothouse.platform.databases.inside.store.volume import VolumeStore

KEYS = Keys(bytes(range(32)))
SEALED = CHUNK + 16
FIRST = "cGlsb3Rob3VzZS1zZWFsLTEKyXRbJMohJB7wFWozLuV2LcLbm1Kg9gV4jTVHUZ06W3BP28V5rUWQFWCnQvJUynYh5pV9hlb4iaS/1CSL1f5u4VfA8XRy0X5YoB3k"
"""A sealed file of the first version."""


@pytest.fixture
def store(tmp_path: Path) -> VolumeStore:
    return VolumeStore(tmp_path)


@pytest.fixture
def sealed(store: VolumeStore, tmp_path: Path) -> Path:
    put(store, "thing", KEYS, os.urandom(3 * CHUNK + 10))
    return tmp_path / "thing"


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_any_size_comes_back(store: VolumeStore, size: int) -> None:
    data = os.urandom(size)
    put(store, "thing", KEYS, data)
    assert get(store, "thing", KEYS) == data


@pytest.mark.parametrize("at", [0, len(MARK) + 8 + 3, HEAD, HEAD + SEALED + 5, -1])
def test_a_changed_byte_is_noticed(store: VolumeStore, sealed: Path, at: int) -> None:
    data = bytearray(sealed.read_bytes())
    data[at] ^= 1
    sealed.write_bytes(data)
    with pytest.raises(BrokenSeal):
        get(store, "thing", KEYS)


@pytest.mark.parametrize("size", [0, 5, HEAD, HEAD + SEALED, HEAD + 3 * SEALED, HEAD + 3 * SEALED + 8])
def test_an_end_that_is_cut_off_is_noticed(store: VolumeStore, sealed: Path, size: int) -> None:
    sealed.write_bytes(sealed.read_bytes()[:size])
    with pytest.raises(BrokenSeal):
        get(store, "thing", KEYS)


def test_chunks_in_another_order_are_noticed(store: VolumeStore, sealed: Path) -> None:
    data = sealed.read_bytes()
    first, second = data[HEAD : HEAD + SEALED], data[HEAD + SEALED : HEAD + 2 * SEALED]
    sealed.write_bytes(data[:HEAD] + second + first + data[HEAD + 2 * SEALED :])
    with pytest.raises(BrokenSeal):
        get(store, "thing", KEYS)


def test_a_key_that_was_replaced_is_asked_for_by_its_name(store: VolumeStore, sealed: Path) -> None:
    new = bytes(32)
    with pytest.raises(UnknownKey, match=id_of(KEYS.current).hex()):
        get(store, "thing", Keys(new))
    assert get(store, "thing", Keys(new, (bytes([7] * 32), KEYS.current)))
    put(store, "later", Keys(new, (KEYS.current,)), b"x")
    assert get(store, "later", Keys(new)) == b"x"


def test_what_the_first_version_sealed_is_read(store: VolumeStore, tmp_path: Path) -> None:
    """It did not name its key."""
    (tmp_path / "first").write_bytes(base64.b64decode(FIRST))
    assert get(store, "first", Keys(bytes(32), (KEYS.current,))) == b"sealed by the first version"
    with pytest.raises(BrokenSeal, match="another key"):
        get(store, "first", Keys(bytes(32)))


@pytest.mark.parametrize("text", ["", "c2hvcnQ=", "no base64!"])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes in base64"):
        key_of(text)
