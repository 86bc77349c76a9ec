"""ARP and Neighbour Discovery as bytes."""

import ctypes
import socket
import struct
from ipaddress import ip_address

from pilothouse.network.announce import frames
from pilothouse.network.announce.frames import Address

MAC = bytes.fromhex("020000000001")
FOUR, SIX = ip_address("192.0.2.100"), ip_address("fd00:2::100")


def checksum(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_a_probe_of_ipv4_names_no_sender() -> None:
    found = frames.probe(MAC, FOUR)
    assert found.hex() == "ffffffffffff" + MAC.hex() + "0806" + "0001080006040001" + MAC.hex() + "00000000" + "000000000000" + "c0000264"
    assert frames.probe(MAC, FOUR, bytes(6))[:6] == bytes(6)


def test_an_announcement_of_ipv4_names_the_address_twice() -> None:
    assert frames.claimed(frames.announcement(MAC, FOUR)) == (FOUR, MAC)
    assert frames.announcement(MAC, FOUR)[28:32] == frames.announcement(MAC, FOUR)[38:42] == FOUR.packed


def test_a_probe_of_ipv6_asks_the_group_of_the_address() -> None:
    found = frames.probe(MAC, SIX)
    assert found[:6] == bytes.fromhex("3333ff000100")
    assert ip_address(found[38:54]) == ip_address("ff02::1:ff00:100")
    assert frames.claimed(found) is None


def test_messages_of_ipv6_have_the_checksum_of_rfc_4443() -> None:
    for found in (frames.probe(MAC, SIX), frames.announcement(MAC, SIX)):
        body = found[54:]
        pseudo = found[22:54] + len(body).to_bytes(4, "big") + (58).to_bytes(4, "big")
        assert checksum(pseudo + body) == 0xFFFF
        assert found[21] == 255


def test_an_announcement_of_ipv6_overrides_and_says_who() -> None:
    found = frames.announcement(MAC, SIX)
    assert frames.claimed(found) == (SIX, MAC)
    assert found[58] == 0x20
    assert found[-6:] == MAC


def test_what_is_cut_off_says_nothing() -> None:
    for whole in (frames.announcement(MAC, FOUR), frames.announcement(MAC, SIX)):
        assert all(frames.claimed(whole[:length]) is None for length in range(len(whole) - 8))


def passes(instructions: list[frames.Instruction], found: list[bytes]) -> list[bool]:
    """Which frames the kernel lets through to a socket with that filter."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        program = ctypes.create_string_buffer(frames.program(instructions))
        here.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", len(instructions), ctypes.addressof(program)))
        here.setblocking(False)
        results = []
        for frame in found:
            there.send(frame)
            try:
                results.append(here.recv(256) == frame)
            except BlockingIOError:
                results.append(False)
        return results


def claims(*addresses: Address) -> list[bytes]:
    return [frames.announcement(MAC, each) for each in addresses]


SCATTERED = [FOUR + 37 * number for number in range(10_000)]
SCATTERED_SIX = [SIX + (number << 40) + 41 * number for number in range(10_000)]


def test_a_filter_hears_of_ten_thousand_addresses_wherever_they_are() -> None:
    for filter_, addresses in ((frames.arp_filter, SCATTERED), (frames.advert_filter, SCATTERED_SIX)):
        instructions = filter_(addresses)  # type: ignore[operator]
        assert all(passes(instructions, claims(*addresses)))
        assert passes(instructions, claims(addresses[0] - 1, addresses[-1] + 1)) == [False, False]


def test_a_filter_is_exact_while_the_addresses_are_in_few_places() -> None:
    four = [FOUR + number for number in range(5000) if number % 20 != 7]
    assert passes(frames.arp_filter(four), claims(FOUR, FOUR + 7, FOUR + 8, FOUR + 4999, FOUR + 5000)) == [True, False, True, True, False]
    six = [SIX + number for number in range(0, 500, 2)]
    assert passes(frames.advert_filter(six), claims(SIX, SIX + 1, SIX + 498, SIX + 500)) == [True, False, True, False]
    assert passes(frames.arp_filter([]), claims(FOUR)) == [False]


def test_ranges_join_across_the_narrowest_gaps_first() -> None:
    assert frames.covering([9, 1, 2, 4, 20], 10) == [(1, 2), (4, 4), (9, 9), (20, 20)]
    assert frames.covering([9, 1, 2, 4, 20], 3) == [(1, 4), (9, 9), (20, 20)]
    assert frames.covering([9, 1, 2, 4, 20], 1) == [(1, 20)]
    assert frames.covering([], 1) == []
    assert len(frames.covering(int(each) for each in SCATTERED)) == frames.MOST_RANGES
