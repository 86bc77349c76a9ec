from pilothouse.model.json import Object
from pilothouse.network.withdrawal.report import MOST, Report, called_off, ready_addresses

A, B = "10.0.0.1", "10.0.0.2"


def endpoint_slice(revision: int, **ready: bool) -> Object:
    """ready: by the last digit of the address, as `a1=True`."""
    endpoints = [{"addresses": [f"10.0.0.{name[1:]}"], "conditions": {"ready": is_ready}} for name, is_ready in ready.items()]
    return {"metadata": {"name": "s", "resourceVersion": str(revision)}, "endpoints": endpoints}


def as_lease(report: Report) -> Object:
    return {"metadata": {"annotations": report.annotations()}}


def test_a_report_reads_as_it_was_written() -> None:
    for report in (Report(0), Report(17, frozenset({A, B}))):
        assert Report.of(as_lease(report)) == report


def test_an_address_has_left_once_the_report_is_new_enough_and_does_not_name_it() -> None:
    assert Report(5).has_left(A, 5)
    assert not Report(4).has_left(A, 5)
    assert not Report(9, frozenset({A})).has_left(A, 5)
    assert Report(9, frozenset({B})).has_left(A, 5)


def test_of_more_addresses_than_are_named_none_has_left() -> None:
    many = Report(9, frozenset(f"10.1.{n // 250}.{n % 250}" for n in range(MOST + 1)))
    assert len(many.annotations()["endpoints.pilothouse.dev/leaving"]) < 10
    assert not Report.of(as_lease(many)).has_left(A, 5)


def test_a_report_that_cannot_be_read_lets_nothing_go() -> None:
    for annotations in (None, {}, {"endpoints.pilothouse.dev/applied": "-3"}, {"endpoints.pilothouse.dev/applied": "x"}):
        assert not Report.of({"metadata": {"annotations": annotations}}).has_left(A, 1)


def test_an_address_is_called_off_by_the_newest_slice_that_says_so() -> None:
    slices = [endpoint_slice(3, a1=False), endpoint_slice(7, a1=False, a2=True), endpoint_slice(9, a2=True)]
    assert (called_off(A, slices), called_off(B, slices)) == (7, 0)
    assert ready_addresses(slices) == {B}
