"""Declaring functions to the implementation."""

from collections.abc import Callable, Iterable
from typing import Any

from cel_expr_python import cel

T = cel.Type
Overload = tuple[cel.Type, tuple[cel.Type, ...], Callable[..., Any]]


Declared = tuple[str, list[cel.Overload]]


def method(name: str, *overloads: Overload) -> Declared:
    """`value.name(...)`; an overload: what it returns, what it takes (the value first), and what it does."""
    return _declared(name, overloads, is_member=True)


def function(name: str, *overloads: Overload) -> Declared:
    return _declared(name, overloads, is_member=False)


def merged(declared: Iterable[Declared]) -> list[cel.FunctionDecl]:
    """One declaration a name: the implementation refuses a second one."""
    by_name: dict[str, list[cel.Overload]] = {}
    for name, overloads in declared:
        by_name.setdefault(name, []).extend(overloads)
    return [cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()]


def _declared(name: str, overloads: tuple[Overload, ...], *, is_member: bool) -> Declared:
    made = [
        cel.Overload(
            f"kubernetes_{name}_{'member' if is_member else 'global'}_{number}",
            return_type=returned,
            parameters=list(taken),
            is_member=is_member,
            impl=carried_out,
        )
        for number, (returned, taken, carried_out) in enumerate(overloads)
    ]
    return name, made


def plain(value: Any) -> Any:
    """What an implementation is given inside of lists."""
    return value.plain_value() if isinstance(value, cel.Value) else value
