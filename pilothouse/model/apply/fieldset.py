"""Sets of fields, in the form in which they are stored (FieldsV1).

A set is a dict from path elements to the sets below them. A path element is `f:NAME` for a field, `k:{...}` for the element of a list
with these keys, `v:...` for the element of a set with this value, `i:N` for a position. An element with an empty dict is itself in the
set; one with a dict is so only when that holds `.`. Sets are immutable by agreement: functions return new ones and may share parts.
"""

from collections.abc import Iterator
from typing import Any

from pilothouse.model.json import dumps, fingerprint, loads

FieldSet = dict[str, Any]
SELF = "."
_ORDER = {".": 0, "f": 1, "k": 2, "v": 3, "i": 4}


def node(children: FieldSet, *, is_member: bool) -> FieldSet | None:
    """What stands for an element; None for one that is not there, with nothing below it."""
    if not children:
        return {} if is_member else None
    return {SELF: {}, **children} if is_member else children


def is_member(found: FieldSet | None) -> bool:
    return found is not None and (not found or SELF in found)


def below(found: FieldSet) -> FieldSet:
    """The children of an element, without itself."""
    return {key: value for key, value in found.items() if key != SELF} if SELF in found else found


def field(name: str) -> str:
    return f"f:{name}"


def key(keys: dict[str, Any]) -> str:
    return f"k:{fingerprint(keys).decode()}"


def value(of: Any) -> str:
    return f"v:{fingerprint(of).decode()}"


def of(*paths: str) -> FieldSet:
    """The set of fields with these dotted paths of names."""
    found: FieldSet = {}
    for path in paths:
        one: FieldSet = {}
        for name in reversed(path.split(".")):
            one = {field(name): one}
        found = union(found, one)
    return found


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    if not left or not right:
        return left or right
    merged = dict(left)
    for name, other in right.items():
        if name == SELF:
            merged[SELF] = other
            continue
        own = merged.get(name)
        if own is None:
            merged[name] = other
        elif own != other:
            joined = node(union(below(own), below(other)), is_member=is_member(own) or is_member(other))
            merged[name] = joined
    return merged


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Without the elements of right; what is below them stays."""
    if not right:
        return left
    if left == right:
        return {}
    return _each(
        left, right, lambda own, other: node(difference(below(own), below(other)), is_member=is_member(own) and not is_member(other))
    )


def without(left: FieldSet, right: FieldSet) -> FieldSet:
    """Without the elements of right and all that is below them."""
    if not right:
        return left
    return _each(
        left, right, lambda own, other: None if is_member(other) else node(without(below(own), below(other)), is_member=is_member(own))
    )


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    found: FieldSet = {}
    for name, own in left.items():
        other = right.get(name)
        if name == SELF or other is None:
            continue
        both = node(intersection(below(own), below(other)), is_member=is_member(own) and is_member(other))
        if both is not None:
            found[name] = both
    return found


def _each(left: FieldSet, right: FieldSet, change: Any) -> FieldSet:
    found: FieldSet = {}
    for name, own in left.items():
        other = right.get(name)
        kept = own if other is None else change(own, other)
        if kept is not None:
            found[name] = kept
    return found


def ordered(found: FieldSet) -> FieldSet:
    """The same set in the order in which it is stored."""
    names = sorted(found) if len(found) > 1 else found
    # Texts sort `.` before `f`, which is all that most sets have; lists have their own order.
    if isinstance(names, list) and names[-1] >= "g":
        names.sort(key=lambda name: _ORDER.get(name[:1], 5))
    return {name: ordered(children) if (children := found[name]) else children for name in names}


def paths(found: FieldSet, prefix: str = "") -> Iterator[str]:
    """Every element as text, such as `.spec.ports[port=80,protocol="TCP"].name`, in the order in which they are stored."""
    for name, children in ordered(found).items():
        if name == SELF:
            continue
        path = prefix + element_text(name)
        if is_member(children):
            yield path
        yield from paths(children, path)


def element_text(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        return "[" + ",".join(f"{name}={dumps(each).decode()}" for name, each in loads(rest).items()) + "]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def is_well_formed(found: Any) -> bool:
    """Whether it is a set as this module makes them; what is stored may have been written by anybody."""
    if not isinstance(found, dict):
        return False
    return all(
        (name == SELF and each == {}) or (name[:2] in ("f:", "k:", "v:", "i:") and is_well_formed(each)) for name, each in found.items()
    )
