"""What a path leads to, and how one that leads nowhere is refused.

A resource or subresource that is not there is 404, one that does not know the method 405.
"""

from pilothouse.engine.apiserver.request.routing import Target
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.errors import ApiError, MethodNotAllowed, NotFound


def unknown() -> NotFound:
    return NotFound("the server could not find the requested resource", details={})


def not_allowed(verb: str = "", custom: ServedResource | None = None) -> MethodNotAllowed:
    """custom: the custom resource that does not know the verb; others say less."""
    if custom is None:
        return MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    resource = custom.resource
    text = f'{verb} is not supported on resources of kind "{resource.group_resource}"'
    return MethodNotAllowed(text, details={"group": resource.group, "kind": resource.plural})


def is_served(target: Target, table: ServedResources) -> bool:
    """Whether the path leads to a resource or a subresource that there is."""
    try:
        served = served_at(target, table)
    except NotFound:
        return False
    return not target.subresource or target.subresource in served.kind.subresources


def served_at(target: Target, table: ServedResources) -> ServedResource:
    """Raises NotFound."""
    served = table.find(target.group, target.version, target.resource)
    if served is None or target.too_deep or (target.prefix == "api") != (target.group == ""):
        raise unknown()
    resource = served.resource
    if target.in_namespace and not resource.namespaced:
        raise unknown()
    if target.name and resource.namespaced and not target.namespace:
        raise unknown()
    return served


def check_namespace(target: Target, served: ServedResource) -> None:
    """Nothing can be kept in a namespace of dots, which would mean another place. Raises ApiError 500, as upstream's store does."""
    if served.resource.namespaced and target.namespace in (".", ".."):
        kept_at = [f"{served.resource.group}/{target.resource}" if served.custom else target.resource, target.namespace]
        key = "/".join(["", *kept_at, *([target.name] if target.name else [])])
        raise ApiError(f'invalid key: "{key}"', code=500, reason="")
