"""The walk through an expression that adds up its cost."""

from dataclasses import dataclass, field

from pilothouse.model.cel.cost.calls import TRAVERSAL, Call, Operand, of_kubernetes, of_language
from pilothouse.model.cel.cost.ranges import NOTHING, ONE, UNKNOWN, Range, exactly
from pilothouse.model.cel.cost.sizes import child_of, most_elements
from pilothouse.model.cel.tree import DYN, Expr, Tree, Type
from pilothouse.model.schema.node import Node

_LIST_BASE, _MAP_BASE, _MESSAGE_BASE = exactly(10), exactly(30), exactly(40)
_ACCUMULATORS = ("@result", "__result__")
_SCALARS = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})
_IN_LISTS_OF_ONE = ("validate", "format.named")
_KEY = Node(type="string", checks={"maxLength": 0})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the schema a value lies. node: None for a place that the schema does not have."""

    node: Node | None
    is_resource: bool = False


_NOWHERE = _Place(None)
"""Of what an expression makes itself."""


@dataclass(frozen=True, slots=True)
class _Entries:
    """Sizes of the keys and values of a list or map that an expression makes."""

    kind: str
    key: Range
    value: Range

    def union(self, other: "_Entries | None") -> "_Entries | None":
        return None if other is None else _Entries(self.kind, self.key.union(other.key), self.value.union(other.value))


@dataclass(frozen=True, slots=True)
class _Variable:
    place: _Place
    size: Range | None = None
    entries: _Entries | None = None


def estimated_cost(body: Expr, tree: Tree, schema: Node, *, is_resource: bool) -> int:
    """The most that the expression can cost. schema: of `self` and `oldSelf`."""
    return _Coster(tree, _Place(schema, is_resource)).cost(body).most


@dataclass(slots=True)
class _Coster:
    tree: Tree
    root: _Place
    places: dict[int, _Place] = field(default_factory=dict)
    sizes: dict[int, Range] = field(default_factory=dict)
    entries: dict[int, _Entries] = field(default_factory=dict)
    locals: dict[str, list[_Variable]] = field(default_factory=dict)

    def cost(self, expr: Expr) -> Range:
        match expr.kind:
            case "ident":
                self.places[expr.id] = self._place_of_name(expr.name)
                return ONE
            case "select":
                return self._select(expr)
            case "call":
                return self._call(expr)
            case "list":
                return self._list(expr)
            case "struct":
                return self._struct(expr)
            case "comprehension":
                return self._bind(expr) if _is_bind(expr) else self._comprehension(expr)
        return NOTHING

    # What is known of an expression

    def _place_of_name(self, name: str) -> _Place:
        if local := self.locals.get(name):
            return local[-1].place
        return self.root

    def _place(self, expr: Expr) -> _Place:
        if expr.kind == "ident" and self.locals.get(expr.name):
            return self.locals[expr.name][-1].place
        return self.places.get(expr.id, _NOWHERE)

    def _below(self, place: _Place, step: str) -> _Place:
        if place is _NOWHERE:
            # WHY: upstream takes the first step of a path for a variable, whatever it is, and any variable for the root.
            return self.root
        if place.node is None:
            return _Place(None)
        if step == "@keys":
            return _Place(_KEY if place.node.additional is not None else None)
        child = child_of(place.node, step, is_resource=place.is_resource)
        return _Place(child, child is not None and child.embedded)

    def _type(self, expr: Expr) -> Type:
        """Where the checker has no type for what lies in lists of lists, the schema has one."""
        found = self.tree.types.get(expr.id, DYN)
        place = self._place(expr)
        return _type_of(place.node) if found.kind == "dyn" and place.node is not None and place is not self.root else found

    def _size(self, expr: Expr) -> Range | None:
        if expr.id in self.sizes:
            return self.sizes[expr.id]
        if expr.kind == "const":
            return exactly(expr.size)
        if expr.kind in ("list", "struct") and not expr.name:
            return exactly(len(expr.below) // (2 if expr.kind == "struct" else 1))
        place = self._place(expr)
        if place.node is not None:
            found = self.sizes[expr.id] = Range(0, 0 if place.node is _KEY else most_elements(place.node))
            return found
        if _is_scalar(self._type(expr)):
            return ONE
        local = self.locals.get(expr.name) if expr.kind == "ident" else None
        return local[-1].size if local else None

    def _extent(self, expr: Expr) -> Range:
        size = self._size(expr)
        return UNKNOWN if size is None else size

    def _entries(self, expr: Expr) -> _Entries | None:
        if expr.id in self.entries:
            return self.entries[expr.id]
        local = self.locals.get(expr.name) if expr.kind == "ident" else None
        return local[-1].entries if local else None

    def _operand(self, expr: Expr) -> Operand:
        type, place = self._type(expr), self._place(expr)
        item = None
        if type.parameters:
            below = self._below(place, "@items")
            kind = type.parameters[0]
            if kind.kind == "dyn" and below.node is not None:
                kind = _type_of(below.node)
            item = kind, None if below.node is None else Range(0, most_elements(below.node))
        return Operand(expr, type, self._size(expr), item)

    # Expressions

    def _select(self, expr: Expr) -> Range:
        operand = self.cost(expr.below[0])
        if expr.is_test:
            return operand
        self.places[expr.id] = self._below(self._place(expr.below[0]), expr.name)
        return operand.plus(ONE) if self._type(expr.below[0]).kind in ("map", "message", "dyn") else operand

    def _list(self, expr: Expr) -> Range:
        total, item = _LIST_BASE, None
        for each in expr.below:
            total = total.plus(self.cost(each))
            item = self._extent(each) if item is None else item.union(self._extent(each))
        self.entries[expr.id] = _Entries("list", ONE, item or NOTHING)
        return total

    def _struct(self, expr: Expr) -> Range:
        total = _MESSAGE_BASE if expr.name else _MAP_BASE
        for each in expr.below:
            total = total.plus(self.cost(each))
        if not expr.name:
            extents = [self._extent(each) for each in expr.below] or [NOTHING, NOTHING]
            keys, values = extents[::2], extents[1::2]
            self.entries[expr.id] = _Entries("map", _union(keys), _union(values))
        return total

    def _comprehension(self, expr: Expr) -> Range:
        source, first, condition, step, result = expr.below
        total = self.cost(source).plus(self.cost(first))
        self._push(expr.name, _Variable(self._place(first), self._size(first), self._entries(first)))
        self._push_variables(expr, source)
        each = self.cost(condition).plus(self.cost(step))
        for name in expr.variables:
            self.locals[name].pop()
        total = total.plus(self.cost(result))
        self.locals[expr.name].pop()
        count = self._extent(source)
        total = total.plus(count.times(each))
        self._note_result(expr, first, step, count)
        return total

    def _push(self, name: str, variable: _Variable) -> None:
        self.locals.setdefault(name, []).append(variable)

    def _push_variables(self, expr: Expr, source: Expr) -> None:
        entries, place = self._entries(source), self._place(source)
        is_list = (entries.kind if entries is not None else self._type(source).kind) == "list"
        key = _Variable(_Place(None) if is_list else self._below(place, "@keys"), entries.key if entries is not None else None)
        value = _Variable(self._below(place, "@items" if is_list else "@values"), entries.value if entries is not None else None)
        if len(expr.variables) == 2:
            self._push(expr.variables[0], key)
            self._push(expr.variables[1], value)
        elif expr.variables:
            self._push(expr.variables[0], value if is_list else key)

    def _note_result(self, expr: Expr, first: Expr, step: Expr, count: Range) -> None:
        if first.kind == "const":
            self.sizes[expr.id] = self._extent(first)
        elif first.kind in ("list", "struct"):
            self.sizes[expr.id] = count
            if (found := self._entries(step)) is not None:
                self.entries[expr.id] = found

    def _bind(self, expr: Expr) -> Range:
        source, first, _, _, result = expr.below
        total = self.cost(source).plus(self.cost(first))
        self._push(expr.name, _Variable(self._place(first), self._size(first), self._entries(first)))
        total = total.plus(self.cost(result))
        self._copy(expr, result)
        self.locals[expr.name].pop()
        return total

    def _copy(self, to: Expr, source: Expr) -> None:
        if (size := self._size(source)) is not None:
            self.sizes[to.id] = size
        if (entries := self._entries(source)) is not None:
            self.entries[to.id] = entries

    # Calls

    def _call(self, expr: Expr) -> Range:
        arguments = expr.below[1:] if expr.has_target else expr.below
        costs = [self.cost(each) for each in arguments]
        if expr.name == "dyn":
            self._copy(expr, arguments[0])
            return ONE.plus(costs[0])
        if expr.name == "_[?_]" and arguments[0].kind == "call" and arguments[0].name in _IN_LISTS_OF_ONE:
            return costs[0]
        operands = [self._operand(each) for each in arguments]
        overloads = self.tree.overloads.get(expr.id, ())
        if not overloads:
            return NOTHING
        target_cost, target = NOTHING, None
        if expr.has_target:
            target_cost = self.cost(expr.below[0])
            target = self._operand(expr.below[0])
        found: Range | None = None
        size: Range | None = None
        for overload in overloads:
            cost, result = self._overload(expr, Call(expr.name, overload, target, operands), costs)
            found = cost if found is None else found.union(cost)
            if result is not None:
                size = result if size is None else size.union(result)
            size = self._indexed(expr, overload, arguments, size)
        if size is not None:
            self.sizes[expr.id] = size
        return target_cost.plus(found or NOTHING)

    def _overload(self, expr: Expr, call: Call, costs: list[Range]) -> tuple[Range, Range | None]:
        total = NOTHING
        for each in costs:
            total = total.plus(each)
        known = of_kubernetes(call)
        if known is not None:
            return known[0].plus(total), known[1]
        match call.overload:
            case "logical_or" | "logical_and":
                return Range(costs[0].least, costs[0].plus(costs[1]).most), None
            case "conditional":
                return self._conditional(expr, call, costs)
            case "add_string" | "add_bytes" | "add_list":
                return self._sum(expr, call, total)
        cost, size = of_language(call)
        return cost.plus(total), size

    def _conditional(self, expr: Expr, call: Call, costs: list[Range]) -> tuple[Range, Range]:
        one, other = call.arguments[1], call.arguments[2]
        entries = self._entries(one.expr)
        if entries is not None and (both := entries.union(self._entries(other.expr))) is not None:
            self.entries[expr.id] = both
        return costs[0].plus(costs[1].union(costs[2])), one.extent.union(other.extent)

    def _sum(self, expr: Expr, call: Call, total: Range) -> tuple[Range, Range]:
        one, other = call.arguments
        size, entries = one.extent.plus(other.extent), self._entries(one.expr)
        if entries is not None and (both := entries.union(self._entries(other.expr))) is not None:
            self.entries[expr.id] = both
        return (ONE if call.overload == "add_list" else size.scaled(TRAVERSAL)).plus(total), size

    def _indexed(self, expr: Expr, overload: str, arguments: tuple[Expr, ...], size: Range | None) -> Range | None:
        """The size of a result; an index leads to a place below."""
        steps = {"index_list": "@items", "index_map": "@values"}
        if overload in steps and arguments:
            place = self._place(arguments[0])
            is_of_kind = place.node is None or (place.node.type == "array") == (overload == "index_list")
            if is_of_kind:
                self.places[expr.id] = self._below(place, steps[overload])
            entries = self._entries(arguments[0])
            size = None if entries is None else entries.value
        return self._size(expr) if size is None else size


def _union(ranges: list[Range]) -> Range:
    found = ranges[0]
    for each in ranges[1:]:
        found = found.union(each)
    return found


def _is_bind(expr: Expr) -> bool:
    source, _, condition, _, _ = expr.below
    is_false = condition.kind == "const" and condition.type == "bool"
    return source.kind == "list" and not source.below and is_false and expr.name not in _ACCUMULATORS


def _is_scalar(type: Type) -> bool:
    return type.kind in _SCALARS or (type.kind == "optional" and bool(type.parameters) and _is_scalar(type.parameters[0]))


_OF_SCHEMA = {"string": "string", "integer": "int", "number": "double", "boolean": "bool", "object": "message"}
_OF_FORMAT = {"byte": "bytes", "duration": "duration", "date": "timestamp", "date-time": "timestamp"}


def _type_of(node: Node) -> Type:
    if node.int_or_string:
        return DYN
    if node.type == "array":
        return Type("list", "", (DYN if node.items is None else _type_of(node.items),))
    if node.additional is not None and not node.properties:
        return Type("map", "", (Type("string"), _type_of(node.additional)))
    if node.type == "string" and node.format in _OF_FORMAT:
        return Type(_OF_FORMAT[node.format])
    return Type(_OF_SCHEMA.get(node.type, "dyn"))
