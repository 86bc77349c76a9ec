import pytest

from pilothouse.aio import meters
from pilothouse.aio.meters import Counter, Gauge


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "_METERS", {})


def test_a_counter_counts_by_its_labels() -> None:
    counter = Counter("rounds_total", "Rounds.", "loop")
    counter.add("a")
    counter.add("a", by=2)
    counter.add('"b"')
    head = ["# HELP rounds_total Rounds.", "# TYPE rounds_total counter"]
    assert meters.exposition() == [*head, 'rounds_total{loop="\\"b\\""} 1', 'rounds_total{loop="a"} 3']


def test_a_counter_without_labels_begins_at_zero() -> None:
    Counter("rounds_total", "Rounds.")
    assert meters.exposition()[-1] == "rounds_total 0"


def test_a_gauge_is_read_when_somebody_asks() -> None:
    values = iter((1.5, 2.5))
    Gauge("lag_seconds", "Lag.").reads(lambda: next(values))
    assert meters.exposition()[-1] == "lag_seconds 1.5"
    assert meters.exposition()[-1] == "lag_seconds 2.5"


def test_a_name_is_given_once() -> None:
    Gauge("lag_seconds", "Lag.")
    with pytest.raises(ValueError, match="lag_seconds already"):
        Counter("lag_seconds", "Lag.")


def test_a_label_that_is_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Counter("rounds_total", "Rounds.", "loop").add()


def test_large_numbers_keep_their_digits() -> None:
    counter = Counter("bytes_total", "Bytes.")
    counter.add(by=12_345_678)
    assert meters.exposition()[-1] == "bytes_total 12345678"
    Gauge("last_timestamp_seconds", "When.").reads(lambda: 1796020123.25)
    assert meters.exposition()[-1] == "last_timestamp_seconds 1796020123.25"
