"""What a change is announced to do, by what differs in the specs."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.impact.change import impact
from pilothouse.platform.databases.mysql.impact.gaps import RESTART_S, SWITCHOVER_S
from pilothouse.platform.databases.pattern.impact import Impact, together


def instance(*, primary: str = "orders-0", **spec: Any) -> Object:
    given = {"flavour": "mariadb", "replicas": 1, "size": "1Gi", "resources": {"cpu": "500m", "memory": "512Mi"}} | spec
    names = [f"orders-{number}" for number in range(given["replicas"])]
    return {"metadata": {"name": "orders"}, "spec": given, "status": {"primary": primary, "members": [{"name": each} for each in names]}}


def of(now: Object, **spec: Any) -> Impact:
    return impact(now, now | {"spec": now["spec"] | spec})


def test_what_does_not_differ_does_nothing() -> None:
    assert of(instance()) == Impact()


@pytest.mark.parametrize(
    ("spec", "undo"),
    [
        ({"resources": {"cpu": "2", "memory": "512Mi"}}, "ph mysql resize orders --cpu 500m"),
        ({"resources": {"cpu": "2", "memory": "1Gi"}}, "ph mysql resize orders --cpu 500m --memory 512Mi"),
        ({"replicas": 3}, "ph mysql scale orders 1"),
        ({"suspended": True}, "ph mysql resume orders"),
        ({"parameters": {"max_connections": "50"}}, "ph mysql params unset orders max_connections"),
        ({"version": "10.11.19"}, "ph mysql upgrade orders --undo"),
        ({"size": "2Gi"}, ""),
        ({"size": "2Gi", "resources": {"cpu": "2", "memory": "512Mi"}}, ""),
        ({"restartedAt": "2026-11-30T12:00:00Z"}, ""),
        ({"rotatedAt": "2026-11-30T12:00:00Z"}, ""),
    ],
)
def test_the_way_back_takes_back_all_of_it_or_there_is_none(spec: Object, undo: str) -> None:
    assert of(instance(), **spec).undo == undo


def test_settings_go_back_to_what_they_were() -> None:
    now = instance(parameters={"max_connections": "50", "wait_timeout": "60"})
    assert of(now, parameters={"max_connections": "70", "wait_timeout": "60"}).undo == "ph mysql params set orders max_connections=50"
    assert of(now, parameters={"max_connections": "50"}).undo == "ph mysql params set orders wait_timeout=60"
    spelled = instance(parameters={"max-connections": "50"})
    assert of(spelled, parameters={"max_connections": "70"}).undo == "ph mysql params set orders max-connections=50"


def test_resources_change_without_a_restart() -> None:
    found = of(instance(), resources={"cpu": "500m", "memory": "1Gi"})
    assert (found.restarts, found.read_only_seconds, found.notes) == ((), 0.0, ())
    (less,) = of(instance(), resources={"cpu": "500m", "memory": "256Mi"}).notes
    assert "made smaller first" in less


def test_the_primary_is_started_anew_last_after_another_one_has_taken_over() -> None:
    found = of(instance(primary="orders-1", replicas=3), restartedAt="2026-11-30T12:00:00Z")
    assert (found.restarts, found.read_only_seconds) == (("orders-0", "orders-2", "orders-1"), SWITCHOVER_S)
    assert of(instance(), version="10.11.19").read_only_seconds == RESTART_S


def test_members_that_go_move_the_primary_only_when_it_is_among_them() -> None:
    assert of(instance(replicas=5), replicas=3).read_only_seconds == 0.0
    found = of(instance(primary="orders-4", replicas=5), replicas=3)
    assert found.read_only_seconds == SWITCHOVER_S
    assert found.notes == ("orders-4 is the primary, and another one takes over first", "orders-3 and orders-4 are ended")


def test_a_suspended_instance_answers_nobody_and_its_changes_wait() -> None:
    assert of(instance(), suspended=True).read_only_seconds is None
    (said,) = of(instance(suspended=True), replicas=3).notes
    assert "counts when it is resumed" in said


def test_a_setting_that_counts_later_is_named() -> None:
    (said,) = of(instance(), parameters={"performance_schema": "ON", "max_connections": "70"}).notes
    assert said.startswith("performance_schema: the server reads it at its start alone")


def test_a_replica_that_is_copied_anew_is_started_anew() -> None:
    found = of(instance(replicas=3), reseed={"member": "orders-2", "at": "2026-11-30T12:00:00Z"})
    assert (found.restarts, found.read_only_seconds, found.undo) == (("orders-2",), 0.0, "")


def test_a_switchover_goes_back_and_a_forced_one_does_not() -> None:
    now = instance(replicas=3)
    assert of(now, switchover={"at": "2026-11-30T12:00:00Z", "to": "orders-1"}).undo == "ph mysql switchover orders --to orders-0"
    forced = of(now, switchover={"at": "2026-11-30T12:00:00Z", "to": "orders-1", "force": True})
    assert (forced.undo, "are lost" in forced.notes[0]) == ("", True)


def test_impacts_together_start_a_member_once_and_take_as_long_as_the_longest() -> None:
    whole = together([Impact(("a", "b"), 1.0, ("x",)), Impact(("b", "c"), 5.0, ("y",))], undo="back")
    assert whole == Impact(("a", "b", "c"), 5.0, ("x", "y"), "back")
    assert together([whole, Impact(read_only_seconds=None)]).read_only_seconds is None


def test_a_move_is_announced_by_what_the_last_one_of_its_kind_took() -> None:
    now = instance(replicas=3)
    now["status"]["move"] = {"kind": "failover", "finishedAt": "2026-11-30T12:00:00Z", "readOnlySeconds": 2.417}
    forced = of(now, switchover={"at": "2026-11-30T13:00:00Z", "to": "orders-1", "force": True})
    assert (forced.read_only_seconds, forced.basis) == (2.42, "the failover of 2026-11-30T12:00:00Z")
    assert of(now, restartedAt="2026-11-30T13:00:00Z").basis == ""


@pytest.mark.parametrize(
    ("spec", "undo"),
    [
        ({"backup": {"schedule": "30 3 * * *"}}, "ph mysql set orders --backup-schedule ''"),
        ({"backup": {"store": "far", "archive": True}}, "ph mysql set orders --backup-store '' --no-archive"),
        (
            {"backup": {"verify": False, "keep": {"count": 3, "days": 5}}},
            "ph mysql set orders --backup-keep 7 --backup-keep-days 0 --backup-verify",
        ),
        ({"deletionProtection": False, "finalBackup": False}, "ph mysql set orders --protection --final-backup"),
        ({"access": {"clients": [{"namespace": "tools"}]}}, "ph mysql set orders --disallow tools/"),
        ({"access": {"clients": [{"labels": {"a": "b", "c": "d"}}]}}, ""),
        ({"replicas": 3, "resources": {"cpu": "2", "memory": "512Mi"}}, "ph mysql set orders --cpu 500m --replicas 1"),
        ({"version": "10.11.19", "replicas": 3}, ""),
    ],
)
def test_a_policy_goes_back_by_the_command_that_sets_it(spec: Object, undo: str) -> None:
    assert of(instance(), **spec).undo == undo
