"""Thresholds as settings write them."""

from fractions import Fraction

import pytest

from pilothouse.engine.node.config import HARD
from pilothouse.engine.node.eviction.thresholds import Amount, Threshold, ThresholdError, parse, shown


def test_the_defaults_are_understood() -> None:
    found = {each.signal: each.amount for each in parse(HARD)}
    assert found == {
        "memory.available": Amount(quantity=Fraction(100 << 20)),
        "nodefs.available": Amount(percent=Fraction(5)),
        "nodefs.inodesFree": Amount(percent=Fraction(5)),
        "imagefs.available": Amount(percent=Fraction(5)),
        "imagefs.inodesFree": Amount(percent=Fraction(5)),
    }


def test_a_soft_threshold_has_its_grace_and_both_have_the_minimum_reclaim() -> None:
    hard, soft = parse("memory.available<1Gi", "memory.available<2Gi", "memory.available=1m30s", "memory.available=500Mi")
    assert (hard.grace_s, soft.grace_s, soft.is_hard) == (0.0, 90.0, False)
    assert hard.min_reclaim == soft.min_reclaim == Amount(quantity=Fraction(500 << 20))


def test_nothing_at_all_turns_eviction_off() -> None:
    assert parse("") == ()


@pytest.mark.parametrize(
    ("hard", "soft", "grace", "reclaim", "said"),
    [
        ("memory.free<1Gi", "", "", "", "'memory.free' is no signal"),
        ("memory.available>1Gi", "", "", "", "'memory.available>1Gi' is no threshold"),
        ("memory.available<", "", "", "", "is no threshold"),
        ("memory.available<much", "", "", "", "neither an amount"),
        ("memory.available<-1", "", "", "", "neither an amount"),
        ("memory.available<101%", "", "", "", "neither an amount"),
        ("memory.available<1/0%", "", "", "", "neither an amount"),
        ("memory.available<1Gi,memory.available<2Gi", "", "", "", "given twice"),
        ("", "memory.available<1Gi", "", "", "needs a grace period"),
        ("", "memory.available<1Gi", "memory.available=soon", "", "no duration"),
        ("", "", "", "memory.available<1Gi", "is no threshold"),
    ],
)
def test_what_is_no_threshold_is_named(hard: str, soft: str, grace: str, reclaim: str, said: str) -> None:
    with pytest.raises(ThresholdError, match=said):
        parse(hard, soft, grace, reclaim)


def test_a_part_is_of_the_capacity() -> None:
    threshold = Threshold("nodefs.available", Amount(percent=Fraction(15)))
    assert threshold.amount.of(1000) == 150
    assert (shown(100 << 20, "memory.available"), shown(1500, "pid.available")) == ("100Mi", "1500")
