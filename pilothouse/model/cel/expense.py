"""How long an evaluation can take at worst, from what an expression does and how large its variables are.

The implementation gives up after STEPS steps of comprehensions, but nothing stops it within a step.
"""

from pilothouse.model.cel.functions.maps import INSERT
from pilothouse.model.cel.tree import DYN, Expr, Tree
from pilothouse.model.cel.values import Weight

STEPS = 10_000
_SHORTEST_LIST = 16
_STEP_NS, _CHARACTER_NS, _ITEM_NS, _PART_NS = 100, 1, 50, 300
"""_ITEM_NS: of a list that is looked through or copied. _PART_NS: of a value that goes through Python and back."""
_MOST_GROWTH = 1 << 40
_SPLITTING = frozenset({"split", "findAll"})
_COMPARING = frozenset({"@in", "_==_", "_!=_", "indexOf", "lastIndexOf", "sum", "min", "max", "isSorted", "sort", "distinct"})
_CONTAINERS = frozenset({"list", "map", "dyn", "optional", "message"})


class Expense:
    """tree: of the expression as it was checked."""

    def __init__(self, tree: Tree) -> None:
        walked = list(tree.walk())
        calls = [each for each, _ in walked if each.kind == "call"]
        self._tree = tree
        self._depth = max((depth + 1 for each, depth in walked if each.kind == "comprehension"), default=0)
        self._parts = len(walked)
        self._calls = len(calls)
        self._comparing = sum(each.name in _COMPARING and not any(part.kind == "const" for part in each.below) for each in calls)
        self._splits = any(each.name in _SPLITTING for each in calls)
        self._joins = sum(each.name == "_+_" for each in calls)
        lists = [each for each in calls if "add_list" in tree.overloads.get(each.id, ())]
        self._appends = sum(_is_append(each) for each in lists)
        self._list_joins = len(lists) - self._appends
        self._flattens = sum(each.name == "flatten" for each in calls)
        self._made = max((_length_made(each) for each in calls), default=0)
        self._inserts = sum(each.name == INSERT for each in calls)
        self._inserts_containers = any(each.name == INSERT and self._is_container(each.below[-1]) for each in calls)
        self._growth = self._growth_of(walked)
        self._nests = any(_is_append(each) and self._is_container(each.below[1].below[0]) for each in lists)

    def worst_ns(self, weight: Weight) -> int:
        """weight: of all variables."""
        given = max(weight.longest_list, _SHORTEST_LIST, weight.longest_text if self._splits else 0, self._made)
        longest: int = min(given ** (self._flattens + 1) * (self._list_joins + 1), STEPS)
        text = weight.longest_text * (self._joins + 1) << self._depth
        step = self._parts * _STEP_NS + self._calls * text * _CHARACTER_NS
        step += (self._comparing * self._growth + self._appends + self._inserts) * longest * _ITEM_NS
        step += self._inserts * self._inserted_parts(weight, longest) * _PART_NS
        steps: int = min(STEPS, longest**self._depth)
        return steps * step

    def _inserted_parts(self, weight: Weight, longest: int) -> int:
        """Of the key and the value that a step adds to a map."""
        if not self._inserts_containers:
            return 3
        return 3 + self._growth * max(weight.parts, _SHORTEST_LIST) * (longest if self._nests else 1)

    def _is_container(self, expr: Expr) -> bool:
        return self._tree.types.get(expr.id, DYN).kind in _CONTAINERS

    def _growth_of(self, walked: list[tuple[Expr, int]]) -> int:
        """How many times a value can be within another by lists and maps that are written out: `[x, x]` doubles x, and so on."""
        growth = 1
        for each, _ in walked:
            if each.kind in ("list", "struct"):
                growth *= max(1, sum(map(self._is_container, each.below)))
                if growth > _MOST_GROWTH:
                    return _MOST_GROWTH
        return growth


def _is_append(call: Expr) -> bool:
    """What macros write out: one more item for the list that a comprehension makes."""
    return (
        call.below[0].kind == "ident"
        and call.below[0].name.startswith("@")
        and call.below[1].kind == "list"
        and len(call.below[1].below) == 1
    )


def _length_made(call: Expr) -> int:
    """Of a list that an expression makes of nothing but a number."""
    if call.name != "lists.range":
        return 0
    number = call.below[-1].number
    return STEPS if number is None else min(max(number, 0), STEPS)
