"""Declaring functions to the implementation.

It tells messages of different types apart when it checks an expression, not when it evaluates one. So each function is declared twice: as
it is (`for_checking`), and with one type in the place of all messages (`for_evaluating`), where it is chosen by the values that come.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from cel_expr_python import cel
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from pilothouse.model.cel.messages import VALUE

T = cel.Type
Overload = tuple[cel.Type, tuple[cel.Type, ...], Callable[..., Any]]
_ANY_MESSAGE = T(VALUE)


class Declared(NamedTuple):
    name: str
    is_member: bool
    overloads: tuple[Overload, ...]


def method(name: str, *overloads: Overload) -> Declared:
    """`value.name(...)`; an overload: what it returns, what it takes (the value first), and what it does."""
    return Declared(name, True, overloads)


def function(name: str, *overloads: Overload) -> Declared:
    return Declared(name, False, overloads)


def declaration(name: str, overload: str, *, is_member: bool, takes: cel.Type, returns: cel.Type) -> cel.FunctionDecl:
    """Of a function that is carried out elsewhere."""
    return cel.FunctionDecl(name, [cel.Overload(overload, return_type=returns, parameters=[takes], is_member=is_member)])


def for_checking(declared: Iterable[Declared]) -> list[cel.FunctionDecl]:
    by_name: dict[str, list[cel.Overload]] = {}
    for name, is_member, overloads in declared:
        for returned, taken, _ in overloads:
            by_name.setdefault(name, []).append(_overload(name, is_member, returned, taken))
    return [cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()]


def for_evaluating(declared: Iterable[Declared]) -> list[cel.FunctionDecl]:
    found: dict[tuple[str, bool, tuple[str, ...]], list[Overload]] = {}
    for name, is_member, overloads in declared:
        for overload in overloads:
            found.setdefault((name, is_member, tuple(type.name() for type in map(_kind, overload[1]))), []).append(overload)
    by_name: dict[str, list[cel.Overload]] = {}
    for (name, is_member, _), alike in found.items():
        returned, taken, carried_out = alike[0]
        chosen = _chosen(name, alike) if any(type.is_message() for type in taken) else carried_out
        by_name.setdefault(name, []).append(_overload(name, is_member, _loosely(returned), tuple(map(_kind, taken)), chosen))
    return [cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()]


def _kind(type: cel.Type) -> cel.Type:
    return _ANY_MESSAGE if type.is_message() else type


def _loosely(type: cel.Type) -> cel.Type:
    """Of messages and of lists of them, nothing is known."""
    return T.DYN if "." in type.name() else type


def _overload(
    name: str, is_member: bool, returned: cel.Type, taken: tuple[cel.Type, ...], carried_out: Callable[..., Any] | None = None
) -> cel.Overload:
    id = f"kubernetes_{name}_{'member' if is_member else 'global'}_{'_'.join(type.name() for type in taken)}"
    return cel.Overload(id, return_type=returned, parameters=list(taken), is_member=is_member, impl=carried_out)


def _chosen(name: str, overloads: list[Overload]) -> Callable[..., Any]:
    """Of overloads that differ by the types of messages: the one for the messages that come."""
    by_types = {tuple(type.name() for type in taken if type.is_message()): carried_out for _, taken, carried_out in overloads}

    def carry_out(*values: Any) -> Any:
        types = tuple(value.DESCRIPTOR.full_name for value in values if hasattr(value, "DESCRIPTOR"))
        if types not in by_types:
            raise ValueError(f"no such overload: {name}")
        return by_types[types](*values)

    return carry_out


def succeeds(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    """Whether a text is one that `parse` takes, which raises ValueError for others."""

    def carried_out(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return carried_out


def plain(value: Any) -> Any:
    """What an implementation is given inside of lists."""
    return value.plain_value() if isinstance(value, cel.Value) else value


def given_back(value: Any) -> Any:
    """A value that an implementation was given, as it takes it back: durations and timestamps, at any depth, as messages."""
    match value:
        case timedelta():
            duration = Duration()
            duration.FromTimedelta(value)
            return duration
        case datetime():
            stamp = Timestamp()
            stamp.FromDatetime(value)
            return stamp
        case dict():
            return {key: given_back(each) for key, each in value.items()}
        case list():
            return [given_back(plain(each)) for each in value]
    return value


def taking_anything(declared: Iterable[Declared]) -> frozenset[str]:
    """Names of functions that take values whose type, or whose items' type, they do not state."""
    return frozenset(
        each.name for each in declared if any("DYN" in type.name().upper() for _, taken, _ in each.overloads for type in taken)
    )
