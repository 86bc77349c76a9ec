"""DNS messages as bytes: questions in, answers out. Pure.

Names are lower-case tuples of labels, without the root. Source: RFC 1035 (format, compression), RFC 2782 (SRV), RFC 6891 (EDNS0).
"""

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 255
NOT_ASKED = frozenset((OPT, *range(249, 255)))
"""Types that are no record's, and of which nothing can be said here: transfers of zones, signatures of messages, RFC 1035's for mail."""
INTERNET = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
ANSWER, AUTHORITY, ADDITIONAL = 1, 2, 3
_SIGNATURES = 0x8000
"""In the TTL of an OPT record: the asker wants DNSSEC records (DO)."""
UDP_BYTES = 512
STREAM_BYTES = 65535
EDNS_BYTES = 4096
"""The longest UDP answer, for askers who offer that much. Pods are one bridge away, so a long datagram meets no small MTU."""
_POINTER = 0xC0
_LONGEST_NAME = 255
_LONGEST_LABEL = 63
_MOST_POINTERS = 126
"""Of one name: each may stand before a label, and a name of 255 bytes has no more labels than that behind its first."""
MOST_RECORDS, MOST_LABELS = 500, 2000
"""Of an answer to a question of our own, which is read record by record. The second: of names, counted once where others point to them."""
_OPT_BYTES = 11
_NAMES_IN_DATA = {NS: 0, CNAME: 0, PTR: 0, MX: 2, SRV: 6}
"""Types whose data end in a name that a sender may have compressed, and how many bytes stand before it."""

Name = tuple[str, ...]


class MalformedMessage(ValueError):
    """Not a DNS question that can be answered. identifier: of the message, None when even that is missing."""

    def __init__(self, message: str, identifier: int | None = None) -> None:
        super().__init__(message)
        self.identifier = identifier


@dataclass(frozen=True, slots=True)
class Question:
    """raw: the question section as it came; letters keep their case in the answer, for resolvers that check it.

    limit_bytes: the longest answer that the asker takes over UDP. edns: it has sent an OPT record and gets one back; has_options: with
    options in it, or of a later version; wants_signatures: with the bit DO; edns_version: 0 is the one that is known here.
    """

    identifier: int
    flags: int
    name: Name
    type: int
    class_: int
    raw: bytes
    edns: bool = False
    limit_bytes: int = UDP_BYTES
    has_options: bool = False
    wants_signatures: bool = False
    edns_version: int = 0

    @property
    def opcode(self) -> int:
        return (self.flags >> 11) & 0xF


@dataclass(frozen=True, slots=True)
class Record:
    """value: address as text (A, AAAA), name (NS, CNAME, PTR), bytes (TXT), the tuples `Service` and `Authority`, or `Data` of any type."""

    name: Name
    type: int
    ttl_s: int
    value: "str | bytes | Name | Service | Authority | Data"


@dataclass(frozen=True, slots=True)
class Data:
    """A record's data as they go over the wire, without compressed names."""

    wire: bytes


@dataclass(frozen=True, slots=True)
class Service:
    priority: int
    weight: int
    port: int
    target: Name


@dataclass(frozen=True, slots=True)
class Authority:
    server: Name
    mailbox: Name
    serial: int
    refresh_s: int
    retry_s: int
    expire_s: int
    minimum_s: int


def name_of(text: str) -> Name:
    return tuple(label for label in text.lower().strip(".").split(".") if label)


def text_of(name: Name) -> str:
    return ".".join(name)


def parse(data: bytes) -> Question:
    """Raises MalformedMessage."""
    if len(data) < 12:
        raise MalformedMessage("shorter than a header")
    identifier, flags, questions, answers, authorities, additional = struct.unpack_from("!6H", data)
    if flags & QR:
        raise MalformedMessage("an answer, not a question")
    if questions != 1:
        raise MalformedMessage(f"{questions} questions", identifier)
    try:
        name, offset = _read_name(data, 12)
        type_, class_ = struct.unpack_from("!HH", data, offset)
        question = Question(identifier, flags, name, type_, class_, data[12 : offset + 4])
        return _with_edns(question, data, offset + 4, answers + authorities + additional)
    except (struct.error, IndexError) as error:
        raise MalformedMessage("ends too early", identifier) from error
    except MalformedMessage as error:
        raise MalformedMessage(str(error), identifier) from error


def question_bytes(message: bytes) -> int:
    """Length of the question section of a message that `parse` has taken, or that `query` has made."""
    return _read_name(message, 12)[1] + 4 - 12


