"""How long a packet is looked for, which steps are of the first one, and what of its way a report shows."""

import socket
import time
from threading import Event

from pilothouse.network.trace.config import TraceConfig
from pilothouse.network.trace.messages import Step
from pilothouse.network.trace.wanted import Wanted
from pilothouse.network.trace.watch import Report, _seen, first_packet

CONFIG = TraceConfig(instance="t")
WANTED = Wanted("tcp", 40000, ("10.1.0.2",), 10.0)


def test_a_packet_is_not_looked_for_when_nobody_waits_any_more() -> None:
    ends, began = Event(), time.monotonic()
    ends.set()
    one, other = socket.socketpair()
    with one, other:
        assert _seen(one, WANTED, None, ends) == {}
    assert time.monotonic() - began < 5


def test_rules_that_let_a_packet_go_on_are_left_out_but_for_those_of_rehearsals() -> None:
    steps = [Step(1, "inet", "pilothouse-x-policy", chain, "rule", "continue") for chain in ("entering", "ingress-would-0123")]
    steps.append(Step(1, "inet", "pilothouse-x-policy", "refuse", "rule", "drop"))
    assert [step["chain"] for step in Report(steps, {}, None).document()["steps"]] == ["ingress-would-0123", "refuse"]


def step(packet: int, chain: str, table: str = CONFIG.table) -> Step:
    return Step(packet, "inet", table, chain, "policy", "accept")


def test_a_packet_that_the_kernel_counts_as_two_is_one() -> None:
    arrives = [step(1, "prerouting-first"), step(1, "prerouting", "other")]
    goes_on = [step(2, "forward", "other"), step(2, "postrouting-last")]
    assert first_packet([arrives, goes_on], CONFIG) == [*arrives, *goes_on]


def test_what_is_sent_again_is_another_packet() -> None:
    first, again = [step(1, "prerouting-first")], [step(2, "prerouting-first"), step(2, "postrouting-last")]
    assert first_packet([first, again], CONFIG) == first
    assert first_packet([], CONFIG) == []
