"""Bodies that are as long as they may be in one place: for each list and map of a kind, filled with one sort of element."""

from collections.abc import Iterator
from typing import Any

from pilothouse.model.schema.node import Node

BYTES = 100_000
_DEEPEST = 9
_SORTS = ("empty", "same", "unique", "wrong")
_SKIPPED = ("template", "jobTemplate", "status", "managedFields")


def cases(node: Node) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, sort of element, object) of each list and map below the node; a recursive schema is entered once."""
    for path, nodes in _collections(node, (), ()):
        for sort in _SORTS:
            obj: dict[str, Any] = {"metadata": {"name": "it", "namespace": "default"}}
            _put(obj, path, nodes, sort)
            yield ".".join(path), sort, obj


def _collections(
    node: Node, path: tuple[str, ...], nodes: tuple[Node, ...], entered: tuple[Node, ...] = ()
) -> Iterator[tuple[tuple[str, ...], tuple[Node, ...]]]:
    """The path of each, and the nodes on the way there. entered: those that the walk is in; none is entered again."""
    if len(path) > _DEEPEST or any(each is node for each in entered):
        return
    for name, child in node.properties.items():
        if name in _SKIPPED:
            continue
        below = child
        if child.type == "array" and child.items is not None:
            yield (*path, name), (*nodes, child)
            below = child.items
        elif child.additional is not None:
            yield (*path, name), (*nodes, child)
            below = child.additional
        yield from _collections(below, (*path, name), (*nodes, child), (*entered, node))


def _put(obj: dict[str, Any], path: tuple[str, ...], nodes: tuple[Node, ...], sort: str) -> None:
    """Lists on the way hold one element."""
    for name, node in zip(path[:-1], nodes[:-1], strict=True):
        if node.type == "array" and node.items is not None:
            element = _element(node.items, "same", 0)
            obj[name] = [element]
            obj = element if isinstance(element, dict) else {}
        elif node.additional is not None:
            element = _element(node.additional, "same", 0)
            obj[name] = {"k": element}
            obj = element if isinstance(element, dict) else {}
        else:
            obj = obj.setdefault(name, {})
    obj[path[-1]] = _filled(nodes[-1], sort)


def _filled(node: Node, sort: str) -> Any:
    child = node.items if node.type == "array" else node.additional
    assert child is not None
    size, index = 0, 0
    found: Any = [] if node.type == "array" else {}
    while size < BYTES:
        element = _element(child, sort, index)
        if isinstance(found, list):
            found.append(element)
        else:
            found[f"k{index}" if sort != "wrong" else f"K_!{index}"] = element
            size += 8
        size += len(str(element)) + 2
        index += 1
    return found


def _element(node: Node, sort: str, index: int) -> Any:
    if node.type == "object" or node.properties:
        if sort == "empty":
            return {}
        scalars = {name: _element(child, sort, index) for name, child in node.properties.items() if child.type in _SCALARS}
        parts = {name: _shallow(child, sort, index) for name, child in node.properties.items() if child.properties and name not in _SKIPPED}
        return scalars | dict(list(parts.items())[:2])
    if node.type == "array":
        return []
    return _scalar(node, sort, index)


_SCALARS = ("string", "integer", "number", "boolean")


def _shallow(node: Node, sort: str, index: int) -> dict[str, Any]:
    return {name: _scalar(child, sort, index) for name, child in node.properties.items() if child.type in _SCALARS}


def _scalar(node: Node, sort: str, index: int) -> Any:
    if node.type == "boolean":
        return True
    if node.type in ("integer", "number"):
        return {"empty": 0, "same": 1, "unique": index + 1, "wrong": -1 - index}[sort]
    if node.enum and sort != "wrong":
        return node.enum[index % len(node.enum)]
    if node.format in ("date-time", "micro-time"):
        return "2026-05-04T11:00:00Z"
    if node.format == "quantity":
        return {"empty": "0", "same": "1", "unique": str(index + 1), "wrong": f"-{index + 1}"}[sort]
    if node.format == "byte":
        return "YQ=="
    return {"empty": "", "same": "a", "unique": f"a{index}", "wrong": f"A_!{index}"}[sort]
