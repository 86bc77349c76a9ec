"""Which nodes a pod may go to for the sake of other pods: required pod affinity and anti-affinity, its own and theirs.

A term speaks of pods by namespace and labels, and of places by a label of nodes: two nodes with the same value are one place. Nothing is
indexed by labels: a decision looks once at every pod that has a node, and only where a term is about. Preferred terms are not weighed.
Source: kubernetes pkg/scheduler/framework/plugins/interpodaffinity.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pilothouse.model import meta
from pilothouse.model.json import Object, dumps, loads
from pilothouse.model.selector import NOTHING, Selector, SelectorError, from_label_selector

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
THEIRS = "node(s) didn't satisfy existing pods anti-affinity rules"

NamespaceLabels = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Term:
    """namespaces: named ones. in_namespaces: others, by their labels; None for none. selector: of the pods' labels."""

    topology_key: str
    selector: Selector
    namespaces: frozenset[str]
    in_namespaces: Selector | None

    def selects(self, pod: "Pod", labels_of: NamespaceLabels) -> bool:
        if not self.selector.matches(pod.labels):
            return False
        return pod.namespace in self.namespaces or (self.in_namespaces is not None and self.in_namespaces.matches(labels_of(pod.namespace)))


@dataclass(frozen=True, slots=True)
class Pod:
    """What of a pod counts for others. affinity, anti: its required terms."""

    namespace: str
    labels: Mapping[str, str]
    affinity: tuple[Term, ...] = ()
    anti: tuple[Term, ...] = ()

    @classmethod
    def of(cls, pod: Object) -> "Pod":
        affinity, namespace = (pod.get("spec") or {}).get("affinity") or {}, meta.namespace(pod)
        own, anti = (_terms(affinity.get(kind), namespace) for kind in ("podAffinity", "podAntiAffinity"))
        return cls(namespace, meta.labels(pod), own, anti)


def _terms(affinity: Object | None, namespace: str) -> tuple[Term, ...]:
    stated = (affinity or {}).get(REQUIRED)
    return _parsed(dumps(stated), namespace) if stated else ()


@lru_cache(maxsize=1024)
def _parsed(terms: bytes, namespace: str) -> tuple[Term, ...]:
    """The pods of a set have the same terms."""
    return tuple(_term(each, namespace) for each in loads(terms))


def _term(term: Object, namespace: str) -> Term:
    named, others = term.get("namespaces") or (), term.get("namespaceSelector")
    own = [namespace] if not named and others is None else []
    in_namespaces = None if others is None else _selector(others)
    return Term(term.get("topologyKey") or "", _selector(term.get("labelSelector")), frozenset((*named, *own)), in_namespaces)


def _selector(selector: Object | None) -> Selector:
    """One that cannot be read, which the API server stores of nobody, selects nothing: it must not stop the placing of others."""
    try:
        return from_label_selector(selector)
    except SelectorError:
        return NOTHING


class InterPodAffinity:
    """For one pod. nodes: those that there are. placed: pods that have a node, by the node's name."""

    def __init__(self, pod: Pod, nodes: Iterable[Object], placed: Mapping[str, Iterable[Pod]], labels_of: NamespaceLabels) -> None:
        self._pod = pod
        self._labels_of = labels_of
        self._refused_by_others: set[tuple[str, str]] = set()
        self._refused: set[tuple[str, str]] = set()
        self._met: set[tuple[str, str]] = set()
        self._is_any_met = False
        for node in nodes:
            labels = meta.labels(node)
            for other in placed.get(meta.name(node), ()):
                self._look_at(other, labels)

    def _look_at(self, other: Pod, labels: Mapping[str, str]) -> None:
        for term in other.anti:
            if term.topology_key in labels and term.selects(self._pod, self._labels_of):
                self._refused_by_others.add((term.topology_key, labels[term.topology_key]))
        for term in self._pod.anti:
            if term.topology_key in labels and term.selects(other, self._labels_of):
                self._refused.add((term.topology_key, labels[term.topology_key]))
        # One pod has to be what all terms want.
        if self._pod.affinity and all(term.selects(other, self._labels_of) for term in self._pod.affinity):
            for term in self._pod.affinity:
                if term.topology_key in labels:
                    self._is_any_met = True
                    self._met.add((term.topology_key, labels[term.topology_key]))

    def refusal(self, node: Object) -> str | None:
        """Why the pod does not fit the node, in upstream's words."""
        labels = meta.labels(node)
        if not self._satisfies_affinity(labels):
            return AFFINITY
        if any((term.topology_key, labels.get(term.topology_key, "")) in self._refused for term in self._pod.anti):
            return ANTI_AFFINITY
        if any(labels.get(key) == value for key, value in self._refused_by_others):
            return THEIRS
        return None

    def _satisfies_affinity(self, labels: Mapping[str, str]) -> bool:
        terms = self._pod.affinity
        if any(term.topology_key not in labels for term in terms):
            return False
        if all((term.topology_key, labels[term.topology_key]) in self._met for term in terms):
            return True
        # The first of a set of pods that want each other must be able to go somewhere.
        return not self._is_any_met and all(term.selects(self._pod, self._labels_of) for term in terms)
