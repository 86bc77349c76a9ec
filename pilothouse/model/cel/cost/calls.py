"""What calls of functions cost beside their arguments, and how large their results can be.

Source: apiserver/pkg/cel/library/cost.go for Kubernetes' functions; cel-go/checker/cost.go, functionCost, for the language's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilothouse.model.cel.cost.ranges import MOST, NOTHING, ONE, UNKNOWN, Range, exactly
from pilothouse.model.cel.messages import CIDR, FORMAT, URL
from pilothouse.model.cel.tree import Expr, Type

TRAVERSAL, REGEX = 0.1, 0.25
_AUTHORIZATION = exactly(350_000)
_LIST, _REQUIREMENT = exactly(10), 50.0
_ADDRESS = Range(4, 16)
_FORMAT_BYTES, _FORMAT_REGEX = 64, 128


@dataclass(frozen=True, slots=True)
class Operand:
    """A target or an argument. size: None where nothing is known. item: of a list, the type and the size of its items."""

    expr: Expr
    type: Type
    size: Range | None
    item: "tuple[Type, Range | None] | None" = None

    @property
    def extent(self) -> Range:
        return UNKNOWN if self.size is None else self.size


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    overload: str
    target: Operand | None
    arguments: Sequence[Operand]

    @property
    def first(self) -> Operand:
        return self.arguments[0]


Estimate = tuple[Range, Range | None]
"""Cost, and size of the result."""


def of_kubernetes(call: Call) -> Estimate | None:
    """None for a function of the language's own, and for one that is called in a way that is not known."""
    if call.name in _NOMINAL:
        return ONE, None
    if call.name == "_==_":
        return _equality(call)
    known = _BY_TARGET.get(call.name)
    if known is not None and call.target is not None:
        return known(call, call.target)
    if call.name in _BY_ARGUMENT and call.arguments:
        return _BY_ARGUMENT[call.name](call)
    return None


def _equality(call: Call) -> Estimate | None:
    """Of values of Kubernetes' own types."""
    one, other = call.arguments
    if one.type != other.type or one.type.kind != "message":
        return None
    if one.type.name == FORMAT:
        return Range(1, _FORMAT_BYTES).scaled(TRAVERSAL), None
    if one.type.name == URL:
        return Range(1, other.size.most if other.size is not None else 1).scaled(TRAVERSAL), None
    return (ONE, None) if one.type.name.startswith(("kubernetes.", "net.")) else None


def _of_list(call: Call, target: Operand) -> Estimate:
    """Functions that look at every item."""
    if target.item is None:
        return target.extent.scaled(TRAVERSAL), None
    kind, size = target.item
    each = ONE
    if kind.kind in ("string", "bytes"):
        each = ONE.plus((UNKNOWN if size is None else size).scaled(TRAVERSAL))
    return target.extent.times(each), None


def _same_size(call: Call, target: Operand) -> Estimate:
    return target.extent.scaled(TRAVERSAL), target.extent


def _replace(call: Call, target: Operand) -> Estimate | None:
    if len(call.arguments) < 2:
        return None
    size, replaced, by = target.extent, call.arguments[0].extent, call.arguments[1].extent
    most, kept_most = _count(size.most, replaced.least, grows=by.most > replaced.least)
    least, kept_least = _count(size.least, replaced.most, grows=replaced.most > by.least)
    return size.scaled(2 * TRAVERSAL), Range(least, most).times(by).plus(Range(kept_least, kept_most))


def _count(size: int, replaced: int, *, grows: bool) -> tuple[int, int]:
    """How often something is replaced at an extreme, and how much of the text stays then."""
    if replaced == 0:
        return min(size + 1, MOST), size
    return (math.ceil(size / replaced), 0) if grows else (0, size)


def _split(call: Call, target: Operand) -> Estimate:
    most = target.extent.most
    if len(call.arguments) > 1 and (number := call.arguments[1].expr.number) is not None:
        most = min(number, MOST)
    return target.extent.scaled(2 * TRAVERSAL), Range(0, most)


def _join(call: Call, target: Operand) -> Estimate:
    size = NOTHING
    if target.item is not None:
        size = target.extent.times(UNKNOWN if target.item[1] is None else target.item[1])
    if call.arguments:
        between = Range(max(target.extent.least - 1, 0), max(target.extent.most - 1, 0))
        size = size.plus(call.first.extent.times(between))
    return size.scaled(TRAVERSAL), size


def _find(call: Call, target: Operand) -> Estimate | None:
    if not call.arguments:
        return None
    return target.extent.plus(ONE).scaled(TRAVERSAL).times(call.first.extent.scaled(REGEX)), Range(0, target.extent.most)


def _contains_address(call: Call, target: Operand) -> Estimate | None:
    return (_compared(call), None) if call.arguments else None


