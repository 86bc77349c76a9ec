"""One pod's way from "to be placed" to a node: filter, score, choose. Pure but for what it remembers of nodes that have not changed.

Of many nodes only some are looked at: enough that fit, beginning where the last decision ended, so that over time all get
their turn. What a node says to what a pod asks of it by itself is kept until the node changes, for all pods that ask the same.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from pilothouse.engine.scheduler.enough import enough
from pilothouse.engine.scheduler.framework.plugin import NodeFilter, NodeScore, Normalising, Refusal, Unfit
from pilothouse.engine.scheduler.framework.profile import Profile
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot

KEPT_VERDICTS = 500_000
FRESH_AT_A_TIME = 1_000
"""How many nodes are judged anew before others get their turn on the event loop: some milliseconds."""


@dataclass(frozen=True, slots=True)
class Fit:
    """node: the best one. fitting: how many were compared."""

    node: str
    fitting: int


class Cycle:
    def __init__(self, profile: Profile, snapshot: Snapshot) -> None:
        self.profile = profile
        self.snapshot = snapshot
        self._verdicts: OrderedDict[Needs, Verdicts] = OrderedDict()
        self._start = 0

    def decide(self, pod: PodInfo) -> Fit | Unfit | None:
        """None: too much was to be looked at afresh for one go; asked again, it goes on from there."""
        verdicts = self._verdicts_of(pod.shape.needs)
        verdicts.fresh = 0
        filters = self._filters(pod)
        nominated = self.snapshot.nodes.get(self.snapshot.nominated_node(pod.key))
        if nominated is not None and nominated.exists and self._refusal(pod, nominated, verdicts, filters) is None:
            return Fit(nominated.name, 1)
        nodes = self._nodes(pod)
        found = self._look(pod, nodes, verdicts, filters)
        if found is None:
            return None
        fitting, refusals = found
        if not fitting:
            return Unfit(self._of_others(pod) | refusals)
        self._start = (self._start + len(fitting) + len(refusals)) % len(nodes)
        return Fit(self._best(pod, fitting, verdicts), len(fitting))

    def _look(
        self, pod: PodInfo, nodes: Sequence[NodeInfo], verdicts: "Verdicts", filters: Sequence[NodeFilter]
    ) -> tuple[list[NodeInfo], dict[str, Refusal]] | None:
        """Nodes that fit, as many as are enough, and the refusals of those looked at on the way. None: too many were judged anew."""
        start, wanted = self._start % max(1, len(nodes)), enough(len(nodes), self.profile.percentage)
        refusals: dict[str, Refusal] = {}
        fitting: list[NodeInfo] = []
        known = verdicts.known
        for node in chain(islice(nodes, start, None), islice(nodes, start)):
            # As `_refusal`, written out: thousands of nodes are looked at for each pod.
            verdict = known.get(node.name)
            if verdict is None or verdict.generation != node.generation:
                verdict = verdicts.of(node)
            refusal = verdict.refusal
            if refusal is None:
                for judge in filters:
                    if (refusal := judge(node)) is not None:
                        break
                else:
                    if node.nominated:
                        refusal = self._beside_nominated(pod, node, [*verdicts.filters, *filters])
            if refusal is not None:
                refusals[node.name] = refusal
            else:
                fitting.append(node)
                if len(fitting) == wanted:
                    break
            if verdicts.fresh >= FRESH_AT_A_TIME:
                return None
        return fitting, refusals

    def trial(self, pod: PodInfo, node: NodeInfo) -> Callable[[], bool]:
        """Whether the pod fits the node as that is when asked, beside pods that it is being made free for. Nothing is kept; to be asked
        before anything else runs."""
        filters = [*_present(each.filter_locally(pod.shape.needs) for each in self.profile.local_filters), *self._filters(pod)]
        return lambda: self._beside_nominated(pod, node, filters) is None

    def _filters(self, pod: PodInfo) -> list[NodeFilter]:
        return _present(each.pre_filter(pod, self.snapshot) for each in self.profile.pre_filters)

    def _nodes(self, pod: PodInfo) -> Sequence[NodeInfo]:
        nodes = self.snapshot.existing()
        for plugin in self.profile.narrowing:
            if (names := plugin.narrow(pod.shape.needs)) is not None:
                found = (self.snapshot.nodes.get(name) for name in sorted(names))
                nodes = [node for node in found if node is not None and node.exists]
        return nodes

    def _of_others(self, pod: PodInfo) -> dict[str, Refusal]:
        """Refusals of the nodes that were not worth a look."""
        found: dict[str, Refusal] = {}
        for plugin in self.profile.narrowing:
            if (names := plugin.narrow(pod.shape.needs)) is not None:
                found |= dict.fromkeys((node.name for node in self.snapshot.existing() if node.name not in names), plugin.refusal())
        return found

    def _refusal(self, pod: PodInfo, node: NodeInfo, verdicts: "Verdicts", filters: Sequence[NodeFilter]) -> Refusal | None:
        refusal = verdicts.of(node).refusal
        if refusal is not None:
            return refusal
        for judge in filters:
            if (refusal := judge(node)) is not None:
                return refusal
        if node.nominated:
            return self._beside_nominated(pod, node, [*verdicts.filters, *filters])
        return None

    def _beside_nominated(self, pod: PodInfo, node: NodeInfo, filters: Sequence[NodeFilter]) -> Refusal | None:
        """It must fit beside pods as important for which the node is being made free; and without them: they may not come."""
        guests = [each for each in node.nominated.values() if each.key != pod.key and each.priority >= pod.priority]
        guests = [each for each in guests if each.key not in node.pods]
        if guests:
            generation = node.generation
            for guest in guests:
                self.snapshot.put(guest, node)
            refusal = _first(filters, node)
            for guest in guests:
                self.snapshot.take(guest, node)
            node.generation = generation
            if refusal is not None:
                return refusal
        return _first(filters, node)

    def _best(self, pod: PodInfo, fitting: Sequence[NodeInfo], verdicts: "Verdicts") -> str:
        if len(fitting) == 1:
            return fitting[0].name
        totals = verdicts.scores(fitting)
        for plugin, weight, normalising in self.profile.scores:
            if (raw := plugin.score(pod, self.snapshot, fitting)) is not None:
                _add(totals, raw, normalising, weight)
        highest = max(totals)
        # Of equals the first by name, so that a choice can be repeated.
        return min(node.name for node, total in zip(fitting, totals, strict=True) if total == highest)

    def _verdicts_of(self, needs: Needs) -> "Verdicts":
        found = self._verdicts.get(needs)
        if found is None:
            found = self._verdicts[needs] = Verdicts(self.profile, needs)
            most = max(1, KEPT_VERDICTS // max(1, len(self.snapshot.nodes)))
            while len(self._verdicts) > most:
                self._verdicts.popitem(last=False)
        else:
            self._verdicts.move_to_end(needs)
        return found


class Verdict:
    """Of a node as it was at a generation. refusal: None when it fits. plain: the sum of the weighed scores that are not normalised;
    others: the rest, by plug-in."""

    __slots__ = ("generation", "others", "plain", "refusal")

    def __init__(self, generation: int, refusal: Refusal | None, plain: int = 0, others: tuple[int, ...] = ()) -> None:
        self.generation = generation
        self.refusal = refusal
        self.plain = plain
        self.others = others


class Verdicts:
    """What nodes say to one way of asking of them. known: what they have said, each good for one generation of its node. fresh: how many
    were asked anew since it was set to 0."""

    def __init__(self, profile: Profile, needs: Needs) -> None:
        self.filters = _present(each.filter_locally(needs) for each in profile.local_filters)
        self.fresh = 0
        self._plain: list[tuple[int, NodeScore]] = []
        self._others: list[tuple[int, Normalising, NodeScore]] = []
        self.known: dict[str, Verdict] = {}
        for plugin, weight, normalising in profile.local_scores:
            if (score := plugin.score_locally(needs)) is None:
                continue
            if normalising is None:
                self._plain.append((weight, score))
            else:
                self._others.append((weight, normalising, score))

    def of(self, node: NodeInfo) -> Verdict:
        found = self.known.get(node.name)
        if found is not None and found.generation == node.generation:
            return found
        self.fresh += 1
        found = self.known[node.name] = self._judged(node)
        return found

    def scores(self, nodes: Sequence[NodeInfo]) -> list[int]:
        """Of nodes that fit, each at most MAX_SCORE times the weights."""
        # Those that fit have been judged since they changed.
        found = [self.known[node.name] for node in nodes]
        totals = [each.plain for each in found]
        for number, (weight, normalising, _) in enumerate(self._others):
            _add(totals, [each.others[number] for each in found], normalising, weight)
        return totals

    def _judged(self, node: NodeInfo) -> Verdict:
        if (refusal := _first(self.filters, node)) is not None:
            return Verdict(node.generation, refusal)
        plain = 0
        for weight, score in self._plain:
            plain += weight * score(node)
        return Verdict(node.generation, None, plain, tuple([score(node) for _, _, score in self._others]))


def _add(totals: list[int], raw: list[int], normalising: Normalising | None, weight: int) -> None:
    scores = raw if normalising is None else normalising.normalise(raw)
    if min(scores) != max(scores):
        totals[:] = [total + weight * score for total, score in zip(totals, scores, strict=True)]


def _first(filters: Sequence[NodeFilter], node: NodeInfo) -> Refusal | None:
    for judge in filters:
        if (refusal := judge(node)) is not None:
            return refusal
    return None


def _present(found: Iterable[NodeFilter | None]) -> list[NodeFilter]:
    return [each for each in found if each is not None]
