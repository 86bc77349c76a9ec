"""Where an optional value would reach a function that is carried out here.

The implementation cannot hand one over, in a list or a map neither: the whole process ends. So an expression in which that can happen is
refused when it is checked. Types tell it, except where a value counts as one of any type (`dyn`).
"""

from pilothouse.model.cel.functions import TAKING_ANYTHING
from pilothouse.model.cel.functions.maps import INSERT
from pilothouse.model.cel.tree import DYN, Expr, Tree, Type

_TAKING_OUT = frozenset({"value", "orValue", "hasValue", "unwrapOpt", "optional.unwrap"})


def misplaced(tree: Tree) -> tuple[Expr, str] | None:
    """A call that may be given an optional value and may not, and what is wrong with it."""
    calls = [expr for expr, _ in tree.walk() if expr.kind == "call" and expr.name in TAKING_ANYTHING]
    if not calls:
        return None
    is_hidden = any(_hides(tree, expr) for expr, _ in tree.walk())
    for expr in calls:
        types = [tree.types.get(each.id, DYN) for each in expr.below]
        if any(_has(type, "optional") for type in types) or (is_hidden and any(_has(type, "dyn") for type in types)):
            name = "transformMap" if expr.name == INSERT else expr.name
            return expr, f"{name} takes no optional values: take what is in them by value() or orValue() first"
    return None


def _hides(tree: Tree, expr: Expr) -> bool:
    """Whether an optional value goes in and a value of any type comes out."""
    found = tree.types.get(expr.id, DYN)
    if not _has(found, "dyn") or _has(found, "optional") or expr.name in _TAKING_OUT:
        return False
    return any(_has(tree.types.get(each.id, DYN), "optional") for each in expr.below)


def _has(type: Type, kind: str) -> bool:
    return type.kind == kind or any(_has(each, kind) for each in type.parameters)
