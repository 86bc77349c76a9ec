"""What another server says that it serves (an APIResourceList), as entries of the aggregated discovery document. Pure.

Nothing that it says is believed further than its shape: what has another one is left out, and of entries there is a bound.
Source: apiserver/pkg/endpoints/discovery/aggregated, ConvertGroupVersionIntoToDiscovery.
"""

from typing import Any

from pilothouse.model.json import Object

MOST = 2000


def entries(document: Object | None, group: str, version: str) -> tuple[Object, ...]:
    """In the order of the document, subresources below their resources. document: None for what is none."""
    stated = (document or {}).get("resources")
    found: dict[str, Object] = {}
    for each in (stated if isinstance(stated, list) else [])[:MOST]:
        if not isinstance(each, dict) or not _text(each, "name"):
            continue
        name, _, below = each["name"].partition("/")
        if below:
            _put_below(found, name, below, each, group, version)
        else:
            found[name] = found.get(name, {}) | _resource(each, group, version)
    return tuple(found.values())


def _resource(each: Object, group: str, version: str) -> Object:
    entry: Object = {
        "resource": each["name"],
        "responseKind": _kind(each, group, version),
        "scope": "Namespaced" if each.get("namespaced") is True else "Cluster",
        "singularResource": _text(each, "singularName"),
        "verbs": _texts(each, "verbs"),
    }
    for name in ("shortNames", "categories"):
        if stated := _texts(each, name):
            entry[name] = stated
    return entry


def _put_below(found: dict[str, Object], name: str, below: str, each: Object, group: str, version: str) -> None:
    """One whose resource is not listed has one without verbs, as upstream makes it."""
    scope = "Namespaced" if each.get("namespaced") is True else "Cluster"
    parent = found.setdefault(name, {"resource": name, "responseKind": None, "scope": scope, "singularResource": "", "verbs": None})
    entry: Object = {"subresource": below, "verbs": _texts(each, "verbs")}
    if _text(each, "kind"):
        entry["responseKind"] = _kind(each, group, version)
    parent.setdefault("subresources", []).append(entry)


def _kind(each: Object, group: str, version: str) -> Object:
    return {"group": _text(each, "group") or group, "version": _text(each, "version") or version, "kind": _text(each, "kind")}


def _text(each: Object, name: str) -> str:
    value: Any = each.get(name)
    return value if isinstance(value, str) else ""


def _texts(each: Object, name: str) -> list[str]:
    value: Any = each.get(name)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
