"""How windows with and without noise are compared."""

from bench.rig.neighbours import Window, figures_of
from bench.rig.probes import Query
from bench.rig.sysbench import ratio


def queries(began: float, took: float, count: int, error: str = "") -> list[Query]:
    return [Query(began + number / 100, began + number / 100 + took, error) for number in range(count)]


def test_a_window_is_compared_with_the_one_before_it_and_the_middle_one_of_the_ratios_counts() -> None:
    windows = [Window(number, number + 0.9, number % 2 == 1) for number in range(6)]
    took = (0.010, 0.011, 0.100, 0.105, 0.010, 0.030)
    found = figures_of(windows, [each for number, seconds in enumerate(took) for each in queries(number, seconds, 50)])
    assert found["p99_ratio"] == 1.1
    assert (found["without"]["n"], found["with"]["n"]) == (150, 150)


def test_queries_between_windows_do_not_count_and_failed_ones_are_told() -> None:
    windows = [Window(0.0, 1.0, False), Window(5.0, 6.0, True)]
    found = figures_of(windows, queries(0.0, 0.01, 10) + queries(2.0, 9.0, 10, "no") + queries(5.0, 0.02, 10, "no"))
    assert (found["failed"], found["p99_ratio"]) == (10, 2.0)


def test_rates_are_compared_round_by_round() -> None:
    assert ratio([95, 190, 10], [100, 200, 100]) == 0.95