def is_truncated(message: bytes) -> bool:
    return len(message) >= 4 and bool(int.from_bytes(message[2:4], "big") & TC)


def folded(section: bytes) -> bytes:
    """A question section by which to compare: its name in lower case, its type and class as they are."""
    return section[:-4].lower() + section[-4:]


def is_answer(message: bytes) -> bool:
    """Whether it is one, and can be read as far as it goes."""
    if len(message) < 12 or not message[2] & QR >> 8 or message[2] & 0x78:
        return False
    try:
        return _end_of_records(message) <= len(message) or is_truncated(message)
    except (MalformedMessage, struct.error, IndexError):
        return is_truncated(message)


def _end_of_records(message: bytes) -> int:
    """The offset behind the last one of a message with one question; the message may end before.

    Raises MalformedMessage, struct.error, IndexError.
    """
    questions, *counts = struct.unpack_from("!4H", message, 4)
    if questions != 1:
        raise MalformedMessage(f"{questions} questions")
    offset = 12 + question_bytes(message)
    for _ in range(sum(counts)):
        offset = _behind_name(message, offset)
        offset += 10 + (message[offset + 8] << 8 | message[offset + 9])
    return offset


def is_of_use(message: bytes) -> bool:
    """Whether the sender answers the question, rather than that it cannot or may not."""
    return len(message) >= 4 and message[3] & 0xF in (NOERROR, NXDOMAIN)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record of a message is. owner, ttl_offset, start, end: of its name, its TTL and its data, in bytes."""

    owner: int
    section: int
    type: int
    ttl_s: int
    ttl_offset: int
    start: int
    end: int


def records(message: bytes, most: int = STREAM_BYTES) -> tuple[int, list[Place]]:
    """Flags of a message with one question, and all its records. Raises MalformedMessage, also for more than `most` of them."""
    try:
        _, flags, questions, *counts = struct.unpack_from("!6H", message)
        if questions != 1:
            raise MalformedMessage(f"{questions} questions")
        if sum(counts) > most:
            raise MalformedMessage(f"{sum(counts)} records, of which at most {most} are read")
        offset = 12 + question_bytes(message)
        found: list[Place] = []
        for section, count in zip((ANSWER, AUTHORITY, ADDITIONAL), counts, strict=True):
            for _ in range(count):
                owner = offset
                offset = _behind_name(message, offset)
                type_, _, ttl_s, length = struct.unpack_from("!HHIH", message, offset)
                start = offset + 10
                found.append(Place(owner, section, type_, ttl_s, offset + 4, start, start + length))
                offset = start + length
        if offset > len(message):
            raise MalformedMessage("ends too early")
    except (struct.error, IndexError) as error:
        raise MalformedMessage("ends too early") from error
    return flags, found


def _with_edns(question: Question, data: bytes, offset: int, records: int) -> Question:
    for _ in range(records):
        has_name, offset = data[offset] != 0, _behind_name(data, offset)
        type_, class_, ttl, length = struct.unpack_from("!HHIH", data, offset)
        offset += 10 + length
        if type_ != OPT:
            continue
        if question.edns or has_name:
            raise MalformedMessage("an OPT record with a name, or more than one of them")
        question = replace(
            question,
            edns=True,
            limit_bytes=max(UDP_BYTES, min(class_, EDNS_BYTES)),
            has_options=bool(length or ttl & ~_SIGNATURES),
            wants_signatures=bool(ttl & _SIGNATURES),
            edns_version=(ttl >> 16) & 0xFF,
        )
    if offset > len(data):
        raise MalformedMessage("ends too early")
    return question


def _behind_name(data: bytes, offset: int) -> int:
    """The offset behind the name at an offset. No pointer is followed, so that the names of a message cost no more than its bytes."""
    while length := data[offset]:
        if length & _POINTER == _POINTER:
            return offset + 2
        if length & _POINTER:
            raise MalformedMessage("a label of an unknown kind")
        offset += length + 1
    return offset + 1


@dataclass(slots=True)
class _Names:
    """For who reads many names of one message. behind: the labels behind each pointer that was met. wires: of names, without compression.

    labels: how many were read or written so far.
    """

    behind: dict[int, tuple[str, ...]] = field(default_factory=dict)
    wires: dict[Name, bytes] = field(default_factory=dict)
    labels: int = 0

    def count(self, labels: int) -> None:
        """Raises MalformedMessage when it becomes too much."""
        self.labels += labels
        if self.labels > MOST_LABELS:
            raise MalformedMessage(f"names of more than {MOST_LABELS} labels")

    def wire_of(self, name: Name) -> bytes:
        """Raises MalformedMessage when it becomes too much, ValueError for a name that no message can hold."""
        wire = self.wires.get(name)
        if wire is None:
            self.count(len(name))
            wire = self.wires[name] = wire_of(name)
        return wire


def _read_name(data: bytes, offset: int, names: _Names | None = None) -> tuple[Name, int]:
    """The name at an offset, and the offset behind it. Pointers must lead backwards, so every name ends."""
    labels: list[str] = []
    met: list[tuple[int, int]] = []
    end, size, earliest, shared = 0, 0, offset, 0
    while length := data[offset]:
        if length & _POINTER == _POINTER:
            end = end or offset + 2
            offset = ((length & 0x3F) << 8) | data[offset + 1]
            if not 12 <= offset < earliest:
                raise MalformedMessage("a name points forwards")
            if len(met) == _MOST_POINTERS:
                raise MalformedMessage("a name has too many pointers")
            if names is not None and (behind := names.behind.get(offset)) is not None:
                if size + sum(map(len, behind)) + len(behind) >= _LONGEST_NAME:
                    raise MalformedMessage("a name is too long")
                labels += behind
                shared = len(behind)
                break
            met.append((offset, len(labels)))
            earliest = offset
            continue
        if length & _POINTER:
            raise MalformedMessage("a label of an unknown kind")
        size += length + 1
        if size >= _LONGEST_NAME:
            raise MalformedMessage("a name is too long")
        labels.append(data[offset + 1 : offset + 1 + length].lower().decode("latin-1"))
        offset += length + 1
    if names is not None:
        names.count(len(labels) - shared)
        names.behind.update((target, tuple(labels[at:])) for target, at in met)
    return tuple(labels), end or offset + 1


class _Writer:
    """Bytes of a message, with each name written once and pointed to afterwards."""

    def __init__(self, head: bytes, known: Name) -> None:
        self.data = bytearray(head)
        self._places: dict[Name, int] = {}
        self._note(known, 12, len(known))

    def _note(self, name: Name, offset: int, labels: int) -> None:
        """The first `labels` labels of the name stand at the offset; each is the start of a name to point to."""
        for start in range(labels):
            if offset < 0x4000:
                self._places.setdefault(name[start:], offset)
            offset += len(name[start]) + 1

    def name(self, name: Name, *, compress: bool = True) -> None:
        start = next((at for at in range(len(name)) if name[at:] in self._places), len(name)) if compress else len(name)
        if compress:
            self._note(name, len(self.data), start)
        for label in name[:start]:
            self.data += _label(label, name)
        self.data += struct.pack("!H", 0xC000 | self._places[name[start:]]) if start < len(name) else b"\0"

    def section(self, records: Iterable[Record], most_bytes: int, *, may_be_cut: bool) -> tuple[int, bool]:
        """As many records as fit, in order, or none: how many that were, and whether they were all."""
        start, count = len(self.data), 0
        for record in records:
            end = len(self.data)
            self.record(record)
            if len(self.data) > most_bytes:
                del self.data[end if may_be_cut else start :]
                return count if may_be_cut else 0, False
            count += 1
        return count, True

    def record(self, record: Record) -> None:
        self.name(record.name)
        self.data += struct.pack("!HHIH", record.type, INTERNET, record.ttl_s, 0)
        start = len(self.data)
        self._value(record)
        struct.pack_into("!H", self.data, start - 2, len(self.data) - start)

    def _value(self, record: Record) -> None:
        match record.value:
            case str(address):
                self.data += socket.inet_pton(socket.AF_INET if record.type == A else socket.AF_INET6, address)
            case bytes(text):
                self.data += bytes((len(text),)) + text
            case Data(wire):
                self.data += wire
            case Service(priority, weight, port, target):
                self.data += struct.pack("!HHH", priority, weight, port)
                self.name(target, compress=False)
            case Authority() as soa:
                self.name(soa.server)
                self.name(soa.mailbox)
                self.data += struct.pack("!5I", soa.serial, soa.refresh_s, soa.retry_s, soa.expire_s, soa.minimum_s)
            case name:
                self.name(name)


def encode(
    question: Question,
    code: int,
    answers: Iterable[Record] = (),
    authority: Iterable[Record] = (),
    additional: Iterable[Record] = (),
    *,
    limit_bytes: int = STREAM_BYTES,
    authoritative: bool = True,
) -> bytes:
    """limit_bytes: what does not fit is left out, all additional records first, then all of authority, then the last answers.

    Left-out answers set the truncation flag; those that fit are there for askers that know no TCP (musl before 1.2.4). The work is
    bounded by the limit, not by the records. Raises ValueError for a name that no message can hold.
    """
    flags = QR | RA | (AA if authoritative else 0) | (question.flags & (RD | 0x7800)) | code & 0xF
    room = limit_bytes - (_OPT_BYTES if question.edns else 0)
    writer = _Writer(struct.pack("!6H", question.identifier, flags, 1, 0, 0, 0) + question.raw, question.name)
    counts = [0, 0, 0]
    for number, section in enumerate((answers, authority, additional)):
        counts[number], is_whole = writer.section(section, room, may_be_cut=number == 0)
        if not is_whole:
            # Nothing is written after this: names that were taken back may not be pointed to.
            flags |= TC if number == 0 else 0
            break
    struct.pack_into("!4H", writer.data, 2, flags, 1, counts[0], counts[1])
    struct.pack_into("!H", writer.data, 10, counts[2] + question.edns)
    return bytes(writer.data) + (_opt(question, code) if question.edns else b"")


def _opt(question: Question, code: int) -> bytes:
    """With the upper bits of the code, and DO as it was asked (RFC 3225)."""
    more = (code >> 4) << 24 | (_SIGNATURES if question.wants_signatures else 0)
    return struct.pack("!BHHIH", 0, OPT, EDNS_BYTES, more, 0)


def cut_off(question: Question, answer: bytes) -> bytes:
    """In place of an answer that is longer than the asker takes: nothing of it but its flags."""
    flags = int.from_bytes(answer[2:4], "big") | TC
    head = struct.pack("!6H", question.identifier, flags, 1, 0, 0, int(question.edns))
    return head + question.raw + (_opt(question, flags & 0xF) if question.edns else b"")


def encode_failure(identifier: int, code: int) -> bytes:
    """For messages that were not understood."""
    return struct.pack("!6H", identifier, QR | RA | code, 0, 0, 0, 0)


def query(name: Name, type_: int, identifier: int) -> bytes:
    """A question of our own, recursion desired."""
    return struct.pack("!6H", identifier, RD, 1, 0, 0, 0) + wire_of(name) + struct.pack("!HH", type_, INTERNET)


def wire_of(name: Name) -> bytes:
    """Without compression. Raises ValueError for a name that no message can hold."""
    labels = b"".join(_label(label, name) for label in name)
    if len(labels) >= _LONGEST_NAME:
        raise ValueError(f"{text_of(name)[:_LONGEST_LABEL]}... is longer than {_LONGEST_NAME} bytes")
    return labels + b"\0"


def _label(label: str, name: Name) -> bytes:
    encoded = label.encode("latin-1")
    if len(encoded) > _LONGEST_LABEL:
        raise ValueError(f"{text_of(name)} has a label of more than {_LONGEST_LABEL} bytes")
    return bytes((len(encoded),)) + encoded


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a question of our own. negative: SOA records of the authority section, which say how long an absence holds."""

    code: int
    answers: tuple[Record, ...]
    negative: tuple[Record, ...]


