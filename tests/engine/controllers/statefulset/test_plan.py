from collections.abc import Sequence
from typing import Any

import pytest

from pilothouse.engine.controllers.statefulset import plan as plans
from pilothouse.engine.controllers.statefulset.plan import Plan, Revisions
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.controllers.objects import NOW, pod
from tests.engine.controllers.statefulset.objects import ROLLING, SAME, member, stateful_set

PARALLEL = "Parallel"


def decide(owner: Object, *pods: Object, revisions: Revisions = SAME) -> Plan:
    return plans.decide(owner, pods, {meta.uid(each) for each in pods if meta.is_deleting(each)}, revisions, NOW)


def made(plan: Plan) -> list[int]:
    return [each.ordinal for each in plan.create]


def deleted(plan: Plan) -> list[str]:
    return [meta.name(each.pod) for each in plan.delete]


def waits_for(plan: Plan) -> str:
    return "" if plan.waiting is None else meta.name(plan.waiting.pod)


def old(*ordinals: int) -> list[Object]:
    return [member(each, "old") for each in ordinals]


@pytest.mark.parametrize(
    ("pods", "create", "waiting"),
    [
        ([], [0], ""),
        ([member(0)], [1], ""),
        ([member(0), member(1)], [2], ""),
        ([member(0), member(2)], [1], ""),
        ([member(1), member(2)], [0], ""),
        ([member(0, ready_s=None)], [], "db-0"),
        ([member(0, ready_s=None, phase="Pending"), member(2)], [], "db-0"),
        ([member(0, deleting=True)], [], "db-0"),
        ([member(0), member(1), member(2)], [], ""),
    ],
)
def test_pods_come_one_by_one_each_when_those_before_it_are_ready(pods: list[Object], create: list[int], waiting: str) -> None:
    plan = decide(stateful_set(3), *pods)
    assert (made(plan), deleted(plan), waits_for(plan)) == (create, [], waiting)


def test_the_order_of_the_cache_does_not_matter() -> None:
    assert made(decide(stateful_set(3), member(1), member(0))) == [2]


def test_parallel_pods_come_at_once() -> None:
    assert made(decide(stateful_set(4, policy=PARALLEL), member(1, ready_s=None))) == [0, 2, 3]


def test_a_round_makes_at_most_a_burst() -> None:
    assert len(decide(stateful_set(2000, policy=PARALLEL)).create) == plans.BURST


def test_ordinals_begin_where_the_set_says() -> None:
    owner = stateful_set(2, ordinals={"start": 5})
    assert made(decide(owner)) == [5]
    assert made(decide(owner, member(5))) == [6]
    assert deleted(decide(owner, member(5), member(6), member(0))) == ["db-0"]


def test_a_pod_counts_when_it_was_ready_for_long_enough() -> None:
    plan = decide(stateful_set(2, minReadySeconds=30), member(0, ready_s=10))
    assert (made(plan), waits_for(plan)) == ([], "db-0")
    assert plan.waiting is not None
    assert plan.waiting.again_s == 20
    assert made(decide(stateful_set(2, minReadySeconds=30), member(0, ready_s=40))) == [1]


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
@pytest.mark.parametrize("policy", ["OrderedReady", PARALLEL])
def test_a_pod_that_has_ended_is_deleted_to_be_made_anew(phase: str, policy: str) -> None:
    assert deleted(decide(stateful_set(1, policy=policy), member(0, phase=phase, ready_s=None))) == ["db-0"]
    assert deleted(decide(stateful_set(1, policy=policy), member(0, phase=phase, ready_s=None, deleting=True))) == []


@pytest.mark.parametrize(
    ("pods", "gone", "waiting"),
    [
        ([member(0), member(1), member(2)], ["db-2"], ""),
        ([member(0), member(1), member(2, deleting=True)], [], "db-2"),
        ([member(0), member(1, ready_s=None), member(2)], ["db-2"], ""),
        ([member(0), member(1), member(2, ready_s=None)], ["db-2"], ""),
        ([member(0), member(1, ready_s=None), member(2, ready_s=None)], [], "db-1"),
        ([member(0, ready_s=None), member(1), member(2)], [], "db-0"),
        ([member(1), member(2)], [], ""),
    ],
)
def test_scaling_down_takes_the_highest_and_waits_for_what_is_not_available(pods: list[Object], gone: list[str], waiting: str) -> None:
    plan = decide(stateful_set(1), *pods)
    assert (deleted(plan), waits_for(plan)) == (gone, waiting)


def test_parallel_pods_go_at_once_the_highest_first() -> None:
    pods = [member(0, ready_s=None), member(1, ready_s=None), member(2), member(3, deleting=True)]
    assert deleted(decide(stateful_set(1, policy=PARALLEL), *pods)) == ["db-2", "db-1"]


@pytest.mark.parametrize(
    ("pods", "gone", "waiting"),
    [
        (old(0, 1, 2), ["db-2"], ""),
        ([*old(0, 1), member(2)], ["db-1"], ""),
        ([*old(0, 1), member(2, ready_s=None)], [], "db-2"),
        ([*old(0, 1), member(2, "old", deleting=True)], [], "db-2"),
        ([member(0, "old"), member(1), member(2)], ["db-0"], ""),
        ([member(0), member(1), member(2)], [], ""),
    ],
)
def test_an_update_goes_down_from_the_highest_ordinal(pods: list[Object], gone: list[str], waiting: str) -> None:
    plan = decide(stateful_set(3), *pods, revisions=ROLLING)
    assert (deleted(plan), waits_for(plan)) == (gone, waiting)


def test_a_broken_pod_of_the_old_template_holds_an_ordered_update_up() -> None:
    plan = decide(stateful_set(3), member(0, "old", ready_s=None), *old(1, 2), revisions=ROLLING)
    assert (deleted(plan), waits_for(plan)) == ([], "db-0")


