"""JSON Patch (RFC 6902) with the tolerance of the library that upstream uses.

Where it departs from the RFC: `replace` of a missing member adds it, `copy` of a missing member copies null, negative indexes count from
the end, a path without its leading slash loses its first part, and an absent value counts as null.
Source: evanphx/json-patch v4.
"""

import re
from collections.abc import Callable
from typing import Any

from pilothouse.model.depth import TOO_DEEP, is_too_deep
from pilothouse.model.json import copy, dumps, loads, same
from pilothouse.model.patch.errors import PatchError, unmarshal

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 256 * 1024
"""How much `copy` may add in all; otherwise a short patch could double a document again and again. Upstream allows 3 MiB."""

_FIELDS = {"op": "string", "path": "string", "from": "string", "value": ""}
_FAILED = 422


def check(patch: Any) -> list[str]:
    """Raise PatchError (400) for what is no list of operations; returns paths of unknown members, as `[0].note`."""
    if patch is None:
        return []
    if not isinstance(patch, list):
        raise _undecodable(patch, "Go value of type []handlers.jsonPatchOp")
    found: list[str] = []
    for position, operation in enumerate(patch):
        if operation is None:
            continue
        if not isinstance(operation, dict):
            raise _undecodable(operation, "Go value of type handlers.jsonPatchOp")
        for key, value in operation.items():
            if key not in _FIELDS:
                found.append(f"[{position}].{key}")
            elif _FIELDS[key] and value is not None and not isinstance(value, str):
                raise _undecodable(value, f"Go struct field jsonPatchOp.{key} of type string")
    return found


def _undecodable(value: Any, target: str) -> PatchError:
    return PatchError(f"error decoding patch: {unmarshal(value, target)}", 400)


def apply(document: Any, patch: Any) -> Any:
    """The patched document; the arguments are not changed. Raises PatchError (422) at the first operation that fails."""
    try:
        patched = _applied(document, patch)
    except RecursionError:
        raise PatchError(TOO_DEEP, _FAILED) from None
    if is_too_deep(patched):
        raise PatchError(TOO_DEEP, _FAILED)
    return patched


def _applied(document: Any, patch: Any) -> Any:
    work = _Work(copy(document))
    for operation in patch or ():
        name = operation.get("op") if operation else None
        run = _OPERATIONS.get(name or "")
        if run is None:
            raise PatchError(f"Unexpected kind: {name or 'unknown'}", _FAILED)
        run(work, operation)
    return work.document


class _Work:
    """The document under way and what has been copied in it."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.copied_bytes = 0


def _path(operation: dict[str, Any], key: str = "path") -> str:
    path = operation.get(key)
    if not isinstance(path, str):
        raise PatchError(f"{operation.get('op')} operation does not apply: missing {key}", _FAILED)
    return path


def _find(document: Any, path: str) -> tuple[Any, str]:
    """The container that the path's last part is in, or None, and that part."""
    parts = path.split("/")
    if len(parts) < 2:
        return None, ""
    container = document
    for part in parts[1:-1]:
        container = _get(container, _unescape(part)) if isinstance(container, dict | list) else None
        if not isinstance(container, dict | list):
            return None, ""
    return (container if isinstance(container, dict | list) else None), _unescape(parts[-1])


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~") if "~" in part else part


def _container(document: Any, path: str, operation: str) -> tuple[Any, str]:
    found, key = _find(document, path)
    if found is None:
        raise PatchError(f'{operation} operation does not apply: doc is missing path: "{path}": missing value', _FAILED)
    return found, key


def _index(text: str, length: int) -> int:
    """An index into a list of that length, negative ones from its end; raises PatchError when it is outside."""
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII) or len(text) > 10:
        raise PatchError(f'value was not a proper array index: "{text}"', _FAILED)
    index = int(text)
    if index >= length or index < -length:
        raise PatchError(f"Unable to access invalid index: {text}", _FAILED)
    return index if index >= 0 else index + length


def _get(container: Any, key: str) -> Any:
    """Missing members are null; missing elements are errors."""
    if isinstance(container, dict):
        return container.get(key)
    return container[_index(key, len(container))]


def _put(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1), value)


def _take(container: Any, key: str) -> Any:
    if isinstance(container, list):
        return container.pop(_index(key, len(container)))
    if key not in container:
        raise PatchError(f"Unable to remove nonexistent key: {key}", _FAILED)
    return container.pop(key)


def _add(work: _Work, operation: dict[str, Any]) -> None:
    container, key = _container(work.document, _path(operation), "add")
    _put(container, key, copy(operation.get("value")))


def _remove(work: _Work, operation: dict[str, Any]) -> None:
    _take(*_container(work.document, _path(operation), "remove"))


def _replace(work: _Work, operation: dict[str, Any]) -> None:
    path, value = _path(operation), copy(operation.get("value"))
    if path == "":
        if not isinstance(value, dict | list):
            raise PatchError("replace operation value must be object or array", _FAILED)
        work.document = value
        return
    container, key = _container(work.document, path, "replace")
    if isinstance(container, dict):
        container[key] = value
    else:
        container[_index(key, len(container))] = value


def _move(work: _Work, operation: dict[str, Any]) -> None:
    value = _take(*_container(work.document, _path(operation, "from"), "move"))
    container, key = _container(work.document, _path(operation), "move")
    _put(container, key, value)


def _copy_value(work: _Work, operation: dict[str, Any]) -> None:
    source, name = _container(work.document, _path(operation, "from"), "copy")
    value = _get(source, name)
    text = _encoded(value)
    work.copied_bytes += len(text)
    if work.copied_bytes > MAX_COPIED_BYTES:
        message = f"Unable to copy, the accumulated size increase of copy is {work.copied_bytes}, exceeding the limit {MAX_COPIED_BYTES}"
        raise PatchError(message, _FAILED)
    container, key = _container(work.document, _path(operation), "copy")
    _put(container, key, loads(text))


def _encoded(value: Any) -> bytes:
    try:
        return dumps(value)
    except TypeError:
        raise PatchError("Unable to copy: the value is nested too deeply", _FAILED) from None


def _test(work: _Work, operation: dict[str, Any]) -> None:
    path = _path(operation)
    found = work.document if path == "" else _get(*_container(work.document, path, "test"))
    if not same(found, operation.get("value")):
        raise PatchError(f"testing value {path} failed: test failed", _FAILED)


_OPERATIONS: dict[str, Callable[[_Work, dict[str, Any]], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy_value,
    "test": _test,
}
