"""Who may ask adapters, and who waits."""

from pilothouse.engine.controllers.podautoscaler.turns import Turns

A, B = frozenset({"a"}), frozenset({"b"})


def test_two_ask_each_api_at_a_time_and_the_next_is_woken_when_one_leaves() -> None:
    woken: list[str] = []
    turns = Turns(woken.append)
    assert [turns.take(key, A) for key in ("1", "2", "3", "4")] == [True, True, False, False]
    assert [turns.take(key, B) for key in ("5", "6")] == [True, True]
    turns.leave("1")
    assert woken == ["3"]
    assert (turns.take("4", A), turns.take("7", A), turns.take("3", A)) == (False, False, True), "its place was kept"
    turns.leave("3")
    assert woken == ["3", "4"]


def test_whoever_waits_for_both_is_not_overtaken_for_ever() -> None:
    woken: list[str] = []
    turns = Turns(woken.append)
    assert [turns.take("1", A), turns.take("2", A), turns.take("3", B), turns.take("4", B)] == [True] * 4
    assert [turns.take("both", A | B), turns.take("5", A)] == [False, False]
    turns.leave("1")
    assert woken == []
    turns.leave("3")
    assert woken == ["both"]
    turns.leave("2")
    assert woken == ["both", "5"]


def test_one_that_goes_while_it_waits_or_has_been_woken_takes_no_place_along() -> None:
    woken: list[str] = []
    turns = Turns(woken.append)
    assert [turns.take(key, A) for key in ("1", "2", "3", "4", "5")] == [True, True, False, False, False]
    turns.leave("3")
    turns.leave("1")
    assert woken == ["4"]
    turns.leave("4")
    assert woken == ["4", "5"]
    turns.leave("nobody")
    assert turns.take("5", A | B), "it asks for more than it did"
