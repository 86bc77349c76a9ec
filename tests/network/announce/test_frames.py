"""ARP and Neighbour Discovery as bytes."""

from ipaddress import ip_address

from pilothouse.network.announce import frames

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


def test_a_filter_has_room_for_many_addresses() -> None:
    addresses = [FOUR + number for number in range(5000)]
    assert len(frames.arp_filter(addresses)) <= 4096
