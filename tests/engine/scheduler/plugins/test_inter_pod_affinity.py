"""Where a pod may go for the sake of other pods, by required terms, and should."""

from typing import Any

import pytest

from pilothouse.engine.scheduler.plugins.inter_pod_affinity.questions import about_all
from pilothouse.model.json import Object
from tests.engine.scheduler import objects
from tests.engine.scheduler.objects import HOST, World, affinity, node, term

AFFINITY = ("node(s) didn't match pod affinity rules",)
ANTI_AFFINITY = ("node(s) didn't match pod anti-affinity rules",)
THEIRS = ("node(s) didn't satisfy existing pods anti-affinity rules",)

ZONE = "zone"
NODES = {name: {ZONE: zone} if zone else {} for name, zone in (("a", "east"), ("b", "east"), ("c", "west"), ("d", ""))}
NAMESPACES = {"default": {"team": "one"}, "other": {"team": "two"}}


def pod(app: str = "web", namespace: str = "default", **terms: Any) -> Object:
    return objects.pod(namespace=namespace, labels={"app": app}, affinity=affinity(**terms))


def world(**placed: Object) -> World:
    """placed: a pod by the node that it is on."""
    there = [
        each | {"metadata": each["metadata"] | {"name": f"on-{name}"}, "spec": each["spec"] | {"nodeName": name}}
        for name, each in placed.items()
    ]
    return World(*(node(name, labels=labels) for name, labels in NODES.items()), *there, namespaces=NAMESPACES)


def refused(wanted: Object, **placed: Object) -> dict[str, tuple[str, ...]]:
    """Node -> why."""
    return world(**placed).refusals(wanted)


def test_pods_that_shun_each_other_go_to_different_places() -> None:
    shy = pod(apart=[term()])
    assert refused(shy, a=pod()) == {"a": ANTI_AFFINITY}
    assert refused(pod(apart=[term(key=ZONE)]), a=pod()) == {"a": ANTI_AFFINITY, "b": ANTI_AFFINITY}
    assert refused(shy, a=pod("db")) == {}


def test_a_pod_that_is_there_keeps_others_away_that_do_not_mind_it() -> None:
    assert refused(pod(), a=pod("db", apart=[term()])) == {"a": THEIRS}
    assert refused(pod(), c=pod("db", apart=[term(key=ZONE)])) == {"c": THEIRS}
    assert refused(pod("cache"), a=pod("db", apart=[term()])) == {}


def test_a_place_without_the_label_is_no_place() -> None:
    assert refused(pod(apart=[term(key=ZONE)]), d=pod()) == {}
    assert refused(pod(near=[term(key=ZONE)]), d=pod()) == {"d": AFFINITY}


def test_a_pod_goes_where_one_is_that_it_wants_to_be_near() -> None:
    assert refused(pod("cache", near=[term()]), b=pod()) == dict.fromkeys("acd", AFFINITY)
    assert refused(pod("cache", near=[term(key=ZONE)]), b=pod()) == dict.fromkeys("cd", AFFINITY)


def test_one_pod_has_to_be_what_all_terms_want() -> None:
    both = [term(), {"topologyKey": HOST, "labelSelector": {"matchLabels": {"tier": "front"}}}]
    assert set(refused(pod("cache", near=both), a=pod())) == set(NODES)


def test_the_first_of_pods_that_want_each_other_goes_anywhere_and_a_stranger_nowhere() -> None:
    assert refused(pod(near=[term()])) == {}
    assert refused(pod(near=[term(key=ZONE)])) == {"d": AFFINITY}
    assert set(refused(pod("cache", near=[term()]))) == set(NODES)


