"""How measurements become figures."""

from bench.rig.figures import hammer, latencies, percentile, rate


def test_percentile_is_the_nearest_rank() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert [percentile(ordered, share) for share in (0.01, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]


def test_below_a_hundred_values_the_p99_is_the_maximum() -> None:
    assert percentile([0.1, 0.2, 0.9], 0.99) == 0.9


def test_latencies_are_milliseconds_in_any_order() -> None:
    assert latencies([0.003, 0.001, 0.002]) == {"median": 2.0, "p99": 3.0, "max": 3.0, "n": 3}


def test_no_measurement_gives_no_figure() -> None:
    assert latencies([]) == {"n": 0}


def test_rate_counts_calls_over_the_whole_time() -> None:
    assert rate([0.5, 0.5, 0.5, 0.5], took_s=1.0)["per_second"] == 4.0


async def test_hammer_makes_every_call_once_whatever_the_number_of_clients() -> None:
    made: list[tuple[str, int]] = []

    async def call(client: str, number: int) -> None:
        made.append((client, number))

    figures = await hammer(["a", "b", "c"], 10, call)
    assert sorted(number for _, number in made) == list(range(10))
    assert figures["n"] == 10
