"""Counts of pods by place, kept as pods come and go, so that no decision has to go through all pods.

A `Question` says which pods and what a place is; its `Tally` holds the answer. Places are values of a label of nodes. Only questions
that a pod to be placed has asked are kept, the most recently asked ones; one that comes again later is counted afresh.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.terms import NamespaceLabels, Term

KEPT = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """selects: whether pods of that shape are meant. includes: whether nodes count at all. Equal when their `mark`s are.

    namespace: the only one that selected pods can be in, None for any. counts_terminating: pods that are being deleted count, too.
    has_domains: places without such a pod are kept count of as well.
    """

    mark: bytes
    topology_key: str
    selects: Callable[[Shape, NamespaceLabels], bool]
    namespace: str | None = None
    includes: Callable[[NodeInfo], bool] | None = None
    counts_terminating: bool = True
    has_domains: bool = False

    def __hash__(self) -> int:
        return hash(self.mark)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Question) and self.mark == other.mark


class Tally:
    """counts: pods by place. total: in all places. changes: another number after each change."""

    __slots__ = ("_domains", "_levels", "changes", "counts", "question", "total")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.counts: dict[str, int] = {}
        self.total = 0
        self.changes = 0
        self._domains: dict[str, int] = {}
        self._levels: Counter[int] = Counter()

    @property
    def domains(self) -> int:
        """How many places there are, empty ones included."""
        return len(self._domains)

    @property
    def lowest(self) -> int:
        """How many pods the place with the fewest has; 0 without places."""
        return min(self._levels) if self._levels else 0

    def count(self, node: NodeInfo, pods: int) -> None:
        """So many more (or, when negative, fewer) pods on the node."""
        value = self._place(node)
        if value is None:
            return
        self.changes += 1
        before = self.counts.get(value, 0)
        now = before + pods
        self.total += pods
        if now:
            self.counts[value] = now
        else:
            self.counts.pop(value, None)
        if value in self._domains:
            self._move(before, now)

    def begin(self, nodes: Iterable[NodeInfo]) -> None:
        """Of an empty tally: the nodes that there are."""
        self._domains = dict(Counter(value for node in nodes if (value := self._place(node)) is not None))
        self._levels = Counter({0: len(self._domains)}) if self._domains else Counter()

    def node(self, node: NodeInfo, sign: int) -> None:
        """The node comes (1) without its pods, or goes (-1) after them."""
        if not self.question.has_domains or (value := self._place(node)) is None:
            return
        self.changes += 1
        before = self._domains.get(value, 0)
        if before + sign:
            self._domains[value] = before + sign
        else:
            del self._domains[value]
        if not before:
            self._levels[self.counts.get(value, 0)] += 1
        elif not before + sign:
            self._leave(self.counts.get(value, 0))

    def _place(self, node: NodeInfo) -> str | None:
        value = node.labels.get(self.question.topology_key)
        if value is None or (self.question.includes is not None and not self.question.includes(node)):
            return None
        return value

    def _move(self, before: int, now: int) -> None:
        self._leave(before)
        self._levels[now] += 1

    def _leave(self, level: int) -> None:
        self._levels[level] -= 1
        if not self._levels[level]:
            del self._levels[level]


class Tallies:
    """nodes: those that exist. pods_in: pods on such nodes, in a namespace or, for None, in any."""

    def __init__(
        self,
        nodes: Callable[[], Iterable[NodeInfo]],
        pods_in: Callable[[str | None], Iterator[tuple[PodInfo, NodeInfo]]],
        labels_of: NamespaceLabels,
        kept: int = KEPT,
    ) -> None:
        self._nodes = nodes
        self._pods_in = pods_in
        self._labels_of = labels_of
        self._kept = kept
        self._tallies: OrderedDict[Question, Tally] = OrderedDict()
        self._of_shape: dict[Shape, tuple[Tally, ...]] = {}

    def get(self, question: Question) -> Tally:
        found = self._tallies.get(question)
        if found is not None:
            self._tallies.move_to_end(question)
            return found
        tally = self._tallies[question] = Tally(question)
        if len(self._tallies) > self._kept:
            self._tallies.popitem(last=False)
        self._of_shape.clear()
        if question.has_domains:
            tally.begin(self._nodes())
        selected: dict[Shape, bool] = {}
        for pod, node in self._pods_in(question.namespace):
            is_meant = selected.get(pod.shape)
            if is_meant is None:
                is_meant = selected[pod.shape] = question.selects(pod.shape, self._labels_of)
            if is_meant and (question.counts_terminating or not pod.is_terminating):
                tally.count(node, 1)
        return tally

    def count(self, pod: PodInfo, node: NodeInfo, sign: int) -> None:
        """The pod has come to the node (1) or left it (-1)."""
        for tally in self._meaning(pod.shape):
            if tally.question.counts_terminating or not pod.is_terminating:
                tally.count(node, sign)

    def node(self, node: NodeInfo, sign: int) -> None:
        """The node comes (1) or goes (-1), with its pods. Called while its labels are the ones that count."""
        if sign > 0:
            self._domains(node, sign)
        for pod in node.pods.values():
            self.count(pod, node, sign)
        if sign < 0:
            self._domains(node, sign)

    def forget_others(self) -> None:
        """Those that speak of other namespaces than one are counted afresh: a namespace has other labels."""
        for question in [each for each in self._tallies if each.namespace is None]:
            del self._tallies[question]
        self._of_shape.clear()

    def _domains(self, node: NodeInfo, sign: int) -> None:
        for tally in self._tallies.values():
            tally.node(node, sign)

    def _meaning(self, shape: Shape) -> tuple[Tally, ...]:
        found = self._of_shape.get(shape)
        if found is None:
            found = self._of_shape[shape] = tuple(each for each in self._tallies.values() if self._selects(each.question, shape))
            if len(self._of_shape) > 10 * self._kept:
                self._of_shape.clear()
        return found

    def _selects(self, question: Question, shape: Shape) -> bool:
        return question.namespace in (None, shape.namespace) and question.selects(shape, self._labels_of)


class Holders:
    """Terms that placed pods hold against or for others, each with where its holders are.

    kind: what of the pod it is ("anti", "affinity", "preferred").
    """

    def __init__(self, labels_of: NamespaceLabels) -> None:
        self._labels_of = labels_of
        self._tallies: dict[tuple[str, Term], Tally] = {}
        self._empty: set[tuple[str, Term]] = set()
        self._about: OrderedDict[tuple[str, Shape], tuple[tuple[Term, Tally], ...]] = OrderedDict()

    def about(self, kind: str, shape: Shape) -> tuple[tuple[Term, Tally], ...]:
        """The held terms of a kind that speak of pods of that shape. Their tallies go on being right until this is asked again."""
        if self._empty:
            self._drop_empty()
        found = self._about.get((kind, shape))
        if found is None:
            found = tuple((term, tally) for (of, term), tally in self._tallies.items() if of == kind and self._selects(term, shape))
            self._about[kind, shape] = found
            if len(self._about) > KEPT:
                self._about.popitem(last=False)
        return found

    def count(self, pod: PodInfo, node: NodeInfo, sign: int) -> None:
        shape = pod.shape
        for kind, terms in (("anti", shape.anti), ("affinity", shape.affinity), ("preferred", shape.preferred)):
            for term in terms:
                self._count(kind, term, node, sign)

    def forget(self) -> None:
        """Which terms speak of whom is looked up afresh."""
        self._about.clear()

    def _count(self, kind: str, term: Term, node: NodeInfo, sign: int) -> None:
        tally = self._tallies.get((kind, term))
        if tally is None:
            tally = self._tallies[kind, term] = Tally(Question(term.mark, term.topology_key, _any))
            self._about.clear()
        tally.count(node, sign)
        if not tally.counts:
            self._empty.add((kind, term))

    def _drop_empty(self) -> None:
        """Not at once when the last holder leaves: in a trial it comes back."""
        gone = [each for each in self._empty if not self._tallies[each].counts]
        for each in gone:
            del self._tallies[each]
        self._empty.clear()
        if gone:
            self._about.clear()

    def _selects(self, term: Term, shape: Shape) -> bool:
        return term.selects(shape.namespace, shape.labels, self._labels_of)


def _any(shape: Shape, labels_of: NamespaceLabels) -> bool:
    return True