def _contains_network(call: Call, target: Operand) -> Estimate | None:
    return (_compared(call).plus(_ADDRESS.scaled(TRAVERSAL)).plus(ONE), None) if call.arguments else None


def _compared(call: Call) -> Range:
    parsing = call.first.extent.scaled(TRAVERSAL) if call.first.type.kind == "string" else NOTHING
    return _ADDRESS.plus(_ADDRESS).scaled(TRAVERSAL).plus(parsing)


def _address(call: Call, target: Operand) -> Estimate | None:
    return (ONE, None) if target.type.name == CIDR else None


def _validate(call: Call, target: Operand) -> Estimate | None:
    return (call.first.extent.scaled(TRAVERSAL).scaled(_FORMAT_REGEX * REGEX), None) if call.arguments else None


def _selector(call: Call, target: Operand) -> Estimate | None:
    if len(call.arguments) != 1:
        return None
    size = call.first.extent
    return _LIST.plus(size.scaled(TRAVERSAL)).plus(size.scaled(0.5).scaled(_REQUIREMENT)), None


def _parsed(call: Call) -> Estimate:
    return call.first.extent.scaled(TRAVERSAL), None


def _parsed_url(call: Call) -> Estimate:
    return call.first.extent.scaled(TRAVERSAL), call.first.extent


def _canonical(call: Call) -> Estimate:
    return call.first.extent.scaled(2 * TRAVERSAL), None


_BY_TARGET: dict[str, Callable[[Call, Operand], Estimate | None]] = {
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _of_list),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _same_size),
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    "check": lambda call, target: (_AUTHORIZATION, None),
    "containsCIDR": _contains_network,
    "containsIP": _contains_address,
    "ip": _address,
    "join": _join,
    "replace": _replace,
    "split": _split,
    "validate": _validate,
}
_BY_ARGUMENT: dict[str, Callable[[Call], Estimate]] = {
    **dict.fromkeys(("ip", "cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _parsed),
    "ip.isCanonical": _canonical,
    "url": _parsed_url,
}
_NOMINAL = frozenset(
    (
        *("serviceAccount", "path", "group", "resource", "subresource", "namespace", "name", "allowed", "reason", "error", "errored"),
        *("masked", "prefixLength", "family", "isUnspecified", "isLoopback", "isLinkLocalMulticast", "isLinkLocalUnicast"),
        *("isGlobalUnicast", "format.named", "sign", "asInteger", "isInteger", "asApproximateFloat", "isGreaterThan", "isLessThan"),
        *("compareTo", "add", "sub", "major", "minor", "patch"),
        *("getScheme", "getHostname", "getHost", "getPort", "getEscapedPath", "getQuery"),
    )
)


def of_language(call: Call) -> Estimate:
    """Beside the costs of arguments. Logic, conditions and sums are not here: they depend on more than sizes."""
    target, arguments = call.target, call.arguments
    match call.overload:
        case "string_to_bytes" | "bytes_to_string" if len(arguments) == 1:
            return _converted(call.first.extent, to_bytes=call.overload == "string_to_bytes")
        case "starts_with_string" | "ends_with_string" if len(arguments) == 1:
            return call.first.extent.scaled(TRAVERSAL), None
        case "in_list" if len(arguments) == 2:
            return arguments[1].extent, None
        case "matches_string" | "matches" if target is not None and len(arguments) == 1:
            return target.extent.plus(ONE).scaled(TRAVERSAL).times(call.first.extent.scaled(REGEX)), None
        case "contains_string" if target is not None and len(arguments) == 1:
            return target.extent.scaled(TRAVERSAL).times(call.first.extent.scaled(TRAVERSAL)), None
        case "string_format" if target is not None:
            return target.extent.scaled(TRAVERSAL), None
        case "strings_quote" if len(arguments) == 1:
            size = call.first.extent
            return size.scaled(TRAVERSAL), Range(size.least + 2, min(size.most * 2 + 2, MOST))
    return (_comparison(arguments), None) if call.overload in _COMPARISONS else (ONE, None)


_COMPARISONS = frozenset(
    ["equals", "not_equals"] + [f"{how}_{of}" for how in ("less", "greater", "less_equals", "greater_equals") for of in ("string", "bytes")]
)


def _converted(size: Range, *, to_bytes: bool) -> Estimate:
    result = Range(size.least, min(size.most * 4, MOST)) if to_bytes else Range(size.least // 4, size.most)
    return size.scaled(TRAVERSAL), result


def _comparison(arguments: Sequence[Operand]) -> Range:
    most = min(arguments[0].extent.most, arguments[1].extent.most)
    return Range(1 if most > 0 else 0, most).scaled(TRAVERSAL)
