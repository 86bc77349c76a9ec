"""The arguments of plug-ins (`pluginConfig`), with upstream's bounds."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pilothouse.engine.scheduler.config.types import PluginArgs
from pilothouse.engine.scheduler.plugins.default_preemption.plugin import PreemptionArgs
from pilothouse.engine.scheduler.plugins.inter_pod_affinity.plugin import AffinityArgs
from pilothouse.engine.scheduler.plugins.node_affinity import NodeAffinityArgs
from pilothouse.engine.scheduler.plugins.node_resources.fit import FitArgs
from pilothouse.engine.scheduler.plugins.node_resources.scoring import BY_RATIO, DEFAULT_RESOURCES, KINDS, Strategy
from pilothouse.engine.scheduler.plugins.pod_topology_spread.plugin import SYSTEM_DEFAULTS, DefaultConstraint
from pilothouse.model.fields import FieldError, Fields
from pilothouse.model.names import qualified_name
from pilothouse.model.node_selector import RequiredNodes, preferred_nodes
from pilothouse.model.selector import SelectorError, requirement

MOST_CANDIDATES = 1_000_000
_HARD, _SOFT = "DoNotSchedule", "ScheduleAnyway"
_REQUIRED, _PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}


def arguments(configs: Sequence[Fields]) -> PluginArgs:
    """Of a profile's `pluginConfig`. Raises FieldError."""
    found, seen = PluginArgs(), set[str]()
    for config in configs:
        config.allow(("name", "args"))
        name = config.choice("name", tuple(_READERS))
        if name in seen:
            raise FieldError(f"{config.at('name')}: {name} has its arguments in this profile already")
        seen.add(name)
        args = config.fields("args")
        kind = f"{name}Args"
        if args.has("kind") and args.text("kind") != kind:
            raise FieldError(f"{args.at('kind')} is {kind}, not {args.text('kind')!r}")
        found = _READERS[name](args, found)
    return found


def _allow(args: Fields, *names: str) -> None:
    args.allow(("apiVersion", "kind", *names))


def _fit(args: Fields, known: PluginArgs) -> PluginArgs:
    _allow(args, "scoringStrategy", "ignoredResources", "ignoredResourceGroups")
    resources, groups = args.texts("ignoredResources"), args.texts("ignoredResourceGroups")
    for name in resources:
        if wrong := qualified_name(name):
            raise FieldError(f"{args.at('ignoredResources')}: {name!r} is no name of a resource: {wrong[0]}")
    for group in groups:
        if "/" in group or qualified_name(group):
            raise FieldError(f"{args.at('ignoredResourceGroups')}: {group!r} is no group of resources, which is what stands before the /")
    strategy = _strategy(args.fields("scoringStrategy")) if args.has("scoringStrategy") else Strategy()
    return replace(known, fit=FitArgs(strategy, frozenset(resources), frozenset(groups)))


def _strategy(stated: Fields) -> Strategy:
    stated.allow(("type", "resources", "requestedToCapacityRatio"))
    kind = stated.choice("type", KINDS)
    resources = tuple(_weighed(each, 100) for each in stated.each("resources")) or DEFAULT_RESOURCES
    if (kind == BY_RATIO) != stated.has("requestedToCapacityRatio"):
        raise FieldError(f"{stated.at('requestedToCapacityRatio')} belongs to type {BY_RATIO}, and to no other")
    return Strategy(kind, resources, _shape(stated.fields("requestedToCapacityRatio")) if kind == BY_RATIO else ())


def _weighed(resource: Fields, most: int) -> tuple[str, int]:
    resource.allow(("name", "weight"))
    name = resource.text("name")
    if not name:
        raise FieldError(f"{resource.at('name')} is missing: it is a resource such as cpu")
    return name, resource.number("weight", 1, most, otherwise=1)


def _shape(stated: Fields) -> tuple[tuple[int, int], ...]:
    stated.allow(("shape",))
    points = stated.each("shape")
    if not points:
        raise FieldError(f"{stated.at('shape')} needs at least one point, such as `- {{utilization: 0, score: 10}}`")
    found: list[tuple[int, int]] = []
    for point in points:
        point.allow(("utilization", "score"))
        use = point.number("utilization", 0, 100, otherwise=0)
        if found and use <= found[-1][0]:
            raise FieldError(f"{point.at('utilization')} has to be larger than the {found[-1][0]} before it")
        found.append((use, point.number("score", 0, 10, otherwise=0) * 10))
    return tuple(found)


