"""Whom the guard of addresses asks, and whom it takes for lost."""

from collections.abc import Callable
from ipaddress import ip_address

from pilothouse.network.announce.guard import IN_TURN, MOST_AGAIN, MOST_MISSES, Guard, Silent

ADDRESSES = [ip_address(f"192.0.2.{number}") for number in range(1, 41)]


def rounds(guard: Guard, count: int, answers: Callable[[Silent], bool], number: int = 40) -> tuple[set[str], set[Silent]]:
    """Who is lost within so many seconds."""
    nodes, addresses = set(), set()
    for now in range(count):
        for node, address in guard.questions({"n1": ADDRESSES[:number]}, float(now)):
            if answers((node, address)):
                guard.answered(node, address, now + 0.1)
        lost = guard.lost()
        nodes.update(lost[0])
        addresses.update(lost[1])
    return nodes, addresses


def test_a_node_that_answers_for_nothing_is_lost_after_three_questions() -> None:
    assert rounds(Guard(), MOST_MISSES - 1, lambda _: False) == (set(), set())
    assert rounds(Guard(), MOST_MISSES, lambda _: False) == ({"n1"}, set())


def test_one_address_without_an_answer_is_lost_by_itself() -> None:
    silent = "n1", ADDRESSES[1]
    assert rounds(Guard(), 20, lambda asked: asked != silent) == (set(), {silent})


def test_every_address_has_its_turn() -> None:
    silent = {("n1", each) for each in ADDRESSES[5:8]}
    assert rounds(Guard(), len(ADDRESSES) // IN_TURN + MOST_MISSES + 1, lambda asked: asked not in silent) == (set(), silent)


def test_the_only_address_of_a_node_tells_nothing_of_others() -> None:
    assert rounds(Guard(), 5, lambda _: False, number=1) == (set(), {("n1", ADDRESSES[0])})


def test_a_node_that_answers_late_is_not_lost() -> None:
    guard = Guard()
    for now in range(20):
        asked = guard.questions({"n1": ADDRESSES}, float(now))
        assert guard.lost() == ([], [])
        for each in asked if now % 2 else ():
            guard.answered(*each, float(now))


def test_few_questions_are_asked_at_once() -> None:
    guard = Guard()
    most = max(len(guard.questions({"n1": ADDRESSES}, float(now))) for now in range(50))
    assert most <= IN_TURN + MOST_AGAIN


def test_what_is_guarded_no_more_is_not_judged() -> None:
    guard = Guard()
    for now in range(MOST_MISSES):
        guard.questions({"n1": ADDRESSES}, float(now))
    guard.questions({"n2": ADDRESSES}, 9.0)
    assert guard.lost() == ([], [])
