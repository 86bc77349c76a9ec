"""The codec against dnspython, which has been reading and writing DNS messages for twenty years."""

import ipaddress
import struct
import time

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.network.dns import codec
from pilothouse.network.dns.codec import Authority, MalformedMessage, Question, Record, Service

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
NAME = st.lists(LABEL, min_size=1, max_size=6).map(tuple)
IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map(str)


@st.composite
def records(draw: st.DrawFn) -> Record:
    number = st.integers(0, 2**31 - 1)
    type_, value = draw(
        st.one_of(
            st.tuples(st.just(codec.A), IPV4),
            st.tuples(st.just(codec.AAAA), IPV6),
            st.tuples(st.sampled_from([codec.CNAME, codec.NS, codec.PTR]), NAME),
            st.tuples(st.just(codec.TXT), st.binary(max_size=200)),
            st.tuples(st.just(codec.SRV), st.builds(Service, *[st.integers(0, 65535)] * 3, NAME)),
            st.tuples(st.just(codec.SOA), st.builds(Authority, NAME, NAME, *[number] * 5)),
        )
    )
    return Record(draw(NAME), type_, draw(number), value)


def question(name: str = "web.default.svc.cluster.local", type_: str = "A", **more: object) -> Question:
    return codec.parse(dns.message.make_query(name, type_, **more).to_wire())  # type: ignore[arg-type]


def text(record: Record) -> str:
    """As dnspython prints it."""
    name = ".".join
    match record.value:
        case Service(priority, weight, port, target):
            return f"{priority} {weight} {port} {name(target)}."
        case Authority() as soa:
            numbers = f"{soa.serial} {soa.refresh_s} {soa.retry_s} {soa.expire_s} {soa.minimum_s}"
            return f"{name(soa.server)}. {name(soa.mailbox)}. {numbers}"
        case tuple(target):
            return f"{name(target)}."
    return str(record.value)


@settings(deadline=None, max_examples=100)
@given(st.lists(records(), max_size=6), st.lists(records(), max_size=2), NAME)
def test_dnspython_reads_what_we_write(answers: list[Record], authority: list[Record], name: tuple[str, ...]) -> None:
    asked = question(".".join(name))
    message = dns.message.from_wire(codec.encode(asked, codec.NOERROR, answers, authority), one_rr_per_rrset=True)
    for section, written in ((message.answer, answers), (message.authority, authority)):
        read = [(rrset.name.to_text(), rrset.rdtype, rrset.ttl, rrset[0]) for rrset in section]
        assert [entry[:3] for entry in read] == [(".".join(record.name) + ".", record.type, record.ttl_s) for record in written]
        for (_, type_, _, rdata), record in zip(read, written, strict=True):
            if type_ == codec.TXT:
                assert rdata.strings == (record.value,)
            elif type_ == codec.AAAA:
                assert ipaddress.ip_address(rdata.to_text()) == ipaddress.ip_address(str(record.value))
            else:
                assert rdata.to_text() == text(record)


@settings(deadline=None, max_examples=100)
@given(NAME, st.sampled_from(["A", "AAAA", "SRV", "PTR", "TXT"]), st.booleans(), st.integers(512, 4096))
def test_we_read_what_dnspython_asks(name: tuple[str, ...], type_: str, edns: bool, payload: int) -> None:
    message = dns.message.make_query(".".join(name), type_, use_edns=0 if edns else False, payload=payload)
    asked = codec.parse(message.to_wire())
    assert (asked.name, asked.type, asked.identifier) == (name, dns.rdatatype.from_text(type_), message.id)
    assert asked.edns == edns
    assert asked.limit_bytes == (min(payload, codec.EDNS_BYTES) if edns else codec.UDP_BYTES)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=80))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    for message in (data, b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + data):
        try:
            codec.parse(message)
        except MalformedMessage:
            continue


