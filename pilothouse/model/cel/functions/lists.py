"""Lists: sorted, summed, searched. Source: apiserver/pkg/cel/library/lists.go."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from pilothouse.model.cel.functions.declare import T, given_back, method, plain

_LIST = T.List(T.DYN)


def _plain_list(items: list[Any]) -> list[Any]:
    return [plain(each) for each in items]


def _is_sorted(items: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(_plain_list(items)))


def _sum(items: list[Any]) -> Any:
    found = _plain_list(items)
    return given_back(sum(found[1:], found[0])) if found else 0


def _most(choose: Callable[..., Any], name: str) -> Callable[[list[Any]], Any]:
    def carried_out(items: list[Any]) -> Any:
        found = _plain_list(items)
        if not found:
            raise ValueError(f"{name} called on empty list")
        return given_back(choose(found))

    return carried_out


def _index(items: list[Any], wanted: Any) -> int:
    found = _plain_list(items)
    return next((at for at, each in enumerate(found) if each == plain(wanted)), -1)


def _last_index(items: list[Any], wanted: Any) -> int:
    found = _plain_list(items)
    return next((at for at in range(len(found) - 1, -1, -1) if found[at] == plain(wanted)), -1)


LISTS = (
    method("isSorted", (T.BOOL, (_LIST,), _is_sorted)),
    method("sum", (T.DYN, (_LIST,), _sum)),
    method("min", (T.DYN, (_LIST,), _most(min, "min"))),
    method("max", (T.DYN, (_LIST,), _most(max, "max"))),
    method("indexOf", (T.INT, (_LIST, T.DYN), _index)),
    method("lastIndexOf", (T.INT, (_LIST, T.DYN), _last_index)),
)
