"""Another server's OpenAPI document of version 2: what of it speaks of the version that it is registered for, as a part of ours. Pure.

Nothing in it is believed: what has another shape than the encoders of our document can take is left out as a whole, by whoever calls.
Definitions of the same name and content are one; those that differ get a name of their own, as upstream's do.
Source: kube-openapi pkg/aggregator, MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters.
"""

from collections.abc import Iterator
from typing import Any

from pilothouse.model.json import Object

_REFERENCE = "#/definitions/"


def part(document: Object, path: str) -> Object:
    """Paths below `path`, and the definitions that these speak of. Raises ValueError for a document that has not the shape."""
    paths, definitions = document.get("paths"), document.get("definitions")
    if not isinstance(paths, dict) or not isinstance(definitions, dict):
        raise ValueError("neither paths nor definitions")
    own = {name: item for name, item in paths.items() if name == f"{path}/" or name == path or name.startswith(f"{path}/")}
    needed, left = dict[str, Any](), list(_references(own))
    while left:
        name = left.pop()
        if name in definitions and name not in needed:
            needed[name] = definitions[name]
            left += _references(definitions[name])
    if not all(isinstance(each, dict) for each in (*own.values(), *needed.values())):
        raise ValueError("a path or a definition that is no object")
    return {"paths": own, "definitions": needed}


def merged(document: Object, name: str, other: Object) -> Object:
    """Our document with such a part. name: for definitions that are called like others and differ from them."""
    known = document["definitions"]
    renamed = {each: f"{each}_{name}" for each, schema in other["definitions"].items() if each in known and known[each] != schema}
    paths = {path: _renamed(item, renamed) for path, item in other["paths"].items() if path not in document["paths"]}
    definitions = {renamed.get(each, each): _renamed(schema, renamed) for each, schema in other["definitions"].items()}
    return {
        **document,
        "paths": dict(sorted((document["paths"] | paths).items())),
        "definitions": dict(sorted((definitions | known).items())),
    }


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref" and isinstance(each, str):
                if each.startswith(_REFERENCE):
                    yield each.removeprefix(_REFERENCE)
            else:
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if not names:
        return value
    if isinstance(value, dict):
        return {key: _reference(each, names) if key == "$ref" else _renamed(each, names) for key, each in value.items()}
    return [_renamed(each, names) for each in value] if isinstance(value, list) else value


def _reference(value: Any, names: dict[str, str]) -> Any:
    if not isinstance(value, str) or not value.startswith(_REFERENCE):
        return value
    name = value.removeprefix(_REFERENCE)
    return _REFERENCE + names.get(name, name)
