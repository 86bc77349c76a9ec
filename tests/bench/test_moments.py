"""What counts as ready, as back, as seen."""

from datetime import UTC, datetime

from bench.boot import renewed_after
from bench.recovery import Writer, containers, first_since
from bench.rig.follow import all_of
from bench.rig.objects import is_ready


def writer(since: float, acknowledged: dict[str, float]) -> Writer:
    made = Writer.__new__(Writer)
    made.since, made.acknowledged = since, acknowledged
    return made


def test_an_answer_from_before_the_kill_is_no_recovery() -> None:
    late = writer(since=1.0, acknowledged={"a": 5.001})
    assert first_since([late], 5.0) is None
    assert first_since([late, writer(since=5.8, acknowledged={"b": 4.0, "c": 6.0})], 5.0) == 6.0


def test_a_lease_of_the_last_boot_says_nothing() -> None:
    lease = {"spec": {"renewTime": "2026-01-01T12:00:00.500000Z"}}
    assert renewed_after(lease, datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC))
    assert not renewed_after(lease, datetime(2026, 1, 1, 12, 0, 1, tzinfo=UTC))
    assert not renewed_after({"spec": {}}, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_restarted_container_is_another_one() -> None:
    def pod(restarts: int) -> dict[str, object]:
        return {"status": {"containerStatuses": [{"containerID": "containerd://1", "restartCount": restarts}]}}

    assert containers([pod(0)]) == containers([pod(0)])
    assert containers([pod(0)]) != containers([pod(1)])


def test_all_of_counts_objects_not_events() -> None:
    fits = all_of(2, lambda _, obj: is_ready(obj))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    events = [{"metadata": {"name": name}, **ready} for name in ("a", "a", "b")]
    assert [fits("MODIFIED", event) for event in events] == [False, False, True]
