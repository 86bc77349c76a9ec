"""The paths of a resource as OpenAPI describes them: which methods, which parameters, which kind they are about. Pure.

Clients look here for what a path can do (kubectl asks whether a patch takes `fieldValidation`). Upstream's wording of operation ids
is kept, since generators name their functions after them.
"""

from collections.abc import Sequence
from typing import Any

from pilothouse.engine.apiserver.discovery.legacy import subresource_kind
from pilothouse.engine.apiserver.discovery.style import Style
from pilothouse.engine.apiserver.kinds.subresource import Subresource
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object

_WRITE_TYPES = ["*/*"]
_OUT = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
_STREAM = [*_OUT, "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"]
_TEXT_TOO = [*_OUT, "text/plain"]
_PATCHES = ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"]
_APPLY = "application/apply-patch+yaml"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"

_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_DELETE = ("dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents", "propagationPolicy")
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "list": _LIST,
    "deletecollection": (*_DELETE, *(name for name in _LIST if name not in ("watch", "allowWatchBookmarks"))),
    "create": _WRITE,
    "update": _WRITE,
    "patch": (*_WRITE, "force"),
    "delete": _DELETE,
    "get": (),
}
_INTEGERS = ("limit", "timeoutSeconds", "gracePeriodSeconds", "limitBytes", "ports", "sinceSeconds", "tailLines")
_BOOLEANS = (
    "allowWatchBookmarks",
    "watch",
    "force",
    "orphanDependents",
    "sendInitialEvents",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "previous",
    "stderr",
    "stdin",
    "stdout",
    "timestamps",
    "tty",
)
_METHODS = {
    "list": "get",
    "deletecollection": "delete",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "get": "get",
    "head": "head",
    "options": "options",
}
_ACTIONS = {"create": "post", "update": "put"}
_WORDS = {"deletecollection": "delete", "update": "replace", "get": "read"}


_CODES = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201"), "delete": ("200", "202")}


def paths_of(row: ServedResource, definition: str, style: Style) -> dict[str, Object]:
    """All paths of a resource. definition: the name of its schema."""
    resource = row.resource
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    place = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
    collection, found = f"{place}/{resource.plural}", dict[str, Object]()
    in_collection = [verb for verb in ("list", "create", "deletecollection") if verb in resource.verbs]
    on_object = [verb for verb in ("get", "update", "delete", "patch") if verb in resource.verbs]
    found[collection] = _item(row, definition, in_collection, style, namespaced=resource.namespaced)
    if resource.namespaced and "list" in resource.verbs:
        found[f"{root}/{resource.plural}"] = _item(row, definition, ["list"], style, namespaced=False, everywhere=True)
    if on_object:
        found[f"{collection}/{{name}}"] = _item(row, definition, on_object, style, namespaced=resource.namespaced, named=True)
    for name, subresource in row.kind.subresources.items():
        found[f"{collection}/{{name}}/{name}"] = _subresource(row, definition, subresource, style)
        if subresource.has_paths:
            found[f"{collection}/{{name}}/{name}/{{path}}"] = _subresource(row, definition, subresource, style, with_path=True)
    if "watch" in resource.verbs and not row.custom:
        found |= _watches(row, root, definition, style)
    return found


def _watches(row: ServedResource, root: str, definition: str, style: Style) -> dict[str, Object]:
    resource = row.resource
    found = {f"{root}/watch/{resource.plural}": _operation(row, definition, "list", "", style, action="watchlist", everywhere=True)}
    inside = f"{root}/watch/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{root}/watch/{resource.plural}"
    found[inside] = _operation(row, definition, "list", "", style, action="watchlist")
    found[f"{inside}/{{name}}"] = _operation(row, definition, "list", "", style, action="watch")
    return {path: {"get": operation, "parameters": _path_parameters(path, style)} for path, operation in found.items()}


def _path_parameters(path: str, style: Style, queried: Sequence[str] = ("pretty",)) -> list[Object]:
    places = [(name, "path") for name in ("name", "namespace", "path") if f"{{{name}}}" in path] + [(name, "query") for name in queried]
    return [_parameter(name, place, style) for name, place in places]


def _item(
    row: ServedResource,
    definition: str,
    verbs: Sequence[str],
    style: Style,
    *,
    namespaced: bool,
    named: bool = False,
    everywhere: bool = False,
) -> Object:
    item: Object = {_METHODS[verb]: _operation(row, definition, verb, "", style, everywhere=everywhere) for verb in verbs}
    shape = ("{name}" if named else "") + ("{namespace}" if namespaced else "")
    return item | {"parameters": _path_parameters(shape, style)}


def _subresource(row: ServedResource, definition: str, subresource: Subresource, style: Style, *, with_path: bool = False) -> Object:
    verbs = (*subresource.verbs, *(method.lower() for method in subresource.more_methods))
    item: Object = {_METHODS[verb]: _operation(row, definition, verb, subresource.name, style, with_path=with_path) for verb in verbs}
    shape = "{name}" + ("{namespace}" if row.resource.namespaced else "") + ("{path}" if with_path else "")
    queried = subresource.parameters if subresource.connects else (*subresource.parameters, "pretty")
    return item | {"parameters": _path_parameters(shape, style, queried)}


