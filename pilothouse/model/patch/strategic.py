"""Strategic merge patch: a merge patch that knows from the schema how lists merge, with directives for what a plain merge cannot say.

Directives: `$patch: replace|delete` in maps and list elements, `$retainKeys`, `$setElementOrder/LIST`, `$deleteFromPrimitiveList/LIST`.
Merged lists keep the server's order for the server's items and the patch's for the patch's.
Source: apimachinery/pkg/util/strategicpatch; issue kubernetes#40373 for the order of lists.
"""

from collections.abc import Callable
from typing import Any

from pilothouse.model.json import Object, fingerprint, same
from pilothouse.model.patch.errors import PatchError, unmarshal
from pilothouse.model.patch.go_text import go_text
from pilothouse.model.schema.node import Node, Patch
from pilothouse.model.schema.schema import Schema

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_PREFIX = "$deleteFromPrimitiveList"
ORDER_PREFIX = "$setElementOrder"

_PLAIN = Patch(())
_ANY = Node()


def check(patch: Any) -> None:
    """Raise PatchError (400) for what is no object."""
    if patch is not None and not isinstance(patch, dict):
        raise PatchError(unmarshal(patch, "Go value of type map[string]interface {}"), 400)


def apply(document: Any, patch: Any, schema: Schema) -> Any:
    """The patched document; the arguments are not changed. Raises PatchError, whose code is the HTTP status upstream gives it."""
    check(patch)
    return _merge_map(document or {}, patch or {}, schema.node)


def _child(node: Node, key: str) -> Node:
    return node.properties.get(key) or node.additional or _ANY


def _strategy(meta: Patch) -> str:
    return next((each for each in meta.strategies if each != "retainKeys"), "")


def _merge_map(original: Object, patch: Object, node: Node) -> Object:
    if DIRECTIVE in patch:
        return _directed(patch)
    result, patch = dict(original), dict(patch)
    if RETAIN_KEYS in patch:
        _retain_keys(result, patch)
    for key in [key for key in patch if key.startswith(ORDER_PREFIX)]:
        _ordered_list(result, patch, node, key)
    for key, value in patch.items():
        _merge_field(result, node, key, value)
    return result


def _directed(patch: Object) -> Object:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    raise PatchError(f"unknown patch type: {go_text(directive)} in map: {go_text(patch)}")


def _merge_field(result: Object, node: Node, key: str, value: Any) -> None:
    deletes = key.startswith(DELETE_PREFIX)
    if deletes:
        key = _list_key(key, DELETE_PREFIX, "primitive list")
    if value is None:
        result.pop(key, None)
        return
    if key not in result or type(result[key]) is not type(value):
        if not deletes:
            result[key] = without_directives(value)
        return
    meta, child = node.patches.get(key, _PLAIN), _child(node, key)
    if isinstance(value, dict):
        result[key] = value if _strategy(meta) == "replace" else _merge_map(result[key], value, child)
    elif isinstance(value, list):
        result[key] = _merge_list(result[key], value, child.items or _ANY, meta, deletes=deletes)
    else:
        result[key] = value


def _list_key(key: str, prefix: str, name: str) -> str:
    head, slash, own = key.partition("/")
    if head != prefix or not slash:
        raise PatchError(f"invalid patch format of {name}", 400)
    return own


def _retain_keys(result: Object, patch: Object) -> None:
    kept = patch.pop(RETAIN_KEYS)
    if not isinstance(kept, list):
        raise PatchError("invalid patch format of retainKeys", 400)
    names = {key for key in kept if isinstance(key, str)}
    for key, value in patch.items():
        if value is not None and not key.startswith((DELETE_PREFIX, ORDER_PREFIX)) and key not in names:
            raise PatchError("invalid patch format of retainKeys", 400)
    for key in [key for key in result if key not in names]:
        del result[key]


def _ordered_list(result: Object, patch: Object, node: Node, directive: str) -> None:
    """Handle `$setElementOrder/KEY` together with the patch's list of that key; both are taken out of the patch."""
    order = _typed_list(patch.pop(directive))
    key = _list_key(directive, ORDER_PREFIX, "setElementOrder list")
    wanted, present = patch.get(key), result.get(key)
    meta = node.patches.get(key, _PLAIN)
    if wanted is not None:
        _check_order(_typed_list(wanted), order, meta.merge_key)
    if present is None and wanted is None:
        return
    if present is None:
        merged = without_directives(wanted)
    elif wanted is None:
        merged = _typed_list(present)
    else:
        merged = _merge_list(_typed_list(present), _typed_list(wanted), _child(node, key).items or _ANY, meta, deletes=False)
    patch.pop(key, None)
    result[key] = _in_order(merged, order, present or [], meta.merge_key)


def _typed_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise PatchError(f"expected a []interface {{}}, but received a {go_text(type(value))}")
    return value


def _check_order(wanted: list[Any], order: list[Any], merge_key: str) -> None:
    """The patch's elements must appear in the directive, in the same order."""
    if not wanted or not order:
        return
    kept = [each for each in wanted if not (isinstance(each, dict) and each.get(DIRECTIVE) == "delete")]
    position = 0
    for each in order:
        if position < len(kept) and _same_item(kept[position], each, merge_key):
            position += 1
    if position < len(kept):
        raise PatchError(f"The order in patch list:\n{go_text(wanted)}\n doesn't match {ORDER_PREFIX} list:\n{go_text(order)}\n")


