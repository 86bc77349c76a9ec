"""What the kernel tells of a packet, from bytes in its form; and what a node takes as a question about one."""

import ipaddress
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.linux.netlink import attribute, message
from pilothouse.model.errors import BadRequest
from pilothouse.network.trace import TraceConfig
from pilothouse.network.trace.kernel import commands
from pilothouse.network.trace.messages import TRACE_MESSAGE, Flow, Step, steps
from pilothouse.network.trace.wanted import wanted

VERDICT, CODE, CHAIN = 5, 1, 2


def number(value: int) -> bytes:
    return struct.pack("!I", value & 0xFFFFFFFF)


def verdict(code: int, chain: str = "") -> bytes:
    parts = attribute(CODE, number(code)) + (attribute(CHAIN, chain.encode() + b"\0") if chain else b"")
    return attribute(VERDICT | 0x8000, parts)


def told(*parts: bytes, family: int = 2, kind: int = 3) -> bytes:
    body = struct.pack("BBH", family, 0, 0)
    body += attribute(1, b"table\0") + attribute(2, b"chain\0") + attribute(4, number(kind)) + attribute(6, number(77)) + b"".join(parts)
    return message(TRACE_MESSAGE, 0, 0, body)


def ipv4(protocol: int = 6) -> bytes:
    addresses = ipaddress.IPv4Address("10.0.0.1").packed + ipaddress.IPv4Address("10.0.0.2").packed
    return bytes((0x45,)) + bytes(8) + bytes((protocol,)) + bytes(2) + addresses


def ipv6() -> bytes:
    addresses = ipaddress.IPv6Address("fd00::1").packed + ipaddress.IPv6Address("fd00::2").packed
    return bytes((0x60,)) + bytes(5) + bytes((17, 0)) + addresses


def test_a_rule_that_a_packet_met_is_read() -> None:
    data = told(
        attribute(3, struct.pack("!Q", 12)),
        verdict(0),
        attribute(8, ipv4()),
        attribute(9, struct.pack("!HH", 1, 80)),
        attribute(10, number(4)),
    )
    flow = Flow("tcp", "10.0.0.1", 1, "10.0.0.2", 80)
    assert list(steps(data)) == [Step(77, "ip", "table", "chain", "rule", "drop", 12, flow, 4, 0)]


def test_packets_of_ipv6_are_read() -> None:
    (step,) = steps(told(verdict(1), attribute(8, ipv6()), attribute(9, struct.pack("!HH", 5, 53)), family=1))
    assert (step.family, step.flow) == ("inet", Flow("udp", "fd00::1", 5, "fd00::2", 53))


@pytest.mark.parametrize(
    ("part", "kind", "expected"),
    [
        (verdict(-3, "c"), 3, "jump c"),
        (verdict(-4, "c"), 3, "goto c"),
        (verdict(-1), 3, "continue"),
        (verdict(-5), 2, "return"),
        (attribute(16, number(0)), 1, "drop"),
        (attribute(16, number(1)), 1, "accept"),
    ],
)
def test_verdicts_and_policies_are_named(part: bytes, kind: int, expected: str) -> None:
    (step,) = steps(told(part, kind=kind))
    assert step.verdict == expected


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    list(steps(data))
    list(steps(message(TRACE_MESSAGE, 0, 0, b"\2\0\0\0" + data)))


ASKED: dict[str, Any] = {"protocol": "tcp", "sourcePort": 40000, "sources": ["10.0.0.1", "fd00::1"], "seconds": 2}


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "icmp"},
        {"sourcePort": 0},
        {"sourcePort": "40000"},
        {"sourcePort": True},
        {"sources": []},
        {"sources": ["10.0.0.1; flush ruleset"]},
        {"sources": ["10.0.0.1"] * 33},
        {"seconds": 11},
        {"seconds": -1},
        {"send": {"destination": "x", "port": 1, "namespace": "a", "pod": "b", "uid": "c"}},
        {"send": {"destination": "10.0.0.1", "port": 99999, "namespace": "a", "pod": "b", "uid": "c"}},
        {"send": {}},
        {"send": "all"},
    ],
)
def test_a_question_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        wanted(ASKED | change)


def test_the_mark_is_for_the_one_packet_and_forgets_it() -> None:
    text = commands(TraceConfig(instance="x"), wanted(ASKED))
    assert "add element inet pilothouse-x-trace flows { tcp . 40000 timeout 15s }" in text
    assert "ip saddr { 10.0.0.1 } tcp flags & (syn | ack) == syn meta l4proto . th sport @flows meta nftrace set 1" in text
    assert "ip6 saddr { fd00::1 } tcp flags" in text