@pytest.mark.parametrize(
    ("more", "is_kept_apart"),
    [
        ({}, False),
        ({"namespaces": ["other"]}, True),
        ({"namespaces": ["third"]}, False),
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "two"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "one"}}}, False),
        ({"namespaces": ["other"], "namespaceSelector": {"matchLabels": {"team": "one"}}}, True),
        ({"labelSelector": None, "namespaces": ["other"]}, False),
        ({"labelSelector": {}, "namespaces": ["other"]}, True),
        ({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "Odd"}]}, "namespaces": ["other"]}, False),
    ],
)
def test_a_term_speaks_of_pods_of_its_namespaces(more: Object, is_kept_apart: bool) -> None:
    assert bool(refused(pod(apart=[term(**more)]), a=pod(namespace="other"))) == is_kept_apart


@pytest.mark.parametrize(
    ("wanted", "placed", "chosen"),
    [
        ({"rather_near": [(10, term("db"))]}, {"c": pod("db")}, "c"),
        ({"rather_near": [(10, term("db", ZONE))]}, {"c": pod("db")}, "c"),
        ({"rather_apart": [(10, term("db", ZONE))]}, {"a": pod("db"), "d": pod("db")}, "c"),
        ({"rather_near": [(5, term("db"))], "rather_apart": [(10, term("cache"))]}, {"b": pod("db"), "c": pod("cache")}, "b"),
        ({"rather_near": [(1, term("db"))]}, {"b": pod("db", "other")}, "a"),
        ({"rather_near": [(1, term("db", namespaceSelector={}))]}, {"b": pod("db", "other")}, "b"),
        ({}, {"b": pod("db", rather_near=[(10, term())])}, "b"),
        ({}, {"b": pod("db", near=[term()])}, "b"),
        ({}, {"a": pod("db", rather_apart=[(10, term(key=ZONE))]), "d": pod("db", rather_apart=[(5, term())])}, "c"),
    ],
)
def test_wishes_of_the_pod_and_of_those_there_count_by_their_weight(wanted: Any, placed: dict[str, Object], chosen: str) -> None:
    assert world(**placed).place(pod(**wanted)) == chosen


def test_counts_follow_pods_nodes_and_namespaces_that_change() -> None:
    known = world(a=pod("db"))
    wanted = pod("cache", near=[term("db", ZONE, namespaceSelector={"matchLabels": {"team": "one"}})])
    assert set(known.refusals(wanted)) == {"c", "d"}
    known.snapshot.node_changed(node("c", labels={ZONE: "west"}), node("c", labels={ZONE: "east"}))
    assert set(known.refusals(wanted)) == {"d"}
    before = node("a", labels={ZONE: "east"})
    known.snapshot.node_changed(before, node("a"))
    assert set(known.refusals(wanted)) == set(NODES)
    known.snapshot.node_changed(node("a"), before)
    changed = {"metadata": {"name": "default", "labels": {"team": "three"}}}
    known.snapshot.namespace_changed(None, changed)
    assert set(known.refusals(wanted)) == set(NODES)
    known.snapshot.namespace_changed(changed, {"metadata": {"name": "default", "labels": {"team": "one"}}})
    assert set(known.refusals(wanted)) == {"d"}
    known.snapshot.node_changed(before, None)
    assert set(known.refusals(wanted)) == {"b", "c", "d"}


def test_what_a_pod_that_left_had_against_others_is_gone_with_it() -> None:
    shy = objects.pod("shy", on="a", namespace="default", affinity=affinity(apart=[term()]))
    known = world()
    known.add(shy)
    assert refused(pod(), a=pod("db", apart=[term()])) == known.refusals(pod())
    known.snapshot.pod_changed(shy, None)
    assert known.refusals(pod()) == {}
    known.add(shy)
    assert known.refusals(pod()) == {"a": THEIRS}


def test_a_new_namespace_leaves_counts_of_one_namespace_as_they_are() -> None:
    known = world(a=pod("db"))
    info = known.snapshot.info(pod("cache", near=[term("db")]))
    (question,) = about_all(info.shape.affinity)
    tally = known.snapshot.tallies.get(question)
    known.snapshot.namespace_changed(None, {"metadata": {"name": "new", "labels": {"team": "one"}}})
    assert known.snapshot.tallies.get(question) is tally
    assert tally.counts == {"a": 1}
