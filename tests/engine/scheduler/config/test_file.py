"""A KubeSchedulerConfiguration is read as upstream reads it, and what is not carried out is refused in one sentence."""

from pathlib import Path

import pytest

from pilothouse.engine.scheduler.config.file import ConfigError, parsed, read
from pilothouse.engine.scheduler.config.plugins import DEFAULT_WEIGHTS, POINTS
from pilothouse.engine.scheduler.config.types import ProfileConfig, SchedulerConfig
from pilothouse.engine.scheduler.framework.points import Point
from pilothouse.engine.scheduler.plugins.default_preemption.plugin import PreemptionArgs
from pilothouse.engine.scheduler.plugins.inter_pod_affinity.plugin import AffinityArgs
from pilothouse.engine.scheduler.plugins.node_resources.scoring import Strategy
from pilothouse.engine.scheduler.plugins.pod_topology_spread.plugin import DefaultConstraint
from pilothouse.model.fields import FieldError

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def config(text: str) -> SchedulerConfig:
    return parsed((HEAD + text).encode())


def profile(text: str) -> ProfileConfig:
    """Of one profile, given as a flow mapping."""
    (found,) = config(f"profiles: [{text}]").profiles
    return found


def test_a_file_that_says_nothing_is_the_default_scheduler() -> None:
    found = config("")
    assert found == SchedulerConfig()
    (only,) = found.profiles
    assert (only.name, only.percentage, only.weights) == ("default-scheduler", 0, DEFAULT_WEIGHTS)
    assert only.enabled[Point.PRE_ENQUEUE] == ("SchedulingGates",)
    assert only.enabled[Point.SCORE][:3] == ("TaintToleration", "NodeAffinity", "NodeResourcesFit")
    assert only.enabled[Point.BIND] == ("DefaultBinder",)


def test_profiles_have_names_plug_ins_weights_and_percentages_of_their_own() -> None:
    text = """
percentageOfNodesToScore: 30
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 20
leaderElection: {leaderElect: false}
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  percentageOfNodesToScore: 100
  plugins:
    score:
      disabled: [{name: ImageLocality}]
      enabled: [{name: NodeResourcesFit, weight: 10}]
    postFilter: {disabled: [{name: "*"}]}
"""
    found = config(text)
    first, packing = found.profiles
    assert (found.first_backoff_s, found.most_backoff_s, found.names) == (2.0, 20.0, ["default-scheduler", "packing"])
    assert (first.percentage, packing.percentage) == (30, 100)
    assert packing.enabled[Point.SCORE][0] == "NodeResourcesFit"
    assert "ImageLocality" not in packing.enabled[Point.SCORE]
    assert (packing.weights["NodeResourcesFit"], packing.weights["TaintToleration"]) == (10, 3)
    assert (first.enabled[Point.POST_FILTER], packing.enabled[Point.POST_FILTER]) == (("DefaultPreemption",), ())


@pytest.mark.parametrize(
    ("plugins", "point", "names"),
    [
        # All off but what is named; upstream's own example of a profile without scores.
        ('{preScore: {disabled: [{name: "*"}]}, score: {disabled: [{name: "*"}]}}', Point.SCORE, ()),
        ('{preScore: {disabled: [{name: "*"}]}, score: {disabled: [{name: "*"}]}}', Point.POST_FILTER, ("DefaultPreemption",)),
        # Disabled and enabled again at a point: it comes last.
        ("{score: {disabled: [{name: TaintToleration}], enabled: [{name: TaintToleration, weight: 7}]}}", Point.SCORE, None),
        # Enabled at a point and everywhere: it comes first.
        ("{score: {enabled: [{name: ImageLocality, weight: 7}]}}", Point.SCORE, None),
        (
            '{multiPoint: {disabled: [{name: "*"}], enabled: [{name: DefaultBinder}, {name: PrioritySort}, {name: NodeUnschedulable}]}}',
            Point.FILTER,
            ("NodeUnschedulable",),
        ),
        (
            '{multiPoint: {disabled: [{name: "*"}], enabled: [{name: DefaultBinder}, {name: PrioritySort}]}, '
            "filter: {enabled: [{name: TaintToleration}]}}",
            Point.FILTER,
            ("TaintToleration",),
        ),
    ],
)
def test_sets_of_plug_ins_are_combined_as_upstream_combines_them(plugins: str, point: Point, names: tuple[str, ...] | None) -> None:
    found = profile(f"{{plugins: {plugins}}}").enabled[point]
    if names is not None:
        assert found == names
    elif "ImageLocality" in plugins:
        assert found[0] == "ImageLocality"
    else:
        assert found[-1] == "TaintToleration"


