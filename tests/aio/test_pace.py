from pilothouse.aio.pace import Budget, Pace

BUDGET = Budget(burst=3, refill_s=2.0)


def test_rounds_within_the_budget_do_not_wait() -> None:
    pace = Pace(BUDGET)
    assert [pace.round(10.0) for _ in range(3)] == [0, 0, 0]
    assert not pace.is_slowed


def test_beyond_it_there_is_one_round_in_each_refill() -> None:
    pace = Pace(BUDGET)
    now, begun = 0.0, []
    for _ in range(6):
        now += pace.round(now)
        begun.append(now)
    assert begun == [0, 0, 0, 2, 4, 6]
    assert pace.is_slowed


def test_a_rest_fills_the_budget_but_not_beyond() -> None:
    pace = Pace(BUDGET)
    for _ in range(3):
        pace.round(0.0)
    assert pace.is_at_rest(6.0)
    assert [pace.round(1000.0) for _ in range(4)] == [0, 0, 0, 2]


def test_a_reason_for_more_rounds_gives_the_whole_budget_back() -> None:
    pace = Pace(BUDGET)
    for _ in range(9):
        pace.round(0.0)
    pace.reset()
    assert pace.round(0.0) == 0
