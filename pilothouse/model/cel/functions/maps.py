"""Maps of entries: what the macros transformMap and transformMapEntry end with (see `model.cel.entries`)."""

from collections.abc import Iterable
from typing import Any

from pilothouse.model.cel.functions.declare import T, function, given_back, plain

INSERT = "cel.@mapInsert"
"""What the macros are written out with."""
OF_PAIRS, OF_MAPS = "kubernetes.@mapOfPairs", "kubernetes.@mapOfMaps"
_LIST = T.List(T.DYN)


def _of_pairs(pairs: list[Any]) -> dict[Any, Any]:
    return _map(plain(pair) for pair in pairs)


def _of_maps(maps: list[Any]) -> dict[Any, Any]:
    return _map(pair for each in maps for pair in plain(each).items())


def _map(pairs: Iterable[Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"insert failed: key {key} already exists")
        made[key] = given_back(value)
    return made


MAPS = (function(OF_PAIRS, (T.DYN, (_LIST,), _of_pairs)), function(OF_MAPS, (T.DYN, (_LIST,), _of_maps)))
"""Declared for evaluation only: no author writes these calls."""