def test_a_weight_at_score_goes_before_one_at_multi_point_and_a_plug_in_named_without_one_counts_once() -> None:
    everywhere = "{enabled: [{name: NodeAffinity, weight: 4}, {name: TaintToleration}]}"
    found = profile(f"{{plugins: {{multiPoint: {everywhere}, score: {{enabled: [{{name: NodeAffinity, weight: 6}}]}}}}}}").weights
    assert (found["NodeAffinity"], found["TaintToleration"], found["PodTopologySpread"]) == (6, 1, 2)


def test_arguments_of_plug_ins() -> None:
    text = """
profiles:
- pluginConfig:
  - name: NodeResourcesFit
    args:
      apiVersion: kubescheduler.config.k8s.io/v1
      kind: NodeResourcesFitArgs
      ignoredResources: [example.com/fpga]
      scoringStrategy:
        type: RequestedToCapacityRatio
        resources: [{name: cpu, weight: 3}, {name: example.com/gpu}]
        requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}
  - name: NodeAffinity
    args:
      addedAffinity:
        requiredDuringSchedulingIgnoredDuringExecution:
          nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: In, values: [ssd]}]}]
  - name: PodTopologySpread
    args: {defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]}
  - name: InterPodAffinity
    args: {hardPodAffinityWeight: 50, ignorePreferredTermsOfExistingPods: true}
  - name: DefaultPreemption
    args: {minCandidateNodesPercentage: 20, minCandidateNodesAbsolute: 0}
  - name: NodeResourcesBalancedAllocation
    args: {resources: [{name: cpu}, {name: memory}, {name: example.com/gpu}]}
"""
    args = config(text).profiles[0].args
    assert args.fit.strategy == Strategy("RequestedToCapacityRatio", (("cpu", 3), ("example.com/gpu", 1)), ((0, 0), (100, 100)))
    assert args.fit.ignored == frozenset({"example.com/fpga"})
    assert args.node_affinity.added.matches("n", {"disk": "ssd"})
    assert not args.node_affinity.added.matches("n", {})
    assert args.spread == (DefaultConstraint("rack", 1, is_hard=True),)
    assert (args.affinity, args.preemption) == (AffinityArgs(50, ignores_theirs=True), PreemptionArgs(0, 20))
    assert args.balanced == ("cpu", "memory", "example.com/gpu")


def test_an_empty_list_of_default_constraints_spreads_nothing() -> None:
    assert profile("{pluginConfig: [{name: PodTopologySpread, args: {defaultingType: List}}]}").args.spread == ()


