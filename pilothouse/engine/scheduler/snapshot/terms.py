"""Terms about other pods, read once: which pods they speak of (namespaces, labels) and what a place is (a label of nodes).

Source: kubernetes pkg/scheduler/framework/types.go (AffinityTerm).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pilothouse.model.json import Object, fingerprint
from pilothouse.model.selector import NOTHING, Selector, SelectorError, from_label_selector

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"

NamespaceLabels = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Term:
    """namespaces: named ones. in_namespaces: others, by their labels; None for none. selector: of the pods' labels.

    weight: 0 for a required term, negative for a preferred one to stay away. Equal when their `mark`s are.
    """

    mark: bytes
    topology_key: str
    selector: Selector
    namespaces: frozenset[str]
    in_namespaces: Selector | None
    weight: int = 0

    def __hash__(self) -> int:
        return hash(self.mark)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Term) and self.mark == other.mark

    def selects(self, namespace: str, labels: Mapping[str, str], labels_of: NamespaceLabels) -> bool:
        """Whether it speaks of a pod with these labels. labels_of: of a namespace."""
        if not self.selector.matches(labels):
            return False
        return namespace in self.namespaces or (self.in_namespaces is not None and self.in_namespaces.matches(labels_of(namespace)))

    @property
    def only_namespace(self) -> str | None:
        """The one namespace that it speaks of, if it is one."""
        return next(iter(self.namespaces)) if len(self.namespaces) == 1 and self.in_namespaces is None else None


def required(affinity: Object | None, namespace: str) -> tuple[Term, ...]:
    """The required terms of a podAffinity or podAntiAffinity of a pod in that namespace."""
    return tuple(_term(each, namespace, 0) for each in (affinity or {}).get(REQUIRED) or ())


def preferred(affinity: Object | None, namespace: str, sign: int) -> tuple[Term, ...]:
    """sign: 1 for nearness, -1 for distance."""
    return tuple(_weighed(_listed(affinity), namespace, sign))


def _listed(affinity: Object | None) -> Iterable[Object]:
    return (affinity or {}).get(PREFERRED) or ()


def _weighed(listed: Iterable[Object], namespace: str, sign: int) -> Iterable[Term]:
    for each in listed:
        if weight := each.get("weight") or 0:
            yield _term(each.get("podAffinityTerm") or {}, namespace, sign * weight)


def _term(term: Object, namespace: str, weight: int) -> Term:
    named, others = term.get("namespaces") or (), term.get("namespaceSelector")
    own = [namespace] if not named and others is None else []
    in_namespaces = None if others is None else selector_of(others)
    key, namespaces = term.get("topologyKey") or "", frozenset((*named, *own))
    mark = fingerprint([key, term.get("labelSelector"), sorted(namespaces), others, weight])
    return Term(mark, key, selector_of(term.get("labelSelector")), namespaces, in_namespaces, weight)


def selector_of(selector: Object | None) -> Selector:
    """One that cannot be read, which the API server stores of nobody, selects nothing: it must not stop the placing of others."""
    try:
        return from_label_selector(selector)
    except SelectorError:
        return NOTHING
