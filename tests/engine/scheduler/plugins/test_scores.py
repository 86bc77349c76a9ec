"""What makes one node better than another that fits as well."""

import pytest

from pilothouse.engine.scheduler.plugins.image_locality import ImageLocality, normalised
from pilothouse.engine.scheduler.plugins.node_resources.balanced_allocation import BalancedAllocation
from pilothouse.engine.scheduler.plugins.node_resources.fit import NodeResourcesFit
from pilothouse.model.json import Object
from tests.engine.scheduler.objects import World, node, pod

GIB = 1 << 30
MIB = 1 << 20


@pytest.mark.parametrize(
    ("wanted", "placed", "score"),
    [
        (pod(cpu="1", memory="1Gi"), [], (50 + 75) // 2),
        (pod(cpu="2", memory="4Gi"), [], 0),
        (pod(cpu="1", memory="1Gi"), [pod("o", on="n", cpu="500m", memory="2Gi")], (25 + 25) // 2),
        (pod(), [], (95 + 95) // 2),
        (pod(), [pod("o", on="n")], (90 + 90) // 2),
    ],
)
def test_the_more_stays_free_the_better_and_who_asks_for_nothing_counts_as_small(wanted: Object, placed: list[Object], score: int) -> None:
    known = World(node("n"), *placed)
    found = NodeResourcesFit().score_locally(known.snapshot.info(wanted).shape.needs)
    assert found is not None
    assert found(known.snapshot.nodes["n"]) == score


@pytest.mark.parametrize(
    ("wanted", "placed", "score"),
    [
        (pod(cpu="1", memory="2Gi"), [], 100),
        (pod(cpu="2"), [], 50),
        (pod(cpu="1", memory="1Gi"), [], 87),
        (pod(cpu="500m", memory="1Gi"), [pod("o", on="n", memory="2Gi")], 75),
        (pod(cpu="1"), [pod("o", on="n", cpu="2", memory="4Gi")], 100),
        (pod(), [], None),
    ],
)
def test_resources_are_best_used_up_alike(wanted: Object, placed: list[Object], score: int | None) -> None:
    known = World(node("n"), *placed)
    found = BalancedAllocation().score_locally(known.snapshot.info(wanted).shape.needs)
    assert (None if found is None else found(known.snapshot.nodes["n"])) == score


@pytest.mark.parametrize(
    ("image", "images", "scores"),
    [
        ("i:1", [{"i:1": 500 * MIB}, {}], [23, 0]),
        ("i:1", [{"i:1": 500 * MIB}, {"i:1": 500 * MIB}], [48, 48]),
        ("i:1", [{"i:1": 10 * GIB}, {"i:1": 40 * MIB}], [100, 1]),
        ("i:1", [{"i:1": 20 * MIB}, {"i:1": 20 * MIB}], [0, 0]),
        ("i", [{"i:latest": 500 * MIB}, {}], [23, 0]),
        ("i:1", [{"i:2": 500 * MIB}, {}], None),
    ],
)
def test_nodes_that_have_the_image_are_better(image: str, images: list[dict[str, int]], scores: list[int] | None) -> None:
    known = World(*(node(f"n{number}", images=each) for number, each in enumerate(images)))
    found = ImageLocality().score(known.snapshot.info(pod(image=image)), known.snapshot, known.snapshot.existing())
    assert found == scores


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("web", "web:latest"),
        ("host:5000/web", "host:5000/web:latest"),
        ("host:5000/web:1", "host:5000/web:1"),
        ("web@sha256:a", "web@sha256:a"),
    ],
)
def test_an_image_without_a_tag_is_the_latest(image: str, name: str) -> None:
    assert normalised(image) == name


def test_images_of_nodes_that_change_are_counted_again() -> None:
    known = World(node("a", images={"i:1": GIB}), node("b"))
    assert known.snapshot.images["i:1"] == 1
    known.snapshot.node_changed(node("b"), node("b", images={"i:1": GIB}))
    assert known.snapshot.images["i:1"] == 2
    known.snapshot.node_changed(node("a", images={"i:1": GIB}), None)
    assert known.snapshot.images["i:1"] == 1
