"""Which nodes fit a pod, and which fits best."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from tests.engine.scheduler.objects import World, node, pod


def resized(spec: str, allocated: str, actual: str, **condition: str) -> Object:
    """A pod on the node: what its container asks for, has been allotted, and has."""
    status = {"name": "c", "allocatedResources": {"cpu": allocated}, "resources": {"requests": {"cpu": actual}}}
    return pod("resized", cpu=spec) | {"status": {"containerStatuses": [status], "conditions": [condition] if condition else []}}


def refusal(wanted: Object, found: Object, *placed: Object) -> str | None:
    known = World(found, *(each | {"spec": each["spec"] | {"nodeName": "n"}} for each in placed))
    return next((reasons[0] for reasons in known.refusals(wanted).values()), None)


def chosen(wanted: Object, *nodes: Object) -> str:
    return World(*nodes).place(wanted)


def test_a_pod_fits_an_empty_node() -> None:
    assert refusal(pod(cpu="2"), node()) is None


def test_what_runs_already_is_taken_from_a_node() -> None:
    assert refusal(pod(cpu="1500m"), node(), pod("other", cpu="1")) == "Insufficient cpu"
    assert refusal(pod(), node(pods="1"), pod("other")) == "Too many pods"


def test_a_pod_that_has_ended_takes_nothing() -> None:
    assert refusal(pod(cpu="2"), node(), pod("other", cpu="2") | {"status": {"phase": "Failed"}}) is None


def test_init_containers_count_by_the_highest_of_them_and_sidecars_beside_the_rest() -> None:
    init = {"name": "i", "resources": {"requests": {"cpu": "3"}}}
    side = {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1500m"}}}
    assert refusal(pod(cpu="1", initContainers=[init]), node()) == "Insufficient cpu"
    assert refusal(pod(cpu="1", initContainers=[side]), node()) == "Insufficient cpu"
    assert refusal(pod(cpu="500m", initContainers=[side]), node()) is None


def test_a_cordoned_node_takes_nobody_who_does_not_tolerate_that() -> None:
    everything = [{"operator": "Exists"}]
    assert refusal(pod(), node(unschedulable=True)) == "node(s) were unschedulable"
    assert refusal(pod(tolerations=everything), node(unschedulable=True)) is None


def test_a_taint_keeps_pods_away_unless_they_tolerate_it() -> None:
    tainted = node(taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    assert refusal(pod(), tainted) == "node(s) had untolerated taint(s) {gpu: yes}"
    assert refusal(pod(tolerations=[{"key": "gpu", "operator": "Equal", "value": "yes"}]), tainted) is None
    assert refusal(pod(tolerations=[{"key": "gpu", "operator": "Equal", "value": "no"}]), tainted) is not None


def test_a_node_selector_and_an_affinity_both_have_to_match() -> None:
    ssd = node(labels={"disk": "ssd", "zone": "a"})
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}
    required = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    assert refusal(pod(nodeSelector={"disk": "ssd"}), ssd) is None
    assert refusal(pod(nodeSelector={"disk": "hdd"}), ssd) == "node(s) didn't match Pod's node affinity/selector"
    assert refusal(pod(nodeSelector={"disk": "ssd"}, affinity=required), ssd) == "node(s) didn't match Pod's node affinity/selector"


@pytest.mark.parametrize(
    ("taken", "wanted", "clash"),
    [
        ({"hostPort": 80}, {"hostPort": 80}, True),
        ({"hostPort": 80}, {"hostPort": 81}, False),
        ({"hostPort": 80}, {"hostPort": 80, "protocol": "UDP"}, False),
        ({"hostPort": 80, "hostIP": "127.0.0.1"}, {"hostPort": 80, "hostIP": "127.0.0.2"}, False),
        ({"hostPort": 80, "hostIP": "127.0.0.1"}, {"hostPort": 80}, True),
        ({}, {}, False),
    ],
)
def test_a_host_port_is_given_once(taken: Any, wanted: Any, clash: bool) -> None:
    port = {"containerPort": 8080}
    found = refusal(pod(ports=[port | wanted]), node(), pod("other", ports=[port | taken]))
    assert (found == "node(s) didn't have free ports for the requested pod ports") is clash


def test_the_emptier_node_is_chosen_and_of_equals_the_first_by_name() -> None:
    assert chosen(pod(cpu="1"), node("a", cpu="2"), node("b", cpu="8")) == "b"
    assert chosen(pod(), node("b"), node("a")) == "a"


def test_a_preference_outweighs_a_little_more_room() -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["x"]}]}
    preferred = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 10, "preference": term}]}}
    assert chosen(pod(affinity=preferred), node("a", cpu="4"), node("b", labels={"zone": "x"})) == "b"


def test_a_node_with_a_soft_taint_is_the_last_choice() -> None:
    soft = node("a", cpu="8", taints=[{"key": "old", "effect": "PreferNoSchedule"}])
    assert refusal(pod(), soft) is None
    assert chosen(pod(cpu="1"), soft, node("b")) == "b"


@pytest.mark.parametrize("figures", [("1500m", "1", "1"), ("1", "1500m", "1"), ("1", "1", "1500m")])
def test_a_pod_that_is_resized_holds_the_most_of_what_it_asks_for_and_has(figures: tuple[str, str, str]) -> None:
    assert refusal(pod(cpu="600m"), node(), resized(*figures)) is not None
    assert refusal(pod(cpu="500m"), node(), resized(*figures)) is None


def test_what_a_node_can_never_give_a_pod_keeps_no_other_away() -> None:
    infeasible = resized("100", "1", "1", type="PodResizePending", reason="Infeasible")
    assert refusal(pod(cpu="1"), node(), infeasible) is None
    assert refusal(pod(cpu="1"), node(), resized("100", "1", "1", type="PodResizePending", reason="Deferred")) is not None
