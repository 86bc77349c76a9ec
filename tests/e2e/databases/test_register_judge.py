"""The judge of the register, on histories whose answer is known."""

from tests.e2e.databases.register import UNKNOWN, Operation, is_linearizable


def read(began: float, ended: float, found: int) -> Operation:
    return Operation("read", began, ended, found=found)


def write(began: float, ended: float, value: int) -> Operation:
    return Operation("write", began, ended, value)


def cas(began: float, ended: float, expected: int, value: int, found: int) -> Operation:
    return Operation("cas", began, ended, value, expected, found, done=expected == found)


def test_a_read_sees_the_last_write() -> None:
    assert is_linearizable([write(0, 1, 5), read(2, 3, 5)])
    assert not is_linearizable([write(0, 1, 5), read(2, 3, 0)])


def test_a_read_beside_a_write_may_see_either() -> None:
    assert is_linearizable([write(0, 3, 5), read(1, 2, 0)])
    assert is_linearizable([write(0, 3, 5), read(1, 2, 5)])
    assert not is_linearizable([write(0, 3, 5), read(1, 2, 7)])


def test_what_was_seen_once_is_not_unseen() -> None:
    assert not is_linearizable([write(0, 9, 5), read(1, 2, 5), read(3, 4, 0)])


def test_a_write_without_an_answer_may_have_been_or_not() -> None:
    lost = write(0, UNKNOWN, 5)
    assert is_linearizable([lost, read(2, 3, 5)])
    assert is_linearizable([lost, read(2, 3, 0)])
    assert not is_linearizable([lost, read(2, 3, 5), read(4, 5, 0)])


def test_of_two_that_compare_and_set_one_wins() -> None:
    assert is_linearizable([cas(0, 1, 0, 1, 0), cas(0, 1, 0, 2, 1)])
    assert not is_linearizable([cas(0, 1, 0, 1, 0), cas(0, 1, 0, 2, 0)])


def test_a_refused_set_has_seen_another_value() -> None:
    assert is_linearizable([write(0, 1, 3), cas(2, 3, 0, 1, 3), read(4, 5, 3)])
    assert not is_linearizable([write(0, 1, 3), cas(2, 3, 3, 1, 3), read(4, 5, 3)])
