"""Where a pod may go for the sake of other pods, by required terms."""

from typing import Any

import pytest

from pilothouse.engine.scheduler.inter_pod_affinity import AFFINITY, ANTI_AFFINITY, REQUIRED, THEIRS, InterPodAffinity, Pod
from pilothouse.model.json import Object

HOST, ZONE = "kubernetes.io/hostname", "zone"
NODES: dict[str, Object] = {
    name: {"metadata": {"name": name, "labels": {HOST: name, **({ZONE: zone} if zone else {})}}}
    for name, zone in (("a", "east"), ("b", "east"), ("c", "west"), ("d", ""))
}
NAMESPACES = {"default": {"team": "one"}, "other": {"team": "two"}}


def term(app: str = "web", key: str = HOST, **more: Any) -> Object:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}} | more


def pod(app: str = "web", namespace: str = "default", near: Any = (), apart: Any = ()) -> Pod:
    affinity = {"podAffinity": {REQUIRED: list(near)}, "podAntiAffinity": {REQUIRED: list(apart)}}
    return Pod.of({"metadata": {"name": "p", "namespace": namespace, "labels": {"app": app}}, "spec": {"affinity": affinity}})


def refused(wanted: Pod, **placed: Pod) -> dict[str, str]:
    """Node -> why. placed: a pod by the node that it is on."""
    judge = InterPodAffinity(
        wanted, NODES.values(), {name: [each] for name, each in placed.items()}, lambda namespace: NAMESPACES.get(namespace, {})
    )
    return {name: why for name, node in NODES.items() if (why := judge.refusal(node)) is not None}


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
