"""Copies of sparse files: as a whole, then where they differ."""

import os
import random
from pathlib import Path

import pytest

from pilothouse.engine.node.local_volumes import copying
from pilothouse.engine.node.local_volumes.copying import GivenUp, Progress

MIB = 1 << 20


@pytest.fixture
def pair(tmp_path: Path) -> tuple[int, int]:
    return tuple(os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("source", "target"))  # type: ignore[return-value]


def content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def test_a_copy_is_equal_and_as_sparse(pair: tuple[int, int]) -> None:
    source, target = pair
    os.ftruncate(source, 64 * MIB)
    os.pwrite(source, b"a" * MIB, 0)
    os.pwrite(source, b"b" * 100, 40 * MIB)
    copying.copy(source, target, Progress())
    assert content(target) == content(source)
    assert os.fstat(target).st_blocks <= os.fstat(source).st_blocks + 64


def test_a_copy_that_was_overtaken_is_mended(pair: tuple[int, int]) -> None:
    source, target = pair
    rng = random.Random(7)
    os.ftruncate(source, 32 * MIB)
    for _ in range(40):
        os.pwrite(source, rng.randbytes(5000), rng.randrange(30 * MIB))
    copying.copy(source, target, Progress())
    for _ in range(20):
        os.pwrite(source, rng.randbytes(5000), rng.randrange(30 * MIB))
    copying._punch(source, 0, 8 * MIB)
    os.ftruncate(source, 40 * MIB)
    copying.mend(source, target, Progress())
    assert content(target) == content(source)
    os.ftruncate(source, 10 * MIB)
    copying.mend(source, target, Progress())
    assert content(target) == content(source)


def test_a_copy_is_given_up_when_somebody_says_so(pair: tuple[int, int]) -> None:
    source, target = pair
    os.pwrite(source, b"x" * MIB, 0)
    progress = Progress()
    progress.stop.set()
    with pytest.raises(GivenUp):
        copying.copy(source, target, progress)


def test_what_cannot_be_shared_is_no_failure(tmp_path: Path, pair: tuple[int, int]) -> None:
    with Path("/proc/self/status").open("rb") as elsewhere:
        assert copying.share(elsewhere.fileno(), pair[1]) is False
