"""The authorization stage: masters may do everything, nodes what nodes need, everybody else what RBAC grants."""

from pilothouse.engine.apiserver.authz.attributes import Attributes, forbidden
from pilothouse.engine.apiserver.authz.node import NodeRights
from pilothouse.engine.apiserver.authz.rbac import Rbac
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.model.selector import SelectorError, parse_fields

_COLLECTIONS = ("list", "watch", "deletecollection")


class Authorizer:
    def __init__(self, rbac: Rbac, nodes: NodeRights) -> None:
        self.rbac = rbac
        self._nodes = nodes

    def decide(self, asked: Attributes) -> tuple[bool, str]:
        """Whether, and because of what ("" for the authorizers that give no reason)."""
        if asked.user.is_master or self._nodes.allows(asked):
            return True, ""
        grant = self.rbac.allowed(asked)
        return (True, grant.reason) if grant is not None else (False, "")

    def check(self, asked: Attributes) -> None:
        """Raises Forbidden."""
        if not asked.user.is_master and not self.decide(asked)[0]:
            raise forbidden(asked)

    def authorize(self, request: ApiRequest) -> None:
        """Raises Forbidden unless the request's user may do what it asks."""
        if not request.user.is_master:
            self.check(attributes(request))


def attributes(request: ApiRequest) -> Attributes:
    target = request.target
    if not target.is_resource:
        return Attributes(request.user, request.verb, path=target.path)
    name = target.name
    if not name and request.verb in _COLLECTIONS:
        name = _selected_name(request.option("fieldSelector"))
    return Attributes(request.user, request.verb, target.namespace, target.group, target.resource, target.subresource, name)


def _selected_name(selector: str) -> str:
    """A collection narrowed to one name counts as that object, so that a role with resourceNames can list and watch it."""
    if "metadata.name" not in selector:
        return ""
    try:
        return parse_fields(selector).exact("metadata.name") or ""
    except SelectorError:
        return ""
