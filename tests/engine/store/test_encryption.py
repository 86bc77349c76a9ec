"""Encryption of what lies on disk: whose values, with which key, and what becomes of old ones."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pilothouse.engine.store import Store, keyring
from pilothouse.engine.store.database import Database
from pilothouse.engine.store.encryption import Encryption
from pilothouse.engine.store.errors import StorageFull
from pilothouse.engine.store.history import Limits
from pilothouse.engine.store.keyring import KeyringError
from pilothouse.engine.store.rotation import Rotation
from pilothouse.engine.store.sealing import SealError, SealUnusable
from tests.contracts.store import A, StoreContract, value

TraceFunction = Callable[[FrameType, str, Any], Any]
SECRET, WORD = "/secrets/default/s", "tr0ub4dor"


def sealing(folder: Path) -> Encryption:
    return Encryption(keyring.ensure(folder / "keys"), ("/secrets/",), str(folder / "keys"))


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    async with Store.open(folder / "state.db", sealing=sealing(folder)) as store:
        yield store


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("state.db*"))


def stored(folder: Path) -> Iterator[bytes]:
    database = Database.open(folder / "state.db")
    try:
        yield from [row.value for row in database.rows() if row.key == SECRET]
    finally:
        database.close()


class TestSealedStore(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        encryption = Encryption({"k": b"k" * 32}, ("/",), "the test")
        async with Store.open(tmp_path / "state.db", sealing=encryption) as store:
            yield store


async def test_no_value_of_a_secret_is_in_the_files_and_all_are_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await store.create(SECRET, value("s", word=WORD))
        await store.update(SECRET, value("s", word=WORD * 2), expected=first.revision)
        await store.create(A, value("a", word="in the open"))
        assert WORD.encode() not in on_disk(tmp_path)
        assert b"in the open" in on_disk(tmp_path)
    async with opened(tmp_path) as store:
        assert store.scan("/secrets/")[0].value["data"] == {"word": WORD * 2}
        assert next(iter(store.snapshot("/secrets/", first.revision).walk())).raw == first.raw


async def test_values_of_before_are_encrypted_and_leave_no_trace(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "state.db") as store:
        record = await store.create(SECRET, value("s", word=WORD))
        await store.update(SECRET, value("s", word=WORD + "!"), expected=record.revision)
        for number in range(1_200):
            await store._queue("ADDED", store._record(f"/secrets/default/o{number}", store._next_revision(), 1, value(word=WORD)), None)
            if number % 400 == 0:
                await store.settled()
    assert WORD.encode() in on_disk(tmp_path)
    async with opened(tmp_path) as store:
        assert await store.seal_anew() == 1_202
        assert WORD.encode() not in on_disk(tmp_path)
        assert await store.seal_anew() == 0
    async with opened(tmp_path) as store:
        assert store.count("/secrets/") == 1_201
        assert store.scan(SECRET)[0].value["data"] == {"word": WORD + "!"}


async def test_traces_that_a_full_disk_has_left_go_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(database: Database) -> None:
        raise StorageFull(tmp_path)

    async with Store.open(tmp_path / "state.db") as store:
        await store.create(SECRET, value("s", word=WORD))
    async with opened(tmp_path) as store:
        with monkeypatch.context() as disk:
            disk.setattr(Database, "purge", full)
            with pytest.raises(StorageFull):
                await store.seal_anew()
        await store.seal_anew()
        assert WORD.encode() not in on_disk(tmp_path)


async def test_traces_that_a_crash_has_left_go_at_the_next_start(tmp_path: Path) -> None:
    class Dying(Database):
        def purge(self) -> None:
            """What kill -9 leaves behind at this moment."""
            left = tmp_path / "left"
            left.mkdir()
            for path in (*tmp_path.glob("state.db*"), tmp_path / "keys"):
                shutil.copy(path, left)

    async with Store.open(tmp_path / "state.db") as store:
        await store.create(SECRET, value("s", word=WORD))
    async with opened(tmp_path) as store:
        store._database.__class__ = Dying
        assert await store.seal_anew() == 1
    assert WORD.encode() in on_disk(tmp_path / "left")
    async with opened(tmp_path / "left") as store:
        assert await store.seal_anew() == 0
        assert WORD.encode() not in on_disk(tmp_path / "left")
        assert not store._is_unpurged


async def test_values_that_are_compacted_before_they_are_encrypted_leave_no_trace_either(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "state.db") as store:
        secrets = [await store.create(f"/secrets/default/o{number}", value(word=WORD * 100)) for number in range(20)]
        for each in secrets:
            await store.delete(each.key, expected=each.revision)
    async with Store.open(tmp_path / "state.db", sealing=sealing(tmp_path), limits=Limits(changes=0)) as store:
        store._database._connection.execute("PRAGMA secure_delete = OFF")  # Some systems' SQLite overwrites what it deletes.
    assert WORD.encode() in on_disk(tmp_path)
    async with opened(tmp_path) as store:
        await store.seal_anew()
        assert WORD.encode() not in on_disk(tmp_path)


async def test_writes_go_on_while_old_values_are_encrypted(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "state.db") as store:
        await asyncio.gather(*(store.create(f"/secrets/default/o{number}", value(word=WORD)) for number in range(3_000)))
    async with opened(tmp_path) as store:
        sealed = asyncio.ensure_future(store.seal_anew())
        during = [await store.create(f"/configmaps/default/c{number}", value()) for number in range(3)]
        assert not sealed.done()
        assert await sealed == 3_000
    async with opened(tmp_path) as store:
        assert store.count("/secrets/") == 3_000
        assert [store.get(record.key).raw for record in during] == [record.raw for record in during]  # type: ignore[union-attr]


async def test_a_new_key_is_taken_up_while_the_store_is_in_use(tmp_path: Path) -> None:
    encryption = sealing(tmp_path)
    async with Store.open(tmp_path / "state.db", sealing=encryption) as store:
        await store.create(SECRET, value("s", word=WORD))
        rotation = Rotation(store, encryption, tmp_path / "keys")
        await rotation.look()
        assert keyring.rotate(tmp_path / "keys") == "key-2"
        await rotation.look()
    assert [text[:14] for text in stored(tmp_path)] == [b"aes-gcm:key-2:"]
    async with opened(tmp_path) as store:
        assert store.scan(SECRET)[0].value["data"] == {"word": WORD}


def test_rotations_at_the_same_time_keep_each_others_keys(tmp_path: Path) -> None:
    keyring.ensure(tmp_path / "keys")
    with ThreadPoolExecutor(4) as threads:
        names = set(threads.map(lambda _: keyring.rotate(tmp_path / "keys"), range(8)))
    assert len(names) == 8
    assert set(keyring.read(tmp_path / "keys")) == names | {"key-1"}


async def test_a_key_that_came_while_the_store_was_closed_is_taken_up_by_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create(SECRET, value("s", word=WORD))
    keyring.rotate(tmp_path / "keys")
    async with opened(tmp_path) as store:
        assert await store.seal_anew() == 1
    assert [text[:14] for text in stored(tmp_path)] == [b"aes-gcm:key-2:"]


def test_keys_that_cannot_be_read_are_named_in_words(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xff\xfe")
    for path, why in {
        tmp_path: "is a directory",
        tmp_path / "text": "they are no text",
        tmp_path / "none" / "keys": "no such file",
    }.items():
        with pytest.raises(keyring.KeyringError, match=rf"The keys {path} cannot be read: {why}") as raised:
            keyring.rotate(path)
        assert "Errno" not in str(raised.value)


async def test_a_file_of_keys_that_became_unusable_changes_nothing(tmp_path: Path) -> None:
    encryption = sealing(tmp_path)
    async with Store.open(tmp_path / "state.db", sealing=encryption) as store:
        rotation = Rotation(store, encryption, tmp_path / "keys")
        (tmp_path / "keys").write_text("nonsense\n")
        with pytest.raises(KeyringError, match="entry 1 is not `NAME KEY`"):
            await rotation.look()
        await store.create(SECRET, value("s", word=WORD))


async def test_a_key_that_is_in_use_may_be_taken_out_of_the_file(tmp_path: Path) -> None:
    encryption = sealing(tmp_path)
    async with Store.open(tmp_path / "state.db", sealing=encryption) as store:
        await store.create(SECRET, value("s", word=WORD))
        rotation = Rotation(store, encryption, tmp_path / "keys")
        keyring.rotate(tmp_path / "keys")
        lines = (tmp_path / "keys").read_text().splitlines()
        (tmp_path / "keys").write_text(lines[-2] + "\n")
        await rotation.look()
    assert list(keyring.read(tmp_path / "keys")) == ["key-2"]
    async with opened(tmp_path) as store:
        assert store.scan(SECRET)[0].value["data"] == {"word": WORD}


async def test_another_key_under_a_name_in_use_is_refused_and_the_store_goes_on(tmp_path: Path) -> None:
    encryption = sealing(tmp_path)
    async with Store.open(tmp_path / "state.db", sealing=encryption) as store:
        await store.create(SECRET, value("s", word=WORD))
        encryption.use({"key-2": b"2" * 32, "key-1": b"1" * 32})
        with pytest.raises(SealError, match="does not open with the key 'key-1'"):
            await store.seal_anew(all_rows=True)
        await store.create(A, value())


def test_a_value_that_is_sealed_while_keys_are_exchanged_opens() -> None:
    encryption = Encryption({"a": b"a" * 32}, ("/",), "the test")
    opened: list[bytes] = []

    def between_two_lines(frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        """Where another thread may come in."""
        if event == "line":
            sys.settrace(None)
            opened.append(encryption.open(SECRET, 1, encryption.seal(SECRET, 1, b"{}")))
            sys.settrace(enter)
        return between_two_lines

    def enter(frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        return between_two_lines if frame.f_code is Encryption.use.__code__ else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        encryption.use({"b": b"b" * 32})
    finally:
        sys.settrace(before)
    assert set(opened) == {b"{}"}


async def test_lost_keys_are_named_with_the_way_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create(SECRET, value("s", word=WORD))
    (tmp_path / "keys").unlink()
    with pytest.raises(SealUnusable, match=r"/secrets/default/s does not open with the key 'key-1' of .*: restore the store and its keys"):
        async with opened(tmp_path):
            pass
    with pytest.raises(SealUnusable, match="is encrypted, and no keys were given"):
        async with Store.open(tmp_path / "state.db"):
            pass


def test_a_value_moved_to_another_object_or_revision_does_not_open(tmp_path: Path) -> None:
    encryption = sealing(tmp_path)
    sealed = encryption.seal(SECRET, 5, b"{}")
    assert encryption.open(SECRET, 5, sealed) == b"{}"
    for key, revision, text in (("/secrets/default/t", 5, sealed), (SECRET, 6, sealed), (SECRET, 5, sealed[:-1]), (SECRET, 5, sealed[:20])):
        with pytest.raises(Exception, match="does not open"):
            encryption.open(key, revision, text)


def test_the_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "pki" / "keys"
    assert keyring.ensure(path) == keyring.ensure(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(KeyringError, match=f"chmod 600 {path}"):
        keyring.ensure(path)
