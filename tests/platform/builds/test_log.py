"""What is kept of a build's log."""

import gzip
from collections.abc import AsyncIterator

from pilothouse.platform.builds.log import compressed, end_of


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for number, size in enumerate(sizes):
        yield bytes([number]) * size


async def test_of_a_log_that_is_too_long_the_end_is_read() -> None:
    assert await end_of(pieces(5, 5, 4), 6) == bytes([1] * 2 + [2] * 4)
    assert await end_of(pieces(2, 0, 1), 6) == bytes([0, 0, 2])
    assert await end_of(pieces(), 6) == b""


async def test_a_log_of_any_length_ends_in_its_last_bytes() -> None:
    assert await end_of(pieces(100), 6) == bytes(6)
    assert gzip.decompress(compressed(b"a short log")) == b"a short log"
