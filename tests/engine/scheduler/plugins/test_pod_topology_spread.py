"""Pods that are alike are spread over places: as far as is demanded, and otherwise as far as it goes."""

from typing import Any

import pytest

from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.model.json import Object
from pilothouse.model.selector import Selector, from_label_selector
from tests.engine.scheduler.objects import HOST, REQUIRED, ZONE, World, node, pod

SKEWED = ("node(s) didn't match pod topology spread constraints",)
MISSING = ("node(s) didn't match pod topology spread constraints (missing required label)",)
WEB = {"matchLabels": {"app": "web"}}
GPU = [{"key": "gpu", "effect": "NoSchedule"}]


def constraint(key: str = ZONE, skew: int = 1, **more: Any) -> Object:
    return {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": WEB} | more


def web(name: str = "p", *constraints: Object, **more: Any) -> Object:
    return pod(name, labels={"app": "web"}, topologySpreadConstraints=list(constraints), **more)


def world(pods: str, **nodes: Any) -> World:
    """pods: on which node each is, a letter. nodes: a and b in zone 1, x and y in zone 2, unless given (zone, more of the node)."""
    zones = nodes or {name: ("1", {}) for name in "ab"} | {name: ("2", {}) for name in "xy"}
    made = [node(name, labels={ZONE: zone} if zone else {}, **more) for name, (zone, more) in zones.items()]
    return World(*made, *(web(f"{name}{number}", on=name) for number, name in enumerate(pods)))


@pytest.mark.parametrize(
    ("pods", "constraints", "refused"),
    [
        ("", [constraint()], ""),
        ("a", [constraint()], "ab"),
        ("ax", [constraint()], ""),
        ("aax", [constraint()], "ab"),
        ("aaax", [constraint(skew=3)], ""),
        ("aaaax", [constraint(skew=3)], "ab"),
        ("abxy", [constraint(HOST)], ""),
        ("ax", [constraint(HOST)], "ax"),
        ("aax", [constraint(HOST, 2)], "a"),
        ("a", [constraint(), constraint(HOST)], "ab"),
        ("abx", [constraint(), constraint(HOST)], "abx"),
        ("abx", [constraint(), constraint(HOST, whenUnsatisfiable="ScheduleAnyway")], "ab"),
        ("a", [constraint(labelSelector={"matchLabels": {"app": "other"}})], ""),
        ("aa", [constraint(labelSelector={})], "ab"),
        ("aa", [constraint(labelSelector=None)], ""),
        ("ax", [constraint(minDomains=2)], ""),
        ("ax", [constraint(minDomains=3)], "abxy"),
        ("", [constraint(minDomains=3)], ""),
    ],
)
def test_no_place_has_more_than_the_skew_above_the_emptiest(pods: str, constraints: list[Object], refused: str) -> None:
    assert world(pods).refusals(web("p", *constraints)) == dict.fromkeys(refused, SKEWED)


def test_a_node_without_the_label_takes_none_and_does_not_count_as_empty() -> None:
    known = world("ax", a=("1", {}), x=("2", {}), z=("", {}))
    assert known.refusals(web("p", constraint())) == {"z": MISSING}


@pytest.mark.parametrize(
    ("more", "policies", "refused"),
    [
        ({"nodeSelector": {ZONE: "1"}}, {}, ""),
        ({"nodeSelector": {ZONE: "1"}}, {"nodeAffinityPolicy": "Ignore"}, "ab"),
        ({}, {"nodeTaintsPolicy": "Honor"}, ""),
        ({}, {"nodeTaintsPolicy": "Ignore"}, "ab"),
        ({}, {}, "ab"),
        ({"tolerations": [{"operator": "Exists"}]}, {"nodeTaintsPolicy": "Honor"}, "ab"),
    ],
)
def test_whether_nodes_that_the_pod_cannot_go_to_count_is_the_constraints_word(more: Any, policies: Any, refused: str) -> None:
    known = world("a", a=("1", {}), b=("1", {}), x=("2", {"taints": GPU}))
    found = known.refusals(web("p", constraint(**policies), **more))
    assert {name for name, why in found.items() if why == SKEWED} == set(refused)


def test_pods_that_are_being_deleted_and_those_of_other_namespaces_do_not_count() -> None:
    known = world("")
    going = web("going", on="a")
    known.add(going | {"metadata": going["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    known.add(web("foreign", on="a", namespace="other"))
    assert known.refusals(web("p", constraint())) == {}


def test_counts_follow_pods_and_nodes_that_change() -> None:
    known, wanted = world("ax"), web("p", constraint())
    assert known.refusals(wanted) == {}
    known.snapshot.pod_changed(web("x1", on="x"), None)
    assert set(known.refusals(wanted)) == {"a", "b"}
    known.snapshot.node_changed(node("x", labels={ZONE: "2"}), None)
    assert set(known.refusals(wanted)) == {"a", "b"}
    known.snapshot.node_changed(node("y", labels={ZONE: "2"}), node("y", labels={ZONE: "1"}))
    assert known.refusals(wanted) == {}
    known.add(node("z", labels={ZONE: "3"}))
    assert set(known.refusals(wanted)) == {"a", "b", "y"}
    known.snapshot.pod_changed(web("a0", on="a"), web("a0", on="a") | {"metadata": {"name": "a0", "namespace": "ns", "labels": {}}})
    assert known.refusals(wanted) == {}


def soft(key: str = ZONE, skew: int = 1, **more: Any) -> Object:
    return constraint(key, skew, whenUnsatisfiable="ScheduleAnyway", **more)


@pytest.mark.parametrize(
    ("pods", "constraints", "chosen"),
    [
        ("a", [soft()], "x"),
        ("aax", [soft(HOST)], "b"),
        ("abxy", [soft(HOST)], "a"),
        ("abx", [soft(), soft(HOST)], "y"),
        ("aabxy", [soft(HOST, labelSelector=None)], "b"),
    ],
)
def test_soft_constraints_prefer_the_emptier_place(pods: str, constraints: list[Object], chosen: str) -> None:
    assert world(pods).place(web("p", *constraints)) == chosen


def test_a_node_without_the_label_of_a_soft_constraint_is_the_last_choice() -> None:
    known = World(node("a", cpu="64", memory="64Gi"), node("b", labels={ZONE: "1"}), web("b1", on="b"))
    assert known.place(web("p", soft(), cpu="1")) == "b"


def by_app(shape: Shape) -> tuple[bytes, Selector] | None:
    return (b"web", from_label_selector(WEB)) if shape.labels.get("app") == "web" else None


def test_replicas_without_constraints_are_spread_by_default_over_nodes_and_zones() -> None:
    nodes = [node(name, labels={ZONE: zone}, cpu="32") for name, zone in (("a", "1"), ("b", "1"), ("x", "2"), ("y", "2"))]
    known = World(*nodes, default_selector=by_app)
    chosen = [known.place(web(f"p{number}", cpu="100m")) for number in range(8)]
    assert sorted(chosen) == sorted("abxy" * 2)
    assert {chosen[0] in "ab", chosen[1] in "ab"} == {True, False}


def test_own_constraints_stand_for_the_default_ones() -> None:
    known = World(node("a"), node("b", cpu="1"), web("a1", on="a"), default_selector=by_app)
    hard = constraint(HOST, 5)
    assert known.place(web("p", hard, cpu="500m")) == "a"
    assert known.place(web("q", cpu="500m")) == "b"


def test_places_are_counted_where_the_pod_may_go_only() -> None:
    in_one = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["1"]}]}]}}}
    assert world("abxxyy").refusals(web("p", constraint(HOST), affinity=in_one)).keys() == {"x", "y"}
