import pytest

from pilothouse.engine.controllers.daemonset import facts
from pilothouse.engine.controllers.daemonset.fit import Fit, build, fit
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.controllers.daemonset.objects import daemon_set, node, taint

PRESSURE = ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")


def required(*terms: Object) -> Object:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


DISK = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]}


@pytest.mark.parametrize(
    ("pod", "found", "expected"),
    [
        ({}, node("a"), Fit(True, True)),
        ({"nodeName": "a"}, node("a"), Fit(True, True)),
        ({"nodeName": "b"}, node("a"), Fit(False, False)),
        ({"nodeSelector": {"disk": "fast"}}, node("a", disk="fast"), Fit(True, True)),
        ({"nodeSelector": {"disk": "fast"}}, node("a", disk="slow"), Fit(False, False)),
        ({"affinity": required(DISK)}, node("a", disk="fast"), Fit(True, True)),
        ({"affinity": required(DISK)}, node("a"), Fit(False, False)),
        ({"affinity": required({"matchExpressions": []})}, node("a"), Fit(False, False)),
        ({}, node("a", taint("dedicated")), Fit(False, True)),
        ({}, node("a", taint("dedicated", "NoExecute")), Fit(False, False)),
        ({}, node("a", taint("dedicated", "PreferNoSchedule")), Fit(True, True)),
        ({"tolerations": [{"key": "dedicated", "operator": "Exists"}]}, node("a", taint("dedicated", "NoExecute")), Fit(True, True)),
        ({}, node("a", *(taint(f"node.kubernetes.io/{each}") for each in PRESSURE)), Fit(True, True)),
        ({}, node("a", taint("node.kubernetes.io/not-ready", "NoExecute")), Fit(True, True)),
        ({}, node("a", taint("node.kubernetes.io/network-unavailable")), Fit(False, True)),
        ({"hostNetwork": True}, node("a", taint("node.kubernetes.io/network-unavailable")), Fit(True, True)),
    ],
)
def test_where_a_pod_is_to_be_and_where_it_may_stay(pod: Object, found: Object, expected: Fit) -> None:
    assert fit(daemon_set(pod=pod), found) == expected


def test_a_pod_is_bound_to_its_node_by_an_affinity() -> None:
    preferred = [{"weight": 1, "preference": DISK}]
    affinity = required(DISK)
    affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    made = build(daemon_set(pod={"affinity": affinity}), "a", "abc")
    assert facts.target_node(made) == "a"
    assert made["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == preferred
    assert "nodeName" not in made["spec"]


def test_a_pod_carries_the_hash_and_the_number_of_its_template() -> None:
    labels = meta.labels(build(daemon_set(), "a", "abc"))
    assert labels == {"app": "web", "controller-revision-hash": "abc", "pod-template-generation": "3"}


def test_standard_tolerations_are_added_once() -> None:
    stated = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    found = build(daemon_set(pod={"tolerations": [stated]}), "a", "abc")["spec"]["tolerations"]
    assert found[0] == stated
    assert len(found) == 6


@pytest.mark.parametrize(
    "affinity", [{}, required(), required({"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["a"]}]})]
)
def test_a_pod_that_names_no_node_is_meant_for_none(affinity: Object) -> None:
    assert facts.target_node({"spec": {"affinity": affinity}}) == ""
