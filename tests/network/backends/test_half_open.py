import socket
import struct

import pytest

from pilothouse.network.backends.selftest.half_open import Answer, Port, ask, checksum, read, segment

PORT = Port("192.0.2.1", "192.0.2.2", 179)
IP_HEADER = bytes((0x46,)) + bytes(23)
"""Of 24 bytes: with options."""


def answer(flags: int, *, sender: int = 179, acknowledged: int = 8) -> bytes:
    return struct.pack("!HHIIBBHHH", sender, 40000, 1, acknowledged, 5 << 4, flags, 0, 0, 0)


def test_the_question_is_a_syn_with_its_checksum() -> None:
    made = segment(PORT, 40000, 7)
    assert struct.unpack("!HHIIBB", made[:14]) == (40000, 179, 7, 0, 0x50, 0x02)
    pseudo = socket.inet_aton(PORT.own) + socket.inet_aton(PORT.host) + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(made))
    assert checksum(pseudo + made) == 0


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (answer(0x12), Answer.OPEN),
        (answer(0x14), Answer.REFUSED),
        (answer(0x10), Answer.NONE),
        (answer(0x12, acknowledged=9), Answer.NONE),
        (answer(0x12, sender=80), Answer.NONE),
        (b"", Answer.NONE),
    ],
)
def test_an_answer_is_told_from_what_answers_something_else(packet: bytes, said: Answer) -> None:
    assert read(IP_HEADER + packet, PORT, 7) is said
    assert read(packet, Port("2001:db8::1", "2001:db8::2", 179), 7) is said


async def test_an_address_that_this_host_does_not_have_asks_nobody() -> None:
    assert await ask(Port("192.0.2.254", "192.0.2.2", 179), 0.05) is Answer.REFUSED