def _same_item(left: Any, right: Any, merge_key: str) -> bool:
    if merge_key and isinstance(left, dict) and isinstance(right, dict):
        return same(left.get(merge_key), right.get(merge_key))
    return same(left, right)


def _merge_list(original: list[Any], patch: list[Any], item: Node, meta: Patch, *, deletes: bool) -> list[Any]:
    if _strategy(meta) != "merge" and not deletes:
        return patch
    if not original and not patch:
        return original
    if not _holds_maps(original, patch):
        if deletes:
            gone = set(map(fingerprint, patch))
            return [each for each in original if fingerprint(each) not in gone]
        return _in_order(_distinct(original + patch), patch, original, "")
    if not meta.merge_key:
        raise PatchError(f"cannot merge lists without merge key for {item.go_type or 'list'}")
    return _merge_maps(original, patch, item, meta.merge_key)


def _holds_maps(*lists: list[Any]) -> bool:
    """Whether the elements are maps; upstream refuses lists of mixed elements and lists of lists."""
    kinds = {type(each) for elements in lists for each in elements}
    if list in kinds:
        raise PatchError("lists of lists are not supported", 422)
    if len(kinds) > 1 and dict in kinds:
        raise PatchError("list element types are not identical")
    return dict in kinds


def _distinct(values: list[Any]) -> list[Any]:
    found: dict[bytes, Any] = {}
    for value in values:
        found.setdefault(fingerprint(value), value)
    return list(found.values())


def _merge_maps(original: list[Object], patch: list[Object], item: Node, merge_key: str) -> list[Any]:
    plain, gone, replaces = [], set(), False
    for element in patch:
        directive = element.get(DIRECTIVE)
        if directive is None:
            plain.append(element)
        elif directive == "delete":
            gone.add(fingerprint(_key_of(element, merge_key)))
        elif directive == "replace":
            replaces = True
        else:
            raise _bad_element(directive, element)
    kept = [each for each in original if fingerprint(each.get(merge_key)) not in gone] if gone else original
    if replaces:
        return [without_directives(element) for element in plain]
    merged = list(kept)
    places = _places(kept, merge_key)
    for element in plain:
        wanted = fingerprint(_key_of(element, merge_key))
        position = places.setdefault(wanted, len(merged))
        if position == len(merged):
            merged.append(without_directives(element))
        else:
            merged[position] = _merge_map(merged[position], element, item)
    return _in_order(merged, plain, kept, merge_key)


def _bad_element(directive: Any, element: Object) -> PatchError:
    if directive == "merge":
        return PatchError("merging lists cannot yet be specified in the patch")
    return PatchError(f"unknown patch type: {go_text(directive)} in map: {go_text(element)}")


def _key_of(element: Object, merge_key: str) -> Any:
    if merge_key not in element:
        raise PatchError(f"map: {go_text(element)} does not contain declared merge key: {merge_key}")
    return element[merge_key]


def _in_order(merged: list[Any], order: list[Any], server: list[Any], merge_key: str) -> list[Any]:
    """Weave the items named in `order` (in that order) into the others (in the server's order)."""
    rank_wanted, rank_server = _ranker(order, merge_key), _ranker(server, merge_key)
    right = sorted((each for each in merged if rank_wanted(each) >= 0), key=rank_wanted)
    left = sorted((each for each in merged if rank_wanted(each) < 0), key=rank_server)
    found: list[Any] = []
    i = j = 0
    while i < len(left) and j < len(right):
        ours, theirs = rank_server(left[i]), rank_server(right[j])
        if ours >= 0 and theirs >= 0 and ours < theirs:
            found.append(left[i])
            i += 1
        else:
            found.append(right[j])
            j += 1
    return found + left[i:] + right[j:]


def _places(values: list[Any], merge_key: str) -> dict[bytes, int]:
    """Where each value (or the value of its merge key) is first found."""
    found: dict[bytes, int] = {}
    for index, value in enumerate(values):
        found.setdefault(_identity(value, merge_key), index)
    return found


def _identity(value: Any, merge_key: str) -> bytes:
    return fingerprint(value.get(merge_key) if merge_key and isinstance(value, dict) else value)


def _ranker(order: list[Any], merge_key: str) -> Callable[[Any], int]:
    """Position in the order, -1 for what is not in it."""
    places = _places(order, merge_key)
    return lambda value: places.get(_identity(value, merge_key), -1)


def without_directives(value: Any) -> Any:
    """A patch's value taken as it is: without nulls and directives, elements to be deleted left out."""
    if isinstance(value, dict):
        return {
            key: without_directives(each)
            for key, each in value.items()
            if each is not None and key not in (DIRECTIVE, RETAIN_KEYS) and not key.startswith((DELETE_PREFIX, ORDER_PREFIX))
        }
    if isinstance(value, list):
        kept = [each for each in value if not (isinstance(each, dict) and DIRECTIVE in each)]
        return [without_directives(each) for each in kept]
    return value
