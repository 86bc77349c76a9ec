"""Every way in which a client can send a body for a resource."""

from collections.abc import Iterator, Mapping

from pilothouse.client.transport import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Call
from pilothouse.engine.apiserver.resources.served import ServedResource
from tests.engine.apiserver.budget import hostile
from tests.engine.apiserver.budget.small import SMALL

NAMESPACE = "default"
YAML = "application/yaml"
_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
_CREATED = ("binding", "eviction", "token")
"""Subresources that take a POST."""
_CHANGED = ("status", "scale", "finalize", "approval")
"""Subresources that take a PUT and patches."""
_APPLIED = (("fieldManager", "m"), ("force", "true"))

Ways = Iterator[tuple[str, Call]]


def path_of(served: ServedResource) -> str:
    return served.resource.path(NAMESPACE if served.resource.namespaced else "")


def name_of(served: ServedResource) -> str:
    """Of the one object that these calls are about."""
    name: str = SMALL[served.group_resource]["metadata"]["name"] if served.group_resource in SMALL else "it"
    return name


def calls(served: ServedResource, bodies: Mapping[str, str], *, strictness: tuple[str, ...] = ("Strict",)) -> Ways:
    """bodies: about an object called `it`, by what is bad about them. strictness: with which they are created."""
    for title, text in bodies.items():
        body = hostile.typed(hostile.renamed(text, name_of(served)), served.resource.api_version, served.resource.kind)
        yield from _creates(served, title, body, strictness)
        if served.kind.is_stored and "update" in served.resource.verbs:
            yield from _changes(served, title, body, hostile.renamed(text, name_of(served)).encode())


def _creates(served: ServedResource, title: str, body: bytes, strictness: tuple[str, ...]) -> Ways:
    if "create" in served.resource.verbs:
        for each in strictness:
            yield f"create {each} {title}", Call("POST", path_of(served), (("fieldValidation", each),), body, JSON)


def _changes(served: ServedResource, title: str, body: bytes, untyped: bytes) -> Ways:
    path = f"{path_of(served)}/{name_of(served)}"
    yield f"update {title}", Call("PUT", path, (), body, JSON)
    yield f"apply {title}", Call("PATCH", path, _APPLIED, body, APPLY_PATCH)
    yield f"delete {title}", Call("DELETE", path, (("dryRun", "All"),), untyped, JSON)
    yield from _patches(path, title, untyped)
    for subresource in sorted(served.resource.subresources):
        if subresource in _CREATED:
            yield f"{subresource} {title}", Call("POST", f"{path}/{subresource}", (), untyped, JSON)
        elif subresource in _CHANGED:
            yield f"{subresource} {title}", Call("PUT", f"{path}/{subresource}", (), body, JSON)
            yield f"apply {subresource} {title}", Call("PATCH", f"{path}/{subresource}", _APPLIED, body, APPLY_PATCH)
            yield from _patches(f"{path}/{subresource}", f"{subresource} {title}", untyped)


def _patches(path: str, title: str, body: bytes) -> Ways:
    for media in _PATCHES:
        yield f"{media.removeprefix('application/')} {title}", Call("PATCH", path, (), body, media)


def yaml_calls(served: ServedResource, bodies: Mapping[str, str]) -> Ways:
    path, name = path_of(served), name_of(served)
    for title, text in bodies.items():
        body = f"apiVersion: {served.resource.api_version}\nkind: {served.resource.kind}\n{text}".encode()
        yield f"create {title}", Call("POST", path, (), body, YAML)
        yield f"update {title}", Call("PUT", f"{path}/{name}", (), body, YAML)
        yield f"apply {title}", Call("PATCH", f"{path}/{name}", _APPLIED, body, APPLY_PATCH)
