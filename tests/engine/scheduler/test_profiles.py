"""What a profile's configuration does to decisions."""

from collections import Counter
from typing import Any

import pytest

from pilothouse.engine.scheduler.config.types import PluginArgs, ProfileConfig
from pilothouse.engine.scheduler.cycle import Fit
from pilothouse.engine.scheduler.enough import enough
from pilothouse.engine.scheduler.plugins.inter_pod_affinity.plugin import AffinityArgs
from pilothouse.engine.scheduler.plugins.node_affinity import NodeAffinityArgs
from pilothouse.engine.scheduler.plugins.node_resources.balanced_allocation import BalancedAllocation
from pilothouse.engine.scheduler.plugins.node_resources.fit import FitArgs
from pilothouse.engine.scheduler.plugins.node_resources.scoring import Strategy, on_line
from pilothouse.engine.scheduler.plugins.pod_topology_spread.plugin import DefaultConstraint
from pilothouse.model.json import Object
from pilothouse.model.node_selector import RequiredNodes
from pilothouse.model.selector import Selector, requirement
from tests.engine.scheduler.config.test_file import profile
from tests.engine.scheduler.objects import REQUIRED, World, affinity, node, pod, term

WEB = b"web", Selector((requirement("app", "=", ("web",)),))


def with_args(**args: Any) -> ProfileConfig:
    return ProfileConfig(args=PluginArgs(**args))


def scored(strategy: Strategy, wanted: Object, *placed: Object, found: Object | None = None) -> int:
    known = World(found or node("n"), *placed)
    return strategy.score(known.snapshot.info(wanted).shape.needs)(known.snapshot.nodes["n"])


