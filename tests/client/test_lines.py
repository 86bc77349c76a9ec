from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.client.lines import lines


async def read(chunks: list[bytes]) -> list[bytes]:
    async def arriving() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [line async for line in lines(arriving())]


@given(st.lists(st.binary(min_size=1).map(lambda line: line.replace(b"\n", b"-"))), st.lists(st.integers(1, 7), min_size=1))
async def test_lines_are_the_same_however_they_are_cut(wanted: list[bytes], sizes: list[int]) -> None:
    data = b"".join(line + b"\n" for line in wanted)
    chunks, position, turn = [], 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        chunks.append(data[position : position + size])
        position, turn = position + size, turn + 1
    assert await read(chunks) == wanted


async def test_empty_lines_are_left_out() -> None:
    assert await read([b"\n\na\n\n", b"\nb\n"]) == [b"a", b"b"]


async def test_an_end_inside_a_line_is_an_error() -> None:
    with pytest.raises(EOFError):
        await read([b"a\nb"])
