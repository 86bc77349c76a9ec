"""The paths of a resource as OpenAPI describes them: which methods, which parameters, which kind they are about. Pure.

Clients look here for what a path can do (kubectl asks whether a patch takes `fieldValidation`). Upstream's wording of operation ids
is kept, since generators name their functions after them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pilothouse.engine.apiserver.discovery.legacy import subresource_kind
from pilothouse.engine.apiserver.kinds.subresource import Subresource
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object

_WRITE_TYPES = ["*/*"]
_OUT = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
_STREAM = [*_OUT, "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"]
_PATCHES = ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"]
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
_INTEGERS = ("limit", "timeoutSeconds", "gracePeriodSeconds")
_BOOLEANS = (
    "allowWatchBookmarks",
    "watch",
    "force",
    "orphanDependents",
    "sendInitialEvents",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
)
_METHODS = {
    "list": "get",
    "deletecollection": "delete",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "get": "get",
}
_ACTIONS = {"create": "post", "update": "put"}
_WORDS = {"deletecollection": "delete", "update": "replace", "get": "read"}


_CODES = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201"), "delete": ("200", "202")}


class Style(NamedTuple):
    """What the two versions of OpenAPI write differently. reference: what references to schemas start with."""

    version: int
    reference: str


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
    if "watch" in resource.verbs and not row.custom:
        found |= _watches(row, root, definition, style)
    return found


def _watches(row: ServedResource, root: str, definition: str, style: Style) -> dict[str, Object]:
    resource = row.resource
    bases = [f"{root}/watch/{resource.plural}"]
    if resource.namespaced:
        bases.append(f"{root}/watch/namespaces/{{namespace}}/{resource.plural}")
    bases.append(f"{bases[-1]}/{{name}}")
    operation = _operation(row, definition, "list", "", style, action="watch")
    return {base: {"get": operation, "parameters": _path_parameters(base, style)} for base in bases}


def _path_parameters(path: str, style: Style) -> list[Object]:
    return [_parameter(name, "path", style) for name in ("name", "namespace") if f"{{{name}}}" in path] + [
        _parameter("pretty", "query", style)
    ]


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


def _subresource(row: ServedResource, definition: str, subresource: Subresource, style: Style) -> Object:
    item: Object = {_METHODS[verb]: _operation(row, definition, verb, subresource.name, style) for verb in subresource.verbs}
    shape = "{name}" + ("{namespace}" if row.resource.namespaced else "")
    return item | {"parameters": _path_parameters(shape, style)}


def _operation(
    row: ServedResource, definition: str, verb: str, subresource: str, style: Style, *, everywhere: bool = False, action: str = ""
) -> Object:
    parameters = [_parameter(name, "query", style) for name in _PARAMETERS[verb]]
    operation: Object = {
        "operationId": _operation_id(row, verb, subresource, everywhere, action),
        "x-kubernetes-action": action or _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": _kind(row, subresource),
        "responses": _responses(row, definition, verb, subresource, style),
    }
    body = _body(definition, verb)
    if style.version == 2:
        operation |= {
            "consumes": _patches(row) if verb == "patch" else _WRITE_TYPES,
            "produces": _STREAM if verb == "list" else _OUT,
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
    word = "watch" if action == "watch" else _WORDS.get(verb, verb)
    prefix = f"{word}Collection" if verb == "deletecollection" else word
    return f"{prefix}{group}{resource.version.capitalize()}{scope}{resource.kind}{subresource.capitalize()}{ending}"


def _responses(row: ServedResource, definition: str, verb: str, subresource: str, style: Style) -> Object:
    if subresource and row.kind.subresources[subresource].streams:
        return {"200": _text(style), "401": {"description": "Unauthorized"}}
    answer = {"list": f"{definition}List", "delete": f"{_META}.Status", "deletecollection": f"{_META}.Status"}.get(verb, definition)
    codes = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201"), "delete": ("200", "202")}.get(
        verb, ("200",)
    )
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
    return _PATCHES[:2] if row.custom else _PATCHES