@pytest.mark.parametrize(
    ("strategy", "score"),
    [
        (Strategy("LeastAllocated", (("cpu", 1), ("memory", 3))), (50 + 3 * 75) // 4),
        (Strategy("MostAllocated"), (50 + 25) // 2),
        (Strategy("MostAllocated", (("cpu", 1), ("memory", 3))), (50 + 3 * 25) // 4),
        (Strategy("MostAllocated", (("example.com/gpu", 1), ("cpu", 1))), 50),
        (Strategy("RequestedToCapacityRatio", (("cpu", 1), ("memory", 1)), ((0, 0), (100, 100))), 38),
        (Strategy("RequestedToCapacityRatio", (("cpu", 3), ("memory", 1)), ((0, 100), (100, 0))), 56),
        # What gives no score has no weight either.
        (Strategy("RequestedToCapacityRatio", (("cpu", 3), ("memory", 1)), ((0, 0), (25, 0), (100, 100))), 33),
    ],
)
def test_strategies_of_scoring(strategy: Strategy, score: int) -> None:
    assert scored(strategy, pod(cpu="1", memory="1Gi")) == score


def test_a_resource_of_its_own_counts_for_pods_that_ask_for_it() -> None:
    gpus = node("n")
    gpus["status"]["allocatable"]["example.com/gpu"] = "4"
    wanted = pod(cpu="1", memory="1Gi")
    wanted["spec"]["containers"][0]["resources"]["requests"]["example.com/gpu"] = "3"
    assert scored(Strategy("MostAllocated", (("example.com/gpu", 1),)), wanted, found=gpus) == 75
    assert scored(Strategy("MostAllocated", (("example.com/gpu", 1),)), pod(cpu="1"), found=gpus) == 0


@pytest.mark.parametrize(("use", "score"), [(0, 20), (20, 20), (30, 40), (40, 60), (70, 30), (100, 0), (33, 46)])
def test_scores_lie_on_lines_between_points(use: int, score: int) -> None:
    assert on_line(((20, 20), (40, 60), (100, 0)), use) == score


def test_three_resources_are_balanced_by_their_deviation() -> None:
    gpus = node("n")
    gpus["status"]["allocatable"]["example.com/gpu"] = "4"
    known, wanted = World(gpus), pod(cpu="1", memory="2Gi")
    wanted["spec"]["containers"][0]["resources"]["requests"]["example.com/gpu"] = "4"
    found = BalancedAllocation(("cpu", "memory", "example.com/gpu")).score_locally(known.snapshot.info(wanted).shape.needs)
    assert found is not None
    # Shares of a half, a half and all of it.
    assert found(known.snapshot.nodes["n"]) == 76


def test_a_packing_profile_fills_one_node_before_the_next() -> None:
    packing = profile(
        "{plugins: {score: {disabled: [{name: NodeResourcesBalancedAllocation}]}}, "
        "pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]}"
    )
    known = World(*(node(name, cpu="4") for name in "abc"), config=packing)
    assert [known.place(pod(f"p{number}", cpu="1", memory="1Gi")) for number in range(5)] == ["a", "a", "a", "a", "b"]


def test_what_is_not_enabled_has_no_say() -> None:
    without = profile(
        "{plugins: {filter: {disabled: [{name: TaintToleration}]}, preFilter: {}, score: {disabled: [{name: TaintToleration}]}}}"
    )
    tainted = node("n", taints=[{"key": "gpu", "effect": "NoSchedule"}])
    assert World(tainted, config=without).place(pod()) == "n"
    assert World(tainted).place(pod()) == ""


def test_ignored_resources_are_not_looked_at() -> None:
    wanted = pod()
    wanted["spec"]["containers"][0]["resources"]["requests"] = {"example.com/fpga": "1", "example.org/x": "1"}
    both = with_args(fit=FitArgs(ignored=frozenset({"example.com/fpga"}), ignored_groups=frozenset({"example.org"})))
    assert World(node("n"), config=both).place(wanted) == "n"
    one = with_args(fit=FitArgs(ignored=frozenset({"example.com/fpga"})))
    assert World(node("n"), config=one).reasons(wanted) == {"Insufficient example.org/x": 1}


def test_an_added_affinity_holds_for_all_pods_of_the_profile() -> None:
    spec = {
        "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "team", "operator": "Exists"}]}]}}}
    }
    config = with_args(node_affinity=NodeAffinityArgs(RequiredNodes.of(spec)))
    assert World(node("a"), node("b", labels={"team": "x"}), config=config).place(pod()) == "b"
    assert World(node("a"), config=config).reasons(pod()) == {"node(s) didn't match scheduler-enforced node affinity": 1}


def test_default_constraints_of_a_profile_may_be_hard() -> None:
    config = with_args(spread=(DefaultConstraint("rack", 1, is_hard=True),))
    known = World(
        node("a", labels={"rack": "1"}), node("b", labels={"rack": "2"}), node("c"), config=config, default_selector=lambda shape: WEB
    )
    racks = Counter(known.place(pod(f"p{number}", labels={"app": "web"})) for number in range(4))
    assert racks == {"a": 2, "b": 2}
    own = {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app": "db"}}}
    assert known.refusals(pod(topologySpreadConstraints=[own])) == {}


def test_a_required_affinity_of_others_weighs_as_the_profile_says() -> None:
    nodes = [node("a"), node("b")]
    lonely = pod("lonely", on="b", cpu="500m", affinity=affinity(near=[term()]))
    assert World(*nodes, lonely).place(pod(labels={"app": "web"})) == "b"
    assert World(*nodes, lonely, config=with_args(affinity=AffinityArgs(hard_weight=0))).place(pod(labels={"app": "web"})) == "a"


def test_preferred_terms_of_others_may_be_ignored_for_pods_without_any() -> None:
    nodes = [node("a"), node("b")]
    there = pod("there", on="b", cpu="500m", affinity=affinity(rather_near=[(100, term())]))
    assert World(*nodes, there).place(pod(labels={"app": "web"})) == "b"
    assert World(*nodes, there, config=with_args(affinity=AffinityArgs(ignores_theirs=True))).place(pod(labels={"app": "web"})) == "a"


@pytest.mark.parametrize(
    ("nodes", "percentage", "wanted"),
    [
        *((50, 0, 50), (100, 0, 100), (101, 0, 100), (300, 0, 144), (500, 0, 230), (1000, 0, 250), (5000, 0, 250)),
        *((1000, 30, 300), (1000, 5, 100), (1000, 100, 1000), (50, 10, 50), (0, 0, 0)),
    ],
)
def test_how_many_nodes_are_compared(nodes: int, percentage: int, wanted: int) -> None:
    assert enough(nodes, percentage) == wanted


def test_a_percentage_of_a_profile_bounds_what_is_compared() -> None:
    nodes = [node(f"n{number:04}") for number in range(500)]
    found = World(*nodes, config=ProfileConfig(percentage=30)).decide(pod())
    assert isinstance(found, Fit)
    assert found.fitting == 150