def test_an_answer_keeps_the_case_of_the_question() -> None:
    asked = question("WeB.Default.svc.Cluster.local")
    assert asked.name == ("web", "default", "svc", "cluster", "local")
    answer = dns.message.from_wire(codec.encode(asked, codec.NOERROR, [Record(asked.name, codec.A, 5, "10.0.0.1")]))
    assert answer.question[0].name.to_text() == "WeB.Default.svc.Cluster.local."


def test_an_answer_that_does_not_fit_says_that_it_is_truncated() -> None:
    asked = question()
    many = [Record(asked.name, codec.A, 5, f"10.0.0.{number}") for number in range(100)]
    data = codec.encode(asked, codec.NOERROR, many, limit_bytes=512)
    assert 496 < len(data) <= 512
    answer = dns.message.from_wire(data)
    assert answer.flags & dns.flags.TC
    assert [str(address) for address in answer.answer[0]] == [f"10.0.0.{number}" for number in range(len(answer.answer[0]))]


@pytest.mark.parametrize("payload", [512, 600, 1232, 4096])
def test_a_truncated_answer_to_an_asker_with_edns_keeps_to_its_limit(payload: int) -> None:
    asked = codec.parse(dns.message.make_query("web.default.svc.cluster.local", "A", use_edns=0, payload=payload).to_wire())
    many = [Record(asked.name, codec.A, 5, f"10.0.{number // 250}.{number % 250}") for number in range(1000)]
    data = codec.encode(asked, codec.NOERROR, many, limit_bytes=asked.limit_bytes)
    assert payload - 16 < len(data) <= payload
    assert dns.message.from_wire(data).edns == 0


def test_a_name_that_no_message_can_hold_is_refused() -> None:
    asked = question()
    with pytest.raises(ValueError, match="more than 63 bytes"):
        codec.encode(asked, codec.NOERROR, [Record(asked.name, codec.CNAME, 5, ("a" * 64, "example"))])


def test_additional_records_go_first_when_there_is_no_room() -> None:
    asked = question()
    more = [Record(asked.name, codec.A, 5, f"10.0.0.{number}") for number in range(100)]
    answer = dns.message.from_wire(codec.encode(asked, codec.NOERROR, more[:1], [], more, limit_bytes=512))
    assert not answer.flags & dns.flags.TC
    assert (len(answer.answer), len(answer.additional)) == (1, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01",
        b"\x00\x01\x80\x00\x00\x01" + bytes(6),
        b"\x00\x01\x01\x00\x00\x01" + bytes(6) + b"\xc0\x0c\x00\x01\x00\x01",
        b"\x00\x01\x01\x00\x00\x01" + bytes(6) + b"\xc0\x00\x00\x01\x00\x01",
        b"\x00\x01\x01\x00\x00\x02" + bytes(6),
    ],
    ids=["short", "answer", "loop", "header", "two questions"],
)
def test_messages_that_are_no_question_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        codec.parse(data)


