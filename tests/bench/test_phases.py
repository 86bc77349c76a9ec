"""The phases of a failover, from what a client of the cluster's API saw."""

from bench.rig.phases import PHASES, Seen, told

OPEN, ENDED = {"startedAt": "1"}, {"startedAt": "1", "finishedAt": "2"}


def seen() -> Seen:
    """A kill of a at 10.0: b was primary once before."""
    statuses = [
        (1.0, {"primary": "b", "move": ENDED}),
        (2.0, {"primary": "a", "move": ENDED}),
        (10.5, {"primary": "", "move": OPEN}),
        (10.75, {"primary": "b", "move": OPEN}),
        (11.75, {"primary": "b", "move": ENDED}),
    ]
    led = [(1.0, frozenset("b")), (2.0, frozenset("a")), (10.6, frozenset()), (13.75, frozenset("b"))]
    return Seen(statuses, led)


def test_phases_follow_each_other_up_to_the_next_row() -> None:
    found = seen().phases(10.0, 14.0)
    assert found == dict(zip(PHASES, (0.5, 0.25, 1.0, 2.0, 0.25), strict=True))
    assert told(found) == "noticed 0.50, elected 0.25, promoted 1.00, led 2.00, reached 0.25"


def test_a_primary_that_has_come_back_itself_passes_through_none() -> None:
    assert seen().phases(20.0, 21.0) == {}
    assert told({}) == "the primary has come back itself"