WRONG = [
    ("profile: []", "there is no field profile: did you mean profiles?"),
    ("parallelism: 8", "parallelism is not carried out: decisions are made one at a time; leave it out"),
    ("extenders: [{urlPrefix: http://x}]", "extenders is not carried out: no other program is asked; leave it out"),
    ("leaderElection: {leaderElect: true}", "leaderElection is not carried out: there is one scheduler"),
    ("percentageOfNodesToScore: 101", "percentageOfNodesToScore is a whole number from 0 to 100, not 101"),
    ("podMaxBackoffSeconds: 0", "podMaxBackoffSeconds is a whole number from 1 to 3600, not 0"),
    ("profiles: [{schedulerName: a}, {}]", "profiles[1].schedulerName is missing: pods name the profile by it"),
    ("profiles: [{schedulerName: a}, {schedulerName: a}]", "profiles[1].schedulerName: there are two profiles a"),
    ("profiles: [{schedulerName: A_B}]", "profiles[0].schedulerName 'A_B' is no name such as default-scheduler"),
    ("profiles: [{plugins: {scores: {}}}]", "there is no field profiles[0].plugins.scores: did you mean score?"),
    (
        "profiles: [{plugins: {score: {enabled: [{name: Mine}]}}}]",
        f"profiles[0].plugins.score.enabled[0].name: there is no plug-in 'Mine': there are {', '.join(POINTS)}",
    ),
    (
        "profiles: [{plugins: {score: {enabled: [{name: NodePorts}]}}}]",
        "profiles[0].plugins.score.enabled[0].name: NodePorts takes no part in score, but in filter, preFilter",
    ),
    (
        "profiles: [{plugins: {filter: {enabled: [{name: NodePorts, weight: 2}]}}}]",
        "profiles[0].plugins.filter.enabled[0].weight: only scores have weights",
    ),
    (
        "profiles: [{plugins: {score: {enabled: [{name: ImageLocality}, {name: ImageLocality}]}}}]",
        "profiles[0].plugins.score.enabled: ImageLocality is there twice",
    ),
    (
        "profiles: [{plugins: {queueSort: {disabled: [{name: PrioritySort}]}}}]",
        "profiles[0].plugins.queueSort: PrioritySort sorts the queue of all profiles, and cannot be disabled",
    ),
    ('profiles: [{plugins: {bind: {disabled: [{name: "*"}]}}}]', "profiles[0].plugins.bind: without DefaultBinder no pod would be bound"),
    (
        "profiles: [{plugins: {preFilter: {disabled: [{name: NodeResourcesFit}]}}}]",
        "profiles[0].plugins: NodeResourcesFit is enabled at filter and not at preFilter, which prepares it: disable or enable it at both",
    ),
    ("profiles: [{pluginConfig: [{name: ImageLocality}]}]", "profiles[0].pluginConfig[0].name cannot be 'ImageLocality': it is one of"),
    (
        "profiles: [{pluginConfig: [{name: InterPodAffinity}, {name: InterPodAffinity}]}]",
        "profiles[0].pluginConfig[1].name: InterPodAffinity has its arguments in this profile already",
    ),
    (
        "profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]}]",
        "profiles[0].pluginConfig[0].args.hardPodAffinityWeight is a whole number from 0 to 100, not 101",
    ),
    (
        "profiles: [{pluginConfig: [{name: InterPodAffinity, args: {kind: NodeAffinityArgs}}]}]",
        "profiles[0].pluginConfig[0].args.kind is InterPodAffinityArgs, not 'NodeAffinityArgs'",
    ),
    (
        "profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: RequestedToCapacityRatio}}}]}]",
        "profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio belongs to type RequestedToCapacityRatio",
    ),
    (
        "profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: Most}}}]}]",
        "profiles[0].pluginConfig[0].args.scoringStrategy.type cannot be 'Most': it is one of LeastAllocated, MostAllocated",
    ),
    (
        "profiles: [{pluginConfig: [{name: PodTopologySpread, args: {defaultConstraints: "
        "[{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]}}]}]",
        "profiles[0].pluginConfig[0].args.defaultingType has to be List where there are defaultConstraints",
    ),
    (
        "profiles: [{pluginConfig: [{name: NodeAffinity, args: {addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
        "{nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: In}]}]}}}}]}]",
        "profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]:",
    ),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said[:50] for _, said in WRONG])
def test_what_cannot_be_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(FieldError) as failure:
        config(text)
    assert str(failure.value).startswith(said)


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(FieldError, match="it has to begin with `apiVersion: kubescheduler"):
        parsed(b"apiVersion: v1\nkind: Pod\n")


def test_a_file_is_named_with_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.yaml"
    with pytest.raises(ConfigError, match=r"scheduler.yaml cannot be read \(no such file or directory\): `ph up --scheduler-config FILE`"):
        read(path)
    path.write_text(HEAD + "profiles: 3")
    with pytest.raises(ConfigError, match=r"scheduler.yaml is not valid: profiles has to be a list"):
        read(path)
    path.write_text(HEAD)
    assert read(path) == SchedulerConfig()
