"""What an applied configuration makes of the object that is there, before anything is taken away."""

from collections import deque
from typing import Any

from pilothouse.model.apply.shape import ABSENT, Shape, child, common_shape, elements, item
from pilothouse.model.json import Object
from pilothouse.model.schema.node import Node


def merge(live: Object, config: Object, schema: Node) -> Object:
    """The configuration's values win; nothing of the live object goes. The arguments are not changed, the outcome may share parts."""
    merged: Object = _merge(live, config, schema)
    return merged


def _merge(live: Any, config: Any, schema: Node) -> Any:
    if config is ABSENT:
        return live
    if live is ABSENT or live is None:
        return config
    shape = common_shape(schema, live, config)
    if shape is Shape.LEAF:
        return config
    if config is None:
        return live if live else config
    if shape is Shape.LIST:
        return _merge_lists(live, config, schema)
    return {**live, **{name: _merge(live.get(name, ABSENT), value, child(schema, name)) for name, value in config.items()}}


def _merge_lists(live: list[Any], config: list[Any], schema: Node) -> list[Any]:
    """Elements in both stand in the configuration's order, others of the live list keep their places between them."""
    own, wanted = deque(elements(schema, live)), dict(elements(schema, config))
    first = dict(reversed(own))
    shared = deque(name for name in wanted if name in first)
    rest = deque(wanted)
    merged: list[Any] = []
    taken: set[str] = set()

    def take() -> None:
        """The next element of the configuration, with what the live list has of it."""
        name = rest.popleft()
        taken.add(name)
        merged.append(_merge(first.get(name, ABSENT), wanted[name], item(schema)))
        if shared and shared[0] == name:
            shared.popleft()

    while own or rest:
        name = own[0][0] if own else ""
        if own and rest and name == rest[0]:
            own.popleft()
            take()
        elif own and rest and name in wanted and shared and shared[0] != name:
            own.popleft()
        elif own and name not in wanted:
            merged.append(own.popleft()[1])
        else:
            if own and name in taken:
                own.popleft()
            if rest:
                take()
    return merged
