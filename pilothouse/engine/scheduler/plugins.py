"""The scheduler's plug-ins: a filter gives the reason why a node does not fit (or None), a score says how well it fits (0 to 100).

The reasons' wording is upstream's: people search for it, and `ph why` counts them.
"""

from collections.abc import Callable, Iterable, Iterator

from pilothouse.engine.scheduler.demand import PODS, Demand
from pilothouse.engine.scheduler.nodes import NodeState
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.selector import Selector, requirement
from pilothouse.model.taints import tolerates as tolerated_by

Filter = Callable[[Object, Demand, NodeState], str | None]
Score = Callable[[Object, Demand, NodeState], float]
UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def node_name(pod: Object, demand: Demand, state: NodeState) -> str | None:
    wanted = pod["spec"].get("nodeName")
    return None if not wanted or wanted == meta.name(state.node) else "node(s) didn't match the requested node name"


def unschedulable(pod: Object, demand: Demand, state: NodeState) -> str | None:
    if not state.node["spec"].get("unschedulable") or tolerates(pod, UNSCHEDULABLE):
        return None
    return "node(s) were unschedulable"


def taints(pod: Object, demand: Demand, state: NodeState) -> str | None:
    for taint in state.node["spec"].get("taints") or ():
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(pod, taint):
            return f"node(s) had untolerated taint(s) {{{taint['key']}: {taint.get('value', '')}}}"
    return None


def tolerates(pod: Object, taint: Object) -> bool:
    return any(tolerated_by(toleration, taint) for toleration in pod["spec"].get("tolerations") or ())


def node_affinity(pod: Object, demand: Demand, state: NodeState) -> str | None:
    spec = pod["spec"]
    labels = meta.labels(state.node)
    wanted = spec.get("nodeSelector") or {}
    fits = all(labels.get(key) == value for key, value in wanted.items())
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if fits and required is not None:
        fits = any(_term_matches(term, state.node) for term in required.get("nodeSelectorTerms") or ())
    return None if fits else "node(s) didn't match Pod's node affinity/selector"


def _term_matches(term: Object, node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return _selector(expressions).matches(meta.labels(node)) and _selector(fields).matches({"metadata.name": meta.name(node)})


def _selector(expressions: Iterable[Object]) -> Selector:
    names = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}
    return Selector(tuple(requirement(e["key"], names[e["operator"]], e.get("values") or ()) for e in expressions))


def ports(pod: Object, demand: Demand, state: NodeState) -> str | None:
    taken = [port for port, count in state.ports.items() if count > 0]
    clash = any(_clashes(a, b) for a in demand.ports for b in taken)
    return "node(s) didn't have free ports for the requested pod ports" if clash else None


def _clashes(a: tuple[str, str, int], b: tuple[str, str, int]) -> bool:
    any_address = "0.0.0.0"  # noqa: S104 -- upstream's spelling of "any address"
    return a[1:] == b[1:] and (a[0] == b[0] or any_address in (a[0], b[0]))


def resources(pod: Object, demand: Demand, state: NodeState) -> str | None:
    short = [r for r, asked in demand.resources.items() if asked > 0 and asked > state.allocatable.get(r, 0) - state.used[r]]
    if not short:
        return None
    return "Too many pods" if short[0] == PODS else f"Insufficient {short[0]}"


def least_allocated(pod: Object, demand: Demand, state: NodeState) -> float:
    """The share of cpu and memory that would stay free."""
    return sum(_free_share(demand, state, resource) for resource in ("cpu", "memory")) / 2


def _free_share(demand: Demand, state: NodeState, resource: str) -> float:
    total = state.allocatable.get(resource, 0)
    used = state.used[resource] + demand.resources.get(resource, 0)
    return 100.0 * max(0, total - used) / total if total else 0.0


def preferred_affinity(pod: Object, demand: Demand, state: NodeState) -> float:
    terms = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get("preferredDuringSchedulingIgnoredDuringExecution") or []
    total = sum(term["weight"] for term in terms)
    met = sum(term["weight"] for term in terms if _term_matches(term["preference"], state.node))
    return 100.0 * met / total if total else 0.0


def soft_taints(pod: Object, demand: Demand, state: NodeState) -> float:
    disliked = [t for t in state.node["spec"].get("taints") or () if t["effect"] == "PreferNoSchedule" and not tolerates(pod, t)]
    return 0.0 if disliked else 100.0


def fewest_pods(pod: Object, demand: Demand, state: NodeState) -> float:
    """Pods that ask for nothing are spread, too."""
    return _free_share(demand, state, PODS)


FILTERS: tuple[Filter, ...] = (unschedulable, node_name, taints, node_affinity, ports, resources)
SCORES: tuple[tuple[Score, float], ...] = ((least_allocated, 1), (preferred_affinity, 2), (soft_taints, 3), (fewest_pods, 1))


def refusals(
    pod: Object, demand: Demand, states: Iterable[NodeState], others: Callable[[Object], str | None] = lambda node: None
) -> Iterator[tuple[NodeState, str | None]]:
    """Each node with the first reason why it does not fit, None when it does. others: what other pods have against a node, asked last."""
    for state in states:
        found = next((reason for plugin in FILTERS if (reason := plugin(pod, demand, state)) is not None), None)
        yield state, others(state.node) if found is None else found


def best(pod: Object, demand: Demand, fitting: list[NodeState]) -> NodeState:
    """The node with the highest score; among equals the first by name, so that a choice can be repeated."""
    return min(fitting, key=lambda state: (-sum(weight * score(pod, demand, state) for score, weight in SCORES), meta.name(state.node)))