def _balanced(args: Fields, known: PluginArgs) -> PluginArgs:
    _allow(args, "resources")
    names = tuple(_weighed(each, 1)[0] for each in args.each("resources"))
    if len(set(names)) < len(names):
        raise FieldError(f"{args.at('resources')} names a resource twice")
    return replace(known, balanced=names or known.balanced)


def _node_affinity(args: Fields, known: PluginArgs) -> PluginArgs:
    _allow(args, "addedAffinity")
    added = args.fields("addedAffinity")
    added.allow((_REQUIRED, _PREFERRED))
    if added.has(_REQUIRED):
        required = added.fields(_REQUIRED)
        required.allow(("nodeSelectorTerms",))
        terms = required.each("nodeSelectorTerms")
        if not terms:
            raise FieldError(f"{required.at('nodeSelectorTerms')} needs at least one term")
        for term in terms:
            _check_term(term)
    for each in added.each(_PREFERRED):
        each.allow(("weight", "preference"))
        each.number("weight", 1, 100, otherwise=0)
        _check_term(each.fields("preference"))
    spec = {"affinity": {"nodeAffinity": added.values}}
    return replace(known, node_affinity=NodeAffinityArgs(RequiredNodes.of(spec), preferred_nodes(spec)))


def _check_term(term: Fields) -> None:
    term.allow(("matchExpressions", "matchFields"))
    for each in (*term.each("matchExpressions"), *term.each("matchFields")):
        each.allow(("key", "operator", "values"))
        operator = _OPERATORS[each.choice("operator", tuple(_OPERATORS))]
        try:
            requirement(each.text("key"), operator, tuple(each.texts("values")))
        except SelectorError as error:
            raise FieldError(f"{each.path}: {error}") from error


def _spread(args: Fields, known: PluginArgs) -> PluginArgs:
    _allow(args, "defaultConstraints", "defaultingType")
    constraints = tuple(_constraint(each) for each in args.each("defaultConstraints"))
    is_list = args.choice("defaultingType", ("System", "List"), otherwise="System") == "List"
    if constraints and not is_list:
        raise FieldError(f"{args.at('defaultingType')} has to be List where there are defaultConstraints")
    keys = [(each.topology_key, each.is_hard) for each in constraints]
    if len(set(keys)) < len(keys):
        raise FieldError(f"{args.at('defaultConstraints')} has two of one topologyKey and whenUnsatisfiable")
    return replace(known, spread=constraints if is_list else SYSTEM_DEFAULTS)


def _constraint(stated: Fields) -> DefaultConstraint:
    if stated.has("labelSelector"):
        raise FieldError(f"{stated.at('labelSelector')} cannot be given: pods are counted that the same Services and owners select")
    stated.allow(("maxSkew", "topologyKey", "whenUnsatisfiable"))
    key = stated.text("topologyKey")
    if wrong := qualified_name(key):
        raise FieldError(f"{stated.at('topologyKey')} {key!r} is no key of a label: {wrong[0]}")
    if not stated.has("maxSkew"):
        raise FieldError(f"{stated.at('maxSkew')} is missing: it is a whole number from 1 on")
    skew = stated.number("maxSkew", 1, 1 << 31, otherwise=1)
    return DefaultConstraint(key, skew, stated.choice("whenUnsatisfiable", (_HARD, _SOFT)) == _HARD)


def _affinity(args: Fields, known: PluginArgs) -> PluginArgs:
    _allow(args, "hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods")
    weight = args.number("hardPodAffinityWeight", 0, 100, otherwise=1)
    return replace(known, affinity=AffinityArgs(weight, args.flag("ignorePreferredTermsOfExistingPods", otherwise=False)))


def _preemption(args: Fields, known: PluginArgs) -> PluginArgs:
    _allow(args, "minCandidateNodesPercentage", "minCandidateNodesAbsolute")
    percent = args.number("minCandidateNodesPercentage", 0, 100, otherwise=10)
    least = args.number("minCandidateNodesAbsolute", 0, MOST_CANDIDATES, otherwise=100)
    if not percent and not least:
        raise FieldError(f"{args.at('minCandidateNodesPercentage')} and minCandidateNodesAbsolute cannot both be 0")
    return replace(known, preemption=PreemptionArgs(least, percent))


_READERS: dict[str, Callable[[Fields, PluginArgs], PluginArgs]] = {
    "DefaultPreemption": _preemption,
    "InterPodAffinity": _affinity,
    "NodeAffinity": _node_affinity,
    "NodeResourcesBalancedAllocation": _balanced,
    "NodeResourcesFit": _fit,
    "PodTopologySpread": _spread,
}
"""Plug-ins that take arguments."""