def test_a_parallel_update_replaces_a_broken_pod_of_the_old_template() -> None:
    owner = stateful_set(1, policy=PARALLEL)
    assert deleted(decide(owner, member(0, "old", ready_s=None), revisions=ROLLING)) == ["db-0"]


def test_scaling_comes_before_updating() -> None:
    assert made(decide(stateful_set(4), *old(0, 1, 2), revisions=ROLLING)) == [3]
    assert deleted(decide(stateful_set(2), *old(0, 1, 2), revisions=ROLLING)) == ["db-2"]


@pytest.mark.parametrize(("partition", "gone"), [(0, ["db-2"]), (2, ["db-2"]), (3, []), (9, [])])
def test_an_update_stops_at_the_partition(partition: int, gone: list[str]) -> None:
    assert deleted(decide(stateful_set(3, strategy={"partition": partition}), *old(0, 1, 2), revisions=ROLLING)) == gone


def test_the_partition_counts_from_the_first_ordinal() -> None:
    owner = stateful_set(3, strategy={"partition": 2}, ordinals={"start": 4})
    assert deleted(decide(owner, *old(4, 5, 6), revisions=ROLLING)) == ["db-6"]
    assert deleted(decide(owner, *old(4, 5), member(6), revisions=ROLLING)) == []


@pytest.mark.parametrize(("missing", "revision"), [(0, "old"), (1, "old"), (2, "new")])
def test_a_pod_below_the_partition_comes_back_as_it_was(missing: int, revision: str) -> None:
    owner = stateful_set(3, strategy={"partition": 2})
    (create,) = decide(
        owner, *(each for each in [*old(0, 1), member(2)] if each["metadata"]["name"] != f"db-{missing}"), revisions=ROLLING
    ).create
    assert create == (missing, revision)


def test_without_a_rolling_update_pods_are_replaced_by_hand() -> None:
    owner = stateful_set(2, strategy="OnDelete")
    assert deleted(decide(owner, *old(0, 1), revisions=ROLLING)) == []
    assert decide(owner, *old(0), revisions=ROLLING).create == [(1, "new")]


@pytest.mark.parametrize(
    ("most", "pods", "gone"),
    [
        (2, old(0, 1, 2, 3), ["db-3", "db-2"]),
        ("50%", old(0, 1, 2, 3), ["db-3", "db-2"]),
        ("1%", old(0, 1, 2, 3), ["db-3"]),
        (9, old(0, 1, 2, 3), ["db-3", "db-2", "db-1", "db-0"]),
        (2, [*old(0, 1, 2), member(3)], ["db-2", "db-1"]),
    ],
)
def test_as_many_as_may_be_down_are_replaced_together(most: int | str, pods: Sequence[Object], gone: list[str]) -> None:
    assert deleted(decide(stateful_set(4, strategy={"maxUnavailable": most}), *pods, revisions=ROLLING)) == gone


@pytest.mark.parametrize(
    ("pods", "gone"),
    [
        ([*old(0, 1, 2), member(3, ready_s=None)], ["db-2"]),
        ([*old(0, 1), member(2, ready_s=None), member(3, ready_s=None)], []),
        ([member(0, "old", ready_s=None), *old(1, 2, 3)], ["db-3", "db-0"]),
        ([member(0, "old", ready_s=None), member(1, "old", ready_s=None), *old(2, 3)], ["db-1", "db-0"]),
        ([*old(0, 1, 2)], ["db-2"]),
    ],
)
def test_every_pod_that_is_down_counts_and_a_broken_old_one_is_replaced_anyway(pods: Sequence[Object], gone: list[str]) -> None:
    owner = stateful_set(4, policy=PARALLEL, strategy={"maxUnavailable": 2})
    assert deleted(decide(owner, *pods, revisions=ROLLING)) == gone


def test_a_pod_with_another_name_is_not_the_sets() -> None:
    strangers = [pod("db-x", ready_s=1), pod("web-0", ready_s=1), pod("db-01", ready_s=1), pod(f"db-{'9' * 40}", ready_s=1)]
    plan = decide(stateful_set(1), member(0), *strangers)
    assert (made(plan), deleted(plan)) == ([], [])


@pytest.mark.parametrize("labels", [{"app": "web"}, {"app": "web", "statefulset.kubernetes.io/pod-name": "db-7"}])
def test_labels_of_identity_are_put_back(labels: dict[str, str]) -> None:
    without: dict[str, Any] = pod("db-0", labels=labels, ready_s=1)
    assert decide(stateful_set(1, strategy="OnDelete"), without).relabel == [without]


def test_no_round_leads_back_to_a_round_before() -> None:
    """Played to its end by pods that become ready at once, every plan comes to rest with exactly the pods that are wanted."""
    for policy in ("OrderedReady", PARALLEL):
        for strategy in ({}, {"partition": 2}, {"maxUnavailable": 2}):
            owner = stateful_set(4, policy=policy, strategy=strategy)
            pods = {meta.name(each): each for each in old(0, 1, 2, 3, 4, 5)}
            for _ in range(30):
                plan = decide(owner, *pods.values(), revisions=ROLLING)
                if not plan.changes:
                    break
                for gone in deleted(plan):
                    del pods[gone]
                pods |= {f"db-{each.ordinal}": member(each.ordinal, each.revision) for each in plan.create}
            else:
                raise AssertionError(f"{policy} {strategy} never comes to rest")
            revisions = [pods[f"db-{n}"]["metadata"]["labels"]["controller-revision-hash"] for n in range(4)]
            assert revisions == ["old"] * strategy.get("partition", 0) + ["new"] * (4 - strategy.get("partition", 0))
            assert len(pods) == 4
