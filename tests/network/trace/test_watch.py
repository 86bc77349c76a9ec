"""Which of the steps that the kernel tells of are of the first packet."""

from pilothouse.network.trace.config import TraceConfig
from pilothouse.network.trace.messages import Step
from pilothouse.network.trace.watch import first_packet

CONFIG = TraceConfig(instance="t")


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
