"""SPDY frames as bytes and back."""

import struct
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.wire.spdy.dictionary import DICTIONARY
from pilothouse.wire.spdy.errors import SpdyError
from pilothouse.wire.spdy.frames import (
    Data,
    Frame,
    FrameReader,
    FrameWriter,
    GoAway,
    Headers,
    Ping,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)
from pilothouse.wire.spdy.headers import LARGEST_BLOCK

IDS = st.integers(1, 2**31 - 1)
WORDS = st.integers(0, 2**32 - 1)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=20)
VALUES = st.text(st.characters(codec="utf-8"), max_size=50)
BLOCKS = st.dictionaries(NAMES, VALUES, max_size=5)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(SynStream, IDS, BLOCKS, st.booleans(), st.booleans(), st.integers(0, 2**31 - 1), st.integers(0, 7)),
    st.builds(SynReply, IDS, BLOCKS, st.booleans()),
    st.builds(Headers, IDS, BLOCKS, st.booleans()),
    st.builds(RstStream, IDS, WORDS),
    st.builds(Settings, st.dictionaries(st.integers(0, 2**24 - 1), WORDS, max_size=4)),
    st.builds(Ping, WORDS),
    st.builds(GoAway, st.integers(0, 2**31 - 1), WORDS),
    st.builds(WindowUpdate, st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1)),
    st.builds(Data, IDS, st.binary(max_size=200), st.booleans()),
)


def joined(frames: Iterable[Frame]) -> list[Frame]:
    """With the pieces of data frames put together again; an empty data frame that ends nothing says nothing."""
    whole: list[Frame] = []
    for frame in frames:
        last = whole[-1] if whole else None
        if isinstance(frame, Data) and isinstance(last, Data) and last.id == frame.id and not last.fin:
            whole[-1] = Data(frame.id, last.data + frame.data, frame.fin)
        elif not isinstance(frame, Data) or frame.data or frame.fin:
            whole.append(frame)
    return whole


def read(data: bytes) -> list[Frame]:
    return list(FrameReader().feed(data))


@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_frames_come_back_as_they_were_however_the_bytes_are_cut(frames: list[Frame], sizes: list[int]) -> None:
    writer, reader = FrameWriter(), FrameReader()
    data = b"".join(map(writer.encode, frames))
    back: list[Frame] = []
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        back += reader.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert joined(back) == joined(frames)


@given(st.lists(st.one_of(st.binary(max_size=60), st.builds(lambda body: b"\x80\x03\x00" + body, st.binary(max_size=60))), max_size=5))
def test_bytes_of_any_kind_are_frames_or_refused(pieces: list[bytes]) -> None:
    reader = FrameReader()
    try:
        for piece in pieces:
            list(reader.feed(piece))
    except SpdyError:
        return


def test_the_dictionary_is_the_one_of_the_protocol() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)
    assert FrameWriter().encode(SynReply(1, {}))[12:18] == b"\x78\xbb\xe3\xc6\xa7\xc2"


def test_headers_may_be_compressed_without_the_dictionary() -> None:
    plain = struct.pack("!I", 1) + struct.pack("!I", 4) + b"port" + struct.pack("!I", 2) + b"80"
    assert read(control(2, struct.pack("!I", 5) + deflated(plain))) == [SynReply(5, {"port": "80"})]


def test_large_data_is_handed_on_before_it_is_all_there() -> None:
    reader = FrameReader()
    assert list(reader.feed(struct.pack("!II", 1, 1 << 24 | 1_000_000) + b"abc")) == [Data(1, b"abc")]
    assert list(reader.feed(b"x" * 999_997 + b"rest")) == [Data(1, b"x" * 999_997, fin=True)]


def test_a_control_frame_of_unknown_type_is_skipped() -> None:
    assert read(control(99, b"whatever") + FrameWriter().encode(Ping(1))) == [Ping(1)]


def control(type: int, body: bytes, version: int = 3) -> bytes:
    return struct.pack("!HHI", 0x8000 | version, type, len(body)) + body


def deflated(plain: bytes) -> bytes:
    compress = zlib.compressobj()
    return compress.compress(plain) + compress.flush(zlib.Z_SYNC_FLUSH)


def reply(*words: bytes, count: int | None = None) -> bytes:
    block = struct.pack("!I", len(words) // 2 if count is None else count) + b"".join(struct.pack("!I", len(word)) + word for word in words)
    return control(2, struct.pack("!I", 1) + deflated(block))


@pytest.mark.parametrize(
    ("why", "data"),
    [
        ("version 2", control(6, b"\0\0\0\1", version=2)),
        ("larger than", struct.pack("!HHI", 0x8003, 4, 1 << 20)),
        ("wrong length", control(6, b"\0\0\0")),
        ("wrong length", control(3, struct.pack("!III", 1, 5, 0))),
        ("wrong length", control(1, b"\0\0\0\1")),
        ("wrong length", control(4, struct.pack("!III", 2, 7, 1000))),
        ("wrong length", control(4, struct.pack("!I", 0xFFFFFFFF))),
        ("stream 0", control(3, struct.pack("!II", 0, 5))),
        ("stream 0", struct.pack("!II", 0, 5)),
        ("by nothing", control(9, struct.pack("!II", 1, 0))),
        ("no header name", reply(b"Port", b"80")),
        ("no header name", reply(b"", b"80")),
        ("twice", reply(b"port", b"80", b"port", b"81")),
        ("damaged", reply(b"port", b"\xff")),
        ("damaged", reply(count=1)),
        ("longer", reply(b"port", b"80", count=0)),
        ("shorter", control(2, struct.pack("!I", 1) + deflated(struct.pack("!II", 1, 1000) + b"port"))),
        ("decompressed", control(2, struct.pack("!I", 1) + b"no zlib at all")),
        ("larger than", reply(b"port", b"0" * LARGEST_BLOCK)),
        ("larger than", reply(b"port", b"0" * 5_000_000)),
        ("ended", control(2, struct.pack("!I", 1) + zlib.compress(b"\0\0\0\0"))),
    ],
)
def test_malformed_frames_are_refused(why: str, data: bytes) -> None:
    with pytest.raises(SpdyError, match=why):
        read(data)


def test_headers_with_another_dictionary_are_refused() -> None:
    compress = zlib.compressobj(zdict=b"another")
    block = compress.compress(struct.pack("!I", 0)) + compress.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(SpdyError, match="decompressed"):
        read(control(2, struct.pack("!I", 1) + block))
