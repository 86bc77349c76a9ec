"""What is said of an instance in one word."""

import pytest

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.conditions import Picture, phase
from pilothouse.platform.databases.mysql.topology.findings import Finding

SEEDED: Object = {"metadata": {"name": "orders"}, "spec": {}, "status": {"seeded": "orders-0", "phase": "Online"}}


@pytest.mark.parametrize("reason", ["PrimaryAway", "FailingOver", "NoAcknowledgement", "MemberFailed", "Starting"])
def test_what_may_pass_by_itself_is_no_failure(reason: str) -> None:
    assert phase(SEEDED, Picture(findings=(Finding(reason, "so it is", stops_writes=True),), replicas=3)) == "Degraded"


@pytest.mark.parametrize("reason", ["NoVolume", "Unschedulable", "CrashLoop"])
def test_what_somebody_has_to_mend_is_a_failure(reason: str) -> None:
    assert phase(SEEDED, Picture(troubles=((reason, "so it is"),), replicas=3)) == "Failed"


def test_a_member_that_is_made_anew_is_a_change() -> None:
    away = Finding("PrimaryAway", "orders-0 has ended", stops_writes=True)
    assert phase(SEEDED, Picture(findings=(away,), restarting=("orders-0",), replicas=3)) == "Changing"