def pointing_message(size: int) -> bytes:
    """A question with a long chain of pointers, and with records whose names all begin at the chain's end."""
    known = b"\x03abc\0" + struct.pack("!HH", codec.A, codec.INTERNET)
    first = 12 + len(known) + 11
    links = min(size // 3 // 2, (0x3FFF - first) // 2)
    targets = [12 + 4, *range(first, first + 2 * (links - 1), 2)]
    chain = b"".join(struct.pack("!H", 0xC000 | target) for target in targets)
    record = struct.pack("!HHHIH", 0xC000 | first + 2 * (links - 1), codec.TXT, codec.INTERNET, 0, 0)
    head = known + b"\0" + struct.pack("!HHIH", codec.TXT, codec.INTERNET, 0, len(chain)) + chain
    count = (size - 12 - len(head)) // len(record)
    return struct.pack("!6H", 1, codec.RD, 1, 0, 0, 1 + count) + head + record * count


def test_a_message_of_pointers_takes_no_longer_to_read_than_others_of_its_length() -> None:
    message = pointing_message(codec.STREAM_BYTES)
    began = time.process_time()
    assert codec.parse(message).name == ("abc",)
    assert len(codec.records(message)[1]) > 3000
    assert time.process_time() - began < 1


def test_a_name_with_more_pointers_than_labels_is_no_name() -> None:
    message = pointing_message(2000)
    place = codec.records(message)[1][-1]
    with pytest.raises(MalformedMessage, match="too many pointers"):
        codec._read_name(message, place.owner)


def time_to_read(name: tuple[str, ...]) -> float:
    """Seconds of the processor for an answer of 500 records of that name."""
    asked = codec.parse(codec.query(name, codec.A, 1))
    answer = codec.encode(asked, codec.NOERROR, [Record(name, codec.A, 5, f"10.0.{at // 250}.{at % 250}") for at in range(500)])
    began = time.process_time()
    reply = codec.parse_reply(answer)
    took_s = time.process_time() - began
    assert [record.name for record in reply.answers] == [name] * 500
    return took_s


def test_a_name_that_many_records_share_is_read_once() -> None:
    assert min(time_to_read(("x",) * 120) for _ in range(5)) < 2.5 * min(time_to_read(("x",)) for _ in range(5))


def test_a_name_made_of_the_names_before_it_is_no_longer_than_any_other() -> None:
    """Each record's name is a label and a pointer to the name of the record before."""
    question = b"\x03abc\0" + struct.pack("!HH", codec.A, codec.INTERNET)
    message, last = question, 12
    for _ in range(200):
        place = 12 + len(message)
        message += b"\x01x" + struct.pack("!H", 0xC000 | last) + struct.pack("!HHIH", codec.A, codec.INTERNET, 5, 4) + bytes(4)
        last = place
    with pytest.raises(MalformedMessage, match="a name is too long"):
        codec.parse_reply(struct.pack("!6H", 1, codec.QR, 1, 200, 0, 0) + message)


def answer_of(record: bytes, count: int, name: tuple[str, ...] = ("x",)) -> bytes:
    """With the same record, as it goes over the wire, so many times."""
    asked = codec.query(name, codec.A, 1)
    return struct.pack("!6H", 1, codec.QR | codec.RD, 1, count, 0, 0) + asked[12:] + record * count


@pytest.mark.parametrize("type_", [codec.A, codec.TXT, codec.MX])
def test_an_answer_of_64_kib_is_looked_at_quickly_and_refused_by_its_records(type_: int) -> None:
    data = {codec.A: bytes(4), codec.TXT: b"", codec.MX: struct.pack("!HH", 10, 0xC00C)}[type_]
    record = struct.pack("!HHHIH", 0xC00C, type_, codec.INTERNET, 5, len(data)) + data
    answer = answer_of(record, 65_000 // len(record), ("x",) * 120)
    took_s = []
    for _ in range(5):
        began = time.process_time()
        assert codec.is_answer(answer)
        with pytest.raises(MalformedMessage, match=r"records, of which at most 500 are read"):
            codec.parse_reply(answer)
        took_s.append(time.process_time() - began)
    assert min(took_s) < 0.005
    assert not codec.is_answer(answer[:-1])


def test_names_in_data_that_many_records_share_are_counted_once() -> None:
    name = ("x",) * 120
    record = struct.pack("!HHHIHHH", 0xC00C, codec.MX, codec.INTERNET, 5, 4, 10, 0xC00C)
    reply = codec.parse_reply(answer_of(record, codec.MOST_RECORDS, name))
    assert {each.value for each in reply.answers} == {codec.Data(b"\0\n" + codec.wire_of(name))}


def test_an_answer_of_very_many_labels_is_refused() -> None:
    record = codec.wire_of(("x",) * 120) + struct.pack("!HHIH", codec.TXT, codec.INTERNET, 5, 0)
    assert len(codec.parse_reply(answer_of(record, 16)).answers) == 16
    with pytest.raises(MalformedMessage, match="more than 2000 labels"):
        codec.parse_reply(answer_of(record, 17))
