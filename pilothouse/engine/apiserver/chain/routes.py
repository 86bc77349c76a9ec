"""From a target to what serves it: the whole URL space below a resource as tables.

A resource or subresource that is not there is 404, one that does not know the method 405; neither tells anything to a user who
was not authorized before.
"""

from collections.abc import Awaitable, Callable, Mapping

from pilothouse.engine.apiserver.answer import DocumentResponse, ListResponse, ObjectResponse, RawResponse, Session, StreamResponse, Tunnel
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.kinds.subresource import BY_NAME
from pilothouse.engine.apiserver.request.lookup import not_allowed, unknown
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.request.routing import Target
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.reviews.components import get_component, list_components
from pilothouse.engine.apiserver.reviews.reviews import REVIEWS
from pilothouse.engine.apiserver.reviews.usage import get_usage, list_usage
from pilothouse.engine.apiserver.subresources import binding, eviction, finalize, portforward, proxy, scale, session, token
from pilothouse.engine.apiserver.subresources import log as logs
from pilothouse.engine.apiserver.verbs.create import create
from pilothouse.engine.apiserver.verbs.delete import delete
from pilothouse.engine.apiserver.verbs.deletecollection import deletecollection
from pilothouse.engine.apiserver.verbs.get import get
from pilothouse.engine.apiserver.verbs.list import list_objects
from pilothouse.engine.apiserver.verbs.patch import patch
from pilothouse.engine.apiserver.verbs.update import update
from pilothouse.engine.apiserver.verbs.watch import Feed, watch
from pilothouse.model.errors import NotFound

Answer = ObjectResponse | ListResponse | DocumentResponse | Feed | StreamResponse | Session | Tunnel | RawResponse
Verb = Callable[[Backend, ApiRequest, ServedResource], Awaitable[Answer]]

OBJECT_VERBS: Mapping[str, Verb] = {"get": get, "update": update, "patch": patch, "delete": delete, "watch": watch}
COLLECTION_VERBS: Mapping[str, Verb] = {"list": list_objects, "watch": watch, "create": create, "deletecollection": deletecollection}
SUBRESOURCE_VERBS: Mapping[str, Mapping[str, Verb]] = {
    "status": {"get": get, "update": update, "patch": patch},
    "ephemeralcontainers": {"get": get, "update": update, "patch": patch},
    "resize": {"get": get, "update": update, "patch": patch},
    "approval": {"get": get, "update": update, "patch": patch},
    "scale": {"get": scale.get, "update": scale.update, "patch": scale.patch},
    "finalize": {"update": finalize.finalize},
    "token": {"create": token.create},
    "binding": {"create": binding.create},
    "eviction": {"create": eviction.create},
    "log": {"get": logs.get},
    "exec": {"get": session.execute, "create": session.execute},
    "attach": {"get": session.attach, "create": session.attach},
    "portforward": {"get": portforward.forward, "create": portforward.forward},
    "proxy": dict.fromkeys(("create", "delete", "get", "patch", "update"), proxy.ask),
}
"""What carries out the verbs that `kinds.subresource` states."""
UNSTORED_VERBS: Mapping[str, Mapping[str, Verb]] = {
    "bindings": {"create": binding.create_by_body},
    "componentstatuses": {"list": list_components, "get": get_component},
    "nodes.metrics.k8s.io": {"list": list_usage, "get": get_usage},
    "pods.metrics.k8s.io": {"list": list_usage, "get": get_usage},
    **{group_resource: {"create": review} for group_resource, review in REVIEWS.items()},
}
"""What carries out the verbs of kinds that are only answered."""


def is_long_running(request: ApiRequest) -> bool:
    """Whether the request may take as long as its client wants."""
    subresource = BY_NAME.get(request.target.subresource)
    return request.verb == "watch" or (subresource is not None and subresource.streams)


def verb_for(method: str, verb: str, target: Target, served: ServedResource) -> Verb:
    """Raises NotFound, MethodNotAllowed."""
    resource = served.resource
    if target.subresource:
        if target.subresource not in served.kind.subresources:
            raise NotFound.of(resource.plural, target.name, resource.group) if served.custom else unknown()
        verbs = SUBRESOURCE_VERBS[target.subresource]
    else:
        verbs = OBJECT_VERBS if target.name else COLLECTION_VERBS
        if not served.kind.is_stored:
            verbs = UNSTORED_VERBS[resource.group_resource]
        if target.name and not {"get", "update", "patch", "delete"} & set(resource.verbs):
            raise unknown()
        if verb not in resource.verbs:
            raise not_allowed()
    below = served.kind.subresources.get(target.subresource)
    if method in ("HEAD", "OPTIONS"):
        found = verbs.get("get") if below is not None and method in below.more_methods else None
    else:
        found = verbs.get(verb)
    if found is None:
        raise not_allowed(verb, served if served.custom and verb else None)
    if verb in ("create", "deletecollection") and resource.namespaced and not target.namespace:
        raise not_allowed()
    return found
