import random

import pytest

from pilothouse.engine.controllers.deployment import facts, plan
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.controllers.objects import deployment, replica_set


def sizes(scales: list[plan.Scale]) -> dict[str, int]:
    return {meta.name(scale.replica_set): scale.replicas for scale in scales}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (3, 0, "25%", (0, 1)),
        (30, "10%", "10%", (3, 3)),
        (0, "25%", "25%", (0, 1)),
        (4, f"{'9' * 5000}%", 1, (0, 1)),
    ],
)
def test_surge_is_rounded_up_and_unavailability_down_and_both_are_never_nothing(
    replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]
) -> None:
    assert facts.fenceposts(deployment(replicas, surge, unavailable)) == expected


def test_a_new_set_gets_what_the_surge_leaves_room_for() -> None:
    old = replica_set("old", 4)
    assert plan.first_size(deployment(4), [old]) == 1


def test_the_new_set_grows_before_old_ones_shrink() -> None:
    step = plan.rolling(deployment(4), replica_set("new", 0, 0), [replica_set("old", 4)])
    assert sizes(step) == {"new": 1}


def test_old_sets_shrink_by_what_may_be_unavailable() -> None:
    step = plan.rolling(deployment(4), replica_set("new", 1, 0), [replica_set("old", 4)])
    assert sizes(step) == {"old": 3}


def test_unhealthy_old_pods_go_first() -> None:
    old = [replica_set("good", 3, 3, age_s=200), replica_set("bad", 2, 0, age_s=100)]
    step = plan.rolling(deployment(4, 1, 0), replica_set("new", 0, 0), old)
    assert sizes(step) == {"bad": 1}


def test_nothing_is_taken_away_while_too_few_are_available() -> None:
    assert plan.rolling(deployment(4, 1, 0), replica_set("new", 1, 0), [replica_set("old", 4)]) == []


def test_recreate_empties_all_old_sets() -> None:
    assert sizes(plan.recreate_down([replica_set("a", 2), replica_set("b", 0)])) == {"a": 0}


def test_the_only_active_set_follows_the_size() -> None:
    assert sizes(plan.resize(deployment(7), replica_set("new", 4), [replica_set("old", 0)])) == {"new": 7}


def test_old_sets_are_emptied_once_the_new_one_is_full() -> None:
    new = replica_set("new", 4, desired="4")
    assert sizes(plan.resize(deployment(4), new, [replica_set("old", 1)])) == {"old": 0}


def test_growth_during_a_rollout_is_shared_in_proportion() -> None:
    # Upstream's documented example: 10 replicas, maxSurge 3, maxUnavailable 2, scaled to 15 in the middle.
    old = replica_set("old", 8, age_s=200, desired="10", maximum="13")
    new = replica_set("new", 5, 0, desired="10", maximum="13")
    assert sizes(plan.resize(deployment(15, 3, 2), new, [old])) == {"old": 11, "new": 7}


def test_a_scale_to_nothing_during_a_rollout_empties_every_set() -> None:
    old = replica_set("old", 3, desired="4", maximum="5")
    new = replica_set("new", 2, desired="4", maximum="5")
    assert sizes(plan.resize(deployment(0), new, [old])) == {"old": 0, "new": 0}


def test_a_change_of_size_is_seen_by_the_sets_notes() -> None:
    assert plan.is_scaling(deployment(5), [replica_set("a", 4, desired="4")])
    assert not plan.is_scaling(deployment(4), [replica_set("a", 3, desired="4")])


def test_only_empty_old_sets_beyond_the_limit_are_cleaned_up_lowest_revision_first() -> None:
    old = [replica_set(f"r{n}", 1 if n == 2 else 0, revision=str(n)) for n in (10, 9, 2, 1)]
    cleaned = plan.to_clean_up(deployment(revisionHistoryLimit=1), old)
    assert [meta.name(each) for each in cleaned] == ["r1", "r9"]


def settle(each: Object, dice: random.Random) -> None:
    """Some of a set's pods become available, as its controller and the nodes would have it."""
    status, wanted = each["status"], facts.size(each)
    status["replicas"] = wanted
    status["availableReplicas"] = min(wanted, status["availableReplicas"] + dice.randint(0, 2))


@pytest.mark.parametrize("seed", range(60))
def test_every_rollout_ends_within_its_bounds(seed: int) -> None:
    dice = random.Random(seed)
    replicas = dice.randint(1, 12)
    surge: int | str = dice.choice((0, 1, 3, "25%", "100%"))
    unavailable: int | str = dice.choice((0, 1, "25%", "100%"))
    wanted = deployment(replicas, surge, unavailable)
    first = dice.randint(0, replicas)
    old = [replica_set("old0", first, age_s=300), replica_set("old1", replicas - first, age_s=200)]
    new = replica_set("new", 0, 0)
    least, most = replicas - facts.max_unavailable(wanted), replicas + facts.max_surge(wanted)
    for _ in range(200):
        for scale in plan.rolling(wanted, new, old):
            scale.replica_set["spec"]["replicas"] = scale.replicas
            scale.replica_set["status"]["availableReplicas"] = min(scale.replicas, facts.available(scale.replica_set))
        assert facts.total([*old, new]) <= most
        assert sum(facts.available(each) for each in [*old, new]) >= least
        if facts.available(new) == replicas:
            break
        for each in [*old, new]:
            settle(each, dice)
    assert [facts.size(each) for each in [*old, new]] == [0, 0, replicas] or facts.available(new) == replicas
