"""The authorization stage: one authorizer after the other is asked, until one allows it.

Masters may do everything, nodes what nodes need, readers of Secrets read those that are named to them, everybody what RBAC grants.
"""

from pilothouse.engine.apiserver.authz.attributes import Attributes, forbidden
from pilothouse.engine.apiserver.authz.node import NodeAuthorizer
from pilothouse.engine.apiserver.authz.rbac import Rbac
from pilothouse.engine.apiserver.authz.secrets import SecretsAuthorizer
from pilothouse.engine.apiserver.authz.uses import Uses
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.model.selector import FieldSelector, SelectorError, parse_fields

_COLLECTIONS = ("list", "watch", "deletecollection")


class Authorizer:
    def __init__(self, rbac: Rbac, nodes: NodeAuthorizer, secrets: SecretsAuthorizer) -> None:
        self.rbac = rbac
        self.uses = Uses()
        self._before_rbac = (nodes, secrets)

    def decide(self, asked: Attributes) -> tuple[bool, str]:
        """Whether, and why or why not ("" for the authorizers that give no reason)."""
        if asked.user.is_master:
            return True, ""
        whys = []
        for authorizer in self._before_rbac:
            allowed, why = authorizer.decide(asked)
            if allowed:
                return True, ""
            whys.append(why)
        grant = self.rbac.allowed(asked)
        return (True, grant.reason) if grant is not None else (False, "".join(whys))

    def check(self, asked: Attributes) -> None:
        """Raises Forbidden."""
        allowed, why = self.decide(asked)
        if not allowed:
            raise forbidden(asked, why)

    def authorize(self, request: ApiRequest) -> None:
        """Raises Forbidden unless the request's user may do what it asks."""
        if request.user.is_master:
            _note(request, "allow", "")
            return
        asked = attributes(request)
        allowed, why = self.decide(asked)
        self.uses.note(asked, allowed=allowed)
        _note(request, "allow" if allowed else "forbid", why)
        if not allowed:
            raise forbidden(asked, why)


def _note(request: ApiRequest, decision: str, why: str) -> None:
    if request.audit is not None and request.audit.is_recorded:
        request.annotate("authorization.k8s.io/decision", decision)
        request.annotate("authorization.k8s.io/reason", why)


def attributes(request: ApiRequest) -> Attributes:
    target = request.target
    if not target.is_resource:
        return Attributes(request.user, request.verb, path=target.path)
    name, fields, labels = target.name, None, ""
    if request.verb in _COLLECTIONS:
        fields, labels = _selected(request.option("fieldSelector")), request.option("labelSelector")
        # A collection narrowed to one name counts as that object, so that a role with resourceNames can list and watch it.
        name = name or ((fields.exact("metadata.name") or "") if fields is not None else "")
    place = target.namespace, target.group, target.resource, target.subresource, name
    return Attributes(request.user, request.verb, *place, fields=fields, labels=labels)


def _selected(selector: str) -> FieldSelector | None:
    """None when there is no selector, and for one that the verb will refuse."""
    try:
        return parse_fields(selector) if selector else None
    except SelectorError:
        return None
