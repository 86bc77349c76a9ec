"""What may change in a pod that exists."""

import pytest

from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.kinds.pods import POD, grace_s
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, brief, changed, container, created, pod, update_refusals, updated

FROZEN = ["spec Forbidden"]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.containers", [container(image="img:2")], []),
        ("spec.containers", [container(), container(name="d")], ["spec.containers Forbidden"]),
        ("spec.containers", [container(resources={"limits": {"cpu": "1"}})], FROZEN),
        ("spec.nodeName", "x", FROZEN),
        ("spec.restartPolicy", "Never", FROZEN),
        ("spec.hostNetwork", True, FROZEN),
        ("spec.volumes", [{"name": "x"}], FROZEN),
        ("spec.activeDeadlineSeconds", 50, []),
        ("spec.tolerations", [{"key": "x", "operator": "Exists"}], []),
        ("spec.terminationGracePeriodSeconds", -1, FROZEN),
        ("spec.schedulingGates", [{"name": "x"}], ["spec.schedulingGates[0].name Forbidden"]),
    ],
)
def test_little_of_a_running_pod_may_change(path: str, value: object, expected: list[str]) -> None:
    assert update_refusals(POD, pod(), changed(pod(), path, value)) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(4, []), (50, ["Invalid"]), (None, ["Invalid"])])
def test_a_deadline_only_gets_nearer(seconds: int | None, expected: list[str]) -> None:
    found = update_refusals(POD, pod(activeDeadlineSeconds=5), changed(pod(activeDeadlineSeconds=5), "spec.activeDeadlineSeconds", seconds))
    assert found == [f"spec.activeDeadlineSeconds {reason}" for reason in expected]


def test_tolerations_stay() -> None:
    held = pod(tolerations=[{"key": "k", "operator": "Exists"}])
    assert update_refusals(POD, held, pod()) == ["spec.tolerations Forbidden"]


def test_a_gated_pod_may_narrow_its_nodes_and_lose_its_gates() -> None:
    gated = pod(schedulingGates=[{"name": "g"}])
    assert update_refusals(POD, gated, changed(gated, "spec.nodeSelector", {"a": "b"})) == []
    assert update_refusals(POD, gated, pod()) == []


def test_an_update_keeps_the_status_and_counts_changes_of_the_spec() -> None:
    old = created(POD, pod())
    new = changed(changed(old, "status.phase", "Running"), "spec.activeDeadlineSeconds", 5)
    value = updated(POD, old, new)
    assert value["status"] == old["status"]
    assert value["metadata"]["generation"] == 2
    assert updated(POD, old, changed(old, "metadata.labels", {"a": "b"}))["metadata"]["generation"] == 1


def _addressed(**status: object) -> Object:
    old = created(POD, pod())
    return updated(POD, old, old | {"status": old["status"] | status}, "status")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"podIP": "10.0.0.4"}, ["10.0.0.4"]),
        ({"podIPs": [{"ip": "10.0.0.4"}, {"ip": "fd00::4"}]}, ["10.0.0.4", "fd00::4"]),
        ({"podIP": "10.0.0.4", "podIPs": [{"ip": "10.0.0.4"}, {"ip": "fd00::4"}]}, ["10.0.0.4", "fd00::4"]),
        ({"podIP": "10.0.0.5", "podIPs": [{"ip": "10.0.0.4"}, {"ip": "fd00::4"}]}, ["10.0.0.5"]),
    ],
)
def test_the_address_of_a_pod_is_the_first_of_its_addresses(status: Object, expected: list[str]) -> None:
    found = _addressed(**status)["status"]
    assert (found["podIP"], [each["ip"] for each in found["podIPs"]]) == (expected[0], expected)


def test_a_pod_without_addresses_gets_none_by_its_status() -> None:
    assert not {"podIP", "podIPs"} & _addressed(phase="Running")["status"].keys()


@pytest.mark.parametrize("address", ["10.0.0.4 }; flush ruleset", "10.0.0.4/24", "010.0.0.4", "here"])
def test_the_address_of_a_pod_is_an_ip_address(address: str) -> None:
    for status in ({"podIP": address}, {"podIP": address, "podIPs": [{"ip": "10.0.0.4"}]}, {"podIPs": [{"ip": address}]}):
        old = created(POD, pod())
        assert brief(POD.validate_status_update(_addressed(**status), old)) == ["status.podIPs[0] Invalid"]


def test_a_status_update_changes_nothing_else() -> None:
    old = created(POD, pod())
    new = changed(changed(old, "status.phase", "Running"), "spec.nodeName", "other")
    value = updated(POD, old, new, "status")
    assert value["status"]["phase"] == "Running"
    assert value["spec"] == old["spec"]
    assert value["metadata"]["generation"] == 1


def test_an_ended_container_does_not_run_again_when_the_pod_never_restarts() -> None:
    def with_state(state: Object) -> Object:
        return changed(created(POD, pod(restartPolicy="Never")), "status.containerStatuses", [{"name": "c", "state": state}])

    old, new = with_state({"terminated": {"exitCode": 0}}), with_state({"running": {}})
    assert brief(POD.validate_status_update(new, old)) == ["status.containerStatuses[0].state Forbidden"]
    assert POD.validate_status_update(old, new) == []


def test_a_binding_sets_the_node_that_an_update_may_not() -> None:
    old = created(POD, pod())
    new = changed(changed(old, "spec.nodeName", "n1"), "status.conditions", [{"type": "PodScheduled", "status": "True"}])
    POD.prepare_update(new, old, Context(NOW, "binding"))
    assert POD.causes_of_update(new, old, "binding") == []
    assert new["status"]["conditions"]
    assert brief(POD.causes_of_update(new, old)) == FROZEN


@pytest.mark.parametrize(
    ("spec", "phase", "asked_s", "granted_s"),
    [
        ({"nodeName": "n"}, "Running", None, 30),
        ({"nodeName": "n"}, "Running", 5, 5),
        ({"nodeName": "n"}, "Running", 0, 0),
        ({"nodeName": "n"}, "Running", -1, 1),
        ({}, "Pending", 60, 0),
        ({"nodeName": "n"}, "Succeeded", 60, 0),
        ({"nodeName": "n"}, "Failed", None, 0),
    ],
)
def test_only_a_pod_on_a_node_gets_time_to_end(spec: Object, phase: str, asked_s: int | None, granted_s: int) -> None:
    obj = changed(created(POD, pod(**spec)), "status.phase", phase)
    assert grace_s(obj, asked_s) == granted_s
