"""What terms ask of the counts of pods by place."""

from collections.abc import Sequence
from functools import lru_cache

from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.tally import Question
from pilothouse.engine.scheduler.snapshot.terms import NamespaceLabels, Term


@lru_cache(maxsize=4096)
def about_one(term: Term) -> Question:
    """Pods that the term speaks of."""

    def selects(shape: Shape, labels_of: NamespaceLabels) -> bool:
        return term.selects(shape.namespace, shape.labels, labels_of)

    return Question(b"one\0" + term.mark, term.topology_key, selects, term.only_namespace)


def about_all(terms: Sequence[Term]) -> list[Question]:
    """For each term's places, the pods that are what all of the terms want: one pod has to be."""
    return list(_about_all(tuple(terms)))


@lru_cache(maxsize=4096)
def _about_all(terms: tuple[Term, ...]) -> tuple[Question, ...]:
    def selects(shape: Shape, labels_of: NamespaceLabels) -> bool:
        return all(term.selects(shape.namespace, shape.labels, labels_of) for term in terms)

    mark = b"\0".join((b"all", *(term.mark for term in terms)))
    namespace = next((found for term in terms if (found := term.only_namespace) is not None), None)
    return tuple(Question(b"%b\0%b" % (mark, term.topology_key.encode()), term.topology_key, selects, namespace) for term in terms)