def parse_reply(data: bytes) -> Reply:
    """Raises MalformedMessage, also for a message that it would take long to read."""
    flags, places = records(data, MOST_RECORDS)
    names = _Names()
    answers = tuple(_record(data, place, names) for place in places if place.section == ANSWER)
    negative = tuple(_record(data, place, names) for place in places if place.section == AUTHORITY and place.type == SOA)
    return Reply(flags & 0xF, answers, negative)


def _record(data: bytes, place: Place, names: _Names) -> Record:
    try:
        return Record(_read_name(data, place.owner, names)[0], place.type, place.ttl_s, _value_at(data, place, names))
    except MalformedMessage:
        raise
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedMessage("a record's data are not of its type") from error


def _value_at(data: bytes, place: Place, names: _Names) -> "str | Name | Data":
    wire = data[place.start : place.end]
    if place.type in (A, AAAA):
        return socket.inet_ntop(socket.AF_INET if place.type == A else socket.AF_INET6, wire)
    if place.type == CNAME:
        return _read_name(data, place.start, names)[0]
    if place.type == SOA:
        server, offset = _read_name(data, place.start, names)
        mailbox, offset = _read_name(data, offset, names)
        return Data(names.wire_of(server) + names.wire_of(mailbox) + data[offset : offset + 20])
    if (before := _NAMES_IN_DATA.get(place.type)) is not None:
        return Data(wire[:before] + names.wire_of(_read_name(data, place.start + before, names)[0]))
    return Data(wire)
