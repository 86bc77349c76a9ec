"""Whether written rules are seen to be gone, and what looking costs. The kernel's answers are made up."""

from collections import Counter

import pytest

from pilothouse.linux.nft_state import NftState
from pilothouse.linux.nft_written import WrittenRules

TABLE = "ip t"
COMMANDS = f"add table {TABLE}\ndelete table {TABLE}\nadd table {TABLE}\n" + "".join(
    f"add chain {TABLE} {chain}\n" + "".join(f"add rule {TABLE} {chain} tcp dport {number} accept\n" for number in range(count))
    for chain, count in (("one", 2), ("two", 1), ("empty", 0))
)


class FakeState(NftState):
    """As many rules as it is told, and a number that says when they changed. each_s: of work for a look at the rules."""

    def __init__(self, **rules: int) -> None:
        self.present = Counter(rules)
        self.number, self.asked, self.now_s, self.worked_s, self.each_s = 1, 0, 0.0, 0.0, 0.0

    def generation(self) -> int:
        return self.number

    def rules(self, family: int, table: str) -> Counter[str]:
        assert (family, table) == (2, "t")
        self.asked += 1
        self.worked_s += self.each_s
        return self.present

    def changed(self, **rules: int) -> "FakeState":
        self.present.update(rules)
        self.number += 1
        return self


def written(state: FakeState, *commands: str) -> WrittenRules:
    found = WrittenRules(lambda: state.now_s, lambda: state.worked_s)
    for each in (COMMANDS, *commands):
        found.note(each)
    return found


@pytest.mark.parametrize(
    ("commands", "present", "is_in_place"),
    [
        ("", {"one": 2, "two": 1}, True),
        ("", {"one": 1, "two": 1}, False),
        ("", {"one": 2}, False),
        ("", {}, False),
        ("", {"one": 2, "two": 1, "somebody's": 3}, True),
        (f"flush chain {TABLE} one\nadd rule {TABLE} one accept", {"one": 1, "two": 1}, True),
        (f"flush chain {TABLE} one\ndelete chain {TABLE} one", {"two": 1}, True),
        (f"delete table {TABLE}", {}, True),
        (f"add element {TABLE} m {{ 1 : 2 }}\ndelete element {TABLE} m {{ 1 }}", {"one": 2, "two": 1}, True),
    ],
)
def test_a_chain_with_fewer_rules_than_were_written_is_noticed(commands: str, present: dict[str, int], is_in_place: bool) -> None:
    state = FakeState(**present)
    assert written(state, commands).is_in_place(state) is is_in_place


def test_while_nobody_changes_a_table_no_rule_is_looked_at() -> None:
    state = FakeState(one=2, two=1)
    looking = written(state)
    for _ in range(5):
        assert looking.is_in_place(state)
    assert state.asked == 1


def test_somebody_who_changes_tables_all_the_time_costs_a_twentieth_of_a_processor() -> None:
    state = FakeState(one=2, two=1)
    state.each_s = 0.25
    looking = written(state)
    for _ in range(100):
        state.now_s += 1
        assert looking.is_in_place(state.changed())
    assert state.asked == 20
    state.changed(two=-1)
    state.now_s += 5
    assert not looking.is_in_place(state), "and what is gone is noticed"


def test_what_is_gone_is_said_until_it_is_written_again() -> None:
    state = FakeState(one=2)
    looking = written(state)
    assert not looking.is_in_place(state)
    assert not looking.is_in_place(state)
    looking.note(COMMANDS)
    assert looking.is_in_place(state.changed(two=1))


def test_what_else_has_to_hold_is_asked_when_something_changed() -> None:
    state = FakeState(one=2, two=1)
    asked: list[int] = []

    def holds() -> bool:
        asked.append(state.number)
        return len(asked) == 1

    looking = written(state)
    assert looking.is_in_place(state, holds)
    assert looking.is_in_place(state, holds)
    assert asked == [1]
    assert not looking.is_in_place(state.changed(), holds)
