import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups import labels, proofs
from pilothouse.platform.databases.pattern.backups.retention import outlived
from pilothouse.platform.databases.pattern.backups.schedule import Agenda, agenda
from pilothouse.platform.databases.pattern.types import BackupPolicy, Keep

NIGHTLY = BackupPolicy(schedule="30 3 * * *")
DAY_S = 86400
BEGAN = meta.parse_rfc3339("2026-11-01T12:00:00Z")


def instance(**spec: object) -> Object:
    return {"metadata": {"name": "orders", "namespace": "shop", "creationTimestamp": meta.rfc3339(BEGAN)}, "spec": spec}


def backup(day: int, phase: str = "Succeeded", *, scheduled: bool = True, proof: str = "", reason: str = "Restored") -> Object:
    at = meta.rfc3339(BEGAN + day * DAY_S)
    status: Object = {"phase": phase, "finishedAt": at, "verified": {"at": at}}
    if proof:
        status["conditions"] = [{"type": "Verified", "status": proof, "reason": reason, "lastTransitionTime": at}]
    metadata: Object = {"name": f"day-{day}", "uid": f"day-{day}", "creationTimestamp": at}
    metadata["annotations"] = {labels.SCHEDULED: at} if scheduled else {}
    return {"metadata": metadata, "spec": {"service": {"name": "orders"}}, "status": status}


def names(found: list[Object]) -> list[str]:
    return sorted(meta.name(each) for each in found)


def test_a_backup_is_due_when_its_time_has_come() -> None:
    before = agenda(instance(), "MySQL", NIGHTLY, [], BEGAN + 3600)
    assert (before.due, before.again_s) == (None, 14.5 * 3600)
    due = agenda(instance(), "MySQL", NIGHTLY, [], BEGAN + 16 * 3600).due
    assert due is not None
    assert (meta.name(due), due["spec"]["service"]) == ("orders-20261102-0330", {"kind": "MySQL", "name": "orders"})


def test_the_same_time_is_taken_once() -> None:
    taken = agenda(instance(), "MySQL", NIGHTLY, [], BEGAN + 16 * 3600).due
    assert taken is not None
    done = taken | {"status": {"phase": "Succeeded"}}
    assert agenda(instance(), "MySQL", NIGHTLY, [done], BEGAN + 16 * 3600).due is None


def test_of_missed_times_the_last_is_made_up_for() -> None:
    due = agenda(instance(), "MySQL", NIGHTLY, [backup(1)], BEGAN + 9.9 * DAY_S).due
    assert due is not None
    assert meta.annotations(due)[labels.SCHEDULED] == "2026-11-11T03:30:00Z"


def test_none_is_due_while_one_works_or_the_instance_is_suspended() -> None:
    late = BEGAN + 16 * 3600
    assert agenda(instance(), "MySQL", NIGHTLY, [backup(0, "Running")], late).due is None
    assert agenda(instance(suspended=True), "MySQL", NIGHTLY, [], late).due is None


def test_nothing_is_due_by_a_schedule_that_is_none() -> None:
    assert agenda(instance(), "MySQL", BackupPolicy(schedule="nightly"), [], BEGAN + 16 * 3600) == Agenda()


def test_the_newest_stay_by_number_and_by_age() -> None:
    backups = [backup(day) for day in range(10)]
    assert names(outlived(backups, Keep(count=7), BEGAN + 10 * DAY_S)) == ["day-0", "day-1", "day-2"]
    assert names(outlived(backups, Keep(count=9, days=3), BEGAN + 10 * DAY_S)) == [f"day-{day}" for day in range(7)]


def test_the_last_good_one_stays_whatever_its_age() -> None:
    assert outlived([backup(0)], Keep(count=1, days=1), BEGAN + 100 * DAY_S) == []
    proven, newer = backup(0, proof="True"), backup(5, proof="False", reason="Corrupted")
    assert names(outlived([proven, newer], Keep(count=1), BEGAN + 6 * DAY_S)) == []


def test_what_somebody_asked_for_stays() -> None:
    assert outlived([backup(day, scheduled=False) for day in range(5)], Keep(count=1), BEGAN + 9 * DAY_S) == []


def test_failures_go_but_for_the_last_three() -> None:
    assert names(outlived([backup(day, "Failed") for day in range(5)], Keep(count=7), BEGAN + 9 * DAY_S)) == ["day-0", "day-1"]


def test_the_newest_is_proven_again_each_week() -> None:
    proven = backup(0, proof="True")
    assert not proofs.is_due(proven, newest=True, now_s=BEGAN + 6 * DAY_S)
    assert proofs.is_due(proven, newest=True, now_s=BEGAN + 8 * DAY_S)
    assert not proofs.is_due(proven, newest=False, now_s=BEGAN + 8 * DAY_S)


@pytest.mark.parametrize(("status", "after_days", "is_due"), [("Unknown", 0.5, False), ("Unknown", 1.5, True), ("False", 30, False)])
def test_a_proof_that_could_not_be_made_is_tried_again_and_one_that_failed_is_not(status: str, after_days: float, is_due: bool) -> None:
    conditions = [{"type": "Verified", "status": status, "reason": "StoreUnreachable" if status == "Unknown" else "Corrupted"}]
    tried: Object = {"spec": {}, "status": {"phase": "Succeeded", "triedAt": meta.rfc3339(BEGAN), "conditions": conditions}}
    assert proofs.is_due(tried, newest=True, now_s=BEGAN + after_days * DAY_S) == is_due