def _operation(
    row: ServedResource,
    definition: str,
    verb: str,
    subresource: str,
    style: Style,
    *,
    everywhere: bool = False,
    action: str = "",
    with_path: bool = False,
) -> Object:
    below = row.kind.subresources.get(subresource)
    connects = below is not None and below.connects
    parameters = [] if connects else [_parameter(name, "query", style) for name in _PARAMETERS[verb]]
    operation: Object = {
        "operationId": _operation_id(row, verb, subresource, everywhere, "connect" if connects else action)
        + ("WithPath" if with_path else ""),
        "x-kubernetes-action": "connect" if connects else action or _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": _kind(row, subresource),
        "responses": _responses(row, f"{_META}.WatchEvent" if action else definition, action or verb, subresource, style),
    }
    body = "" if connects else _body(below.definition or definition if below else definition, verb)
    if style.version == 2:
        operation |= {
            "consumes": _patches(row) if verb == "patch" else _WRITE_TYPES,
            "produces": _produced(verb, below),
            "schemes": ["https"],
        }
        if body:
            parameters.append({"name": "body", "in": "body", "required": verb != "delete", "schema": {"$ref": style.reference + body}})
    elif body:
        types = _patches(row) if verb == "patch" else _WRITE_TYPES
        operation["requestBody"] = {"content": {each: {"schema": {"$ref": style.reference + body}} for each in types}}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _produced(verb: str, subresource: Subresource | None) -> list[str]:
    if subresource is not None and subresource.connects:
        return _WRITE_TYPES
    if subresource is not None and subresource.streams:
        return _TEXT_TOO
    return _STREAM if verb == "list" else _OUT


def _body(definition: str, verb: str) -> str:
    if verb in ("create", "update"):
        return definition
    if verb == "patch":
        return f"{_META}.Patch"
    return f"{_META}.DeleteOptions" if verb in ("delete", "deletecollection") else ""


def _kind(row: ServedResource, subresource: str) -> Object:
    resource = row.resource
    group, version, kind = resource.group, resource.version, resource.kind
    if subresource:
        own_group, own_version, own_kind = subresource_kind(row, row.kind.subresources[subresource])
        if own_kind != kind:
            group, version, kind = own_group or group, own_version or version, own_kind
    return {"group": group, "kind": kind, "version": version}


def _operation_id(row: ServedResource, verb: str, subresource: str, everywhere: bool, action: str) -> str:
    resource = row.resource
    group = "".join(part.capitalize() for part in resource.group.removesuffix(".k8s.io").replace("-", ".").split(".")) or "Core"
    scope = "Namespaced" if resource.namespaced and not everywhere else ""
    ending = "ForAllNamespaces" if everywhere else ""
    version = f"{group}{resource.version.capitalize()}"
    if action == "connect":
        return f"connect{version}{_METHODS[verb].capitalize()}{scope}{resource.kind}{subresource.capitalize()}"
    if action:
        return f"watch{version}{scope}{resource.kind}{'List' if action == 'watchlist' else ''}{ending}"
    word, middle = _WORDS.get(verb, verb), "Collection" if verb == "deletecollection" else ""
    return f"{word}{version}{middle}{scope}{resource.kind}{subresource.capitalize()}{ending}"


def _responses(row: ServedResource, definition: str, verb: str, subresource: str, style: Style) -> Object:
    below = row.kind.subresources.get(subresource)
    if below is not None and below.streams:
        return {"200": _text(style), "401": {"description": "Unauthorized"}}
    definition = below.definition or definition if below is not None else definition
    of_deletion = definition if row.kind.returns_object_on_delete else f"{_META}.Status"
    answer = {"list": f"{definition}List", "delete": of_deletion, "deletecollection": f"{_META}.Status"}.get(verb, definition)
    codes = _CODES.get(verb, ("200",))
    return {code: _answer(answer, style) for code in codes} | {"401": {"description": "Unauthorized"}}


def _answer(definition: str, style: Style) -> Object:
    schema = {"$ref": style.reference + definition}
    if style.version == 2:
        return {"description": "OK", "schema": schema}
    return {"description": "OK", "content": {media: {"schema": schema} for media in _OUT}}


def _text(style: Style) -> Object:
    schema = {"type": "string"}
    if style.version == 2:
        return {"description": "OK", "schema": schema}
    return {"description": "OK", "content": {"text/plain": {"schema": schema}}}


def _parameter(name: str, place: str, style: Style) -> Object:
    type = "integer" if name in _INTEGERS else "boolean" if name in _BOOLEANS else "string"
    parameter: dict[str, Any] = {"name": name, "in": place}
    if place == "path":
        parameter["required"] = True
    if style.version == 2:
        return parameter | {"type": type, "uniqueItems": True}
    return parameter | {"schema": {"type": type, "uniqueItems": True}}


def _patches(row: ServedResource) -> list[str]:
    """Custom resources know no strategic merge."""
    own = _PATCHES[:2] if row.custom else _PATCHES
    return [*own, _APPLY]
