"""Terms by which nodes are selected, by their labels and names, and what a pod asks for with them: nodeSelector and node affinity. Pure.

Source: component-helpers/scheduling/corev1/nodeaffinity.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.selector import NOTHING, Selector, SelectorError, requirement

_NAMES = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}
_NAME_FIELD = "metadata.name"
_REQUIRED, _PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"


def term_matches(term: Object, node: Object) -> bool:
    """A term that asks for nothing matches nothing."""
    return NodeTerm.of(term).matches(meta.name(node), meta.labels(node))


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """names: the nodes that its fields name; None when they name none in particular. A term without conditions matches no node."""

    labels: Selector
    fields: Selector
    names: frozenset[str] | None

    @classmethod
    def of(cls, term: Object) -> "NodeTerm":
        expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
        if not expressions and not fields:
            return cls(NOTHING, NOTHING, frozenset())
        named = [frozenset(each.get("values") or ()) for each in fields if _names_nodes(each)]
        return cls(_selector(expressions), _selector(fields), frozenset.intersection(*named) if named else None)

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        return self.labels.matches(labels) and (self.fields.is_everything or self.fields.matches({_NAME_FIELD: name}))


@dataclass(frozen=True, slots=True)
class RequiredNodes:
    """wanted: of nodeSelector. terms: one of them has to match; None when none are stated."""

    wanted: tuple[tuple[str, str], ...]
    terms: tuple[NodeTerm, ...] | None

    @classmethod
    def of(cls, spec: Object) -> "RequiredNodes":
        stated = _affinity(spec).get(_REQUIRED)
        terms = None if stated is None else tuple(NodeTerm.of(each) for each in stated.get("nodeSelectorTerms") or ())
        return cls(tuple((spec.get("nodeSelector") or {}).items()), terms)

    @property
    def is_everything(self) -> bool:
        return not self.wanted and self.terms is None

    @property
    def names(self) -> frozenset[str] | None:
        """The only nodes that can match, when each term names some; as those of a DaemonSet's pods do."""
        if not self.terms:
            return None
        found: set[str] = set()
        for term in self.terms:
            if term.names is None:
                return None
            found |= term.names
        return frozenset(found)

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        for key, value in self.wanted:
            if labels.get(key) != value:
                return False
        return self.terms is None or any(term.matches(name, labels) for term in self.terms)


def avoids_labels(pod: Object) -> bool:
    """Whether a label more may make a node one that the pod must not run on."""
    terms = (_affinity(pod["spec"]).get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()
    return any(each["operator"] in ("NotIn", "DoesNotExist") for term in terms for each in term.get("matchExpressions") or ())


def preferred_nodes(spec: Object) -> tuple[tuple[int, NodeTerm], ...]:
    """Weights and what they are for."""
    return tuple((each.get("weight") or 0, NodeTerm.of(each.get("preference") or {})) for each in _affinity(spec).get(_PREFERRED) or ())


def _affinity(spec: Object) -> Object:
    found: Object = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return found


def _names_nodes(field: Object) -> bool:
    return field.get("key") == _NAME_FIELD and field.get("operator") == "In"


def _selector(expressions: Iterable[Object]) -> Selector:
    """One that cannot be read matches nothing; of what the API server has validated there is none."""
    try:
        return Selector(tuple(requirement(e["key"], _NAMES[e["operator"]], e.get("values") or ()) for e in expressions))
    except (SelectorError, KeyError):
        return NOTHING
