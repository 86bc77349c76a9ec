"""Terms by which nodes are selected: by their labels, and by their names. Pure.

Source: component-helpers/scheduling/corev1/nodeaffinity.
"""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.selector import Selector, requirement

_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}


def term_matches(term: Object, node: Object) -> bool:
    """A term that asks for nothing matches nothing."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return _selector(expressions).matches(meta.labels(node)) and _selector(fields).matches({"metadata.name": meta.name(node)})


def _selector(expressions: Iterable[Object]) -> Selector:
    return Selector(tuple(requirement(each["key"], _OPERATORS[each["operator"]], each.get("values") or ()) for each in expressions))
