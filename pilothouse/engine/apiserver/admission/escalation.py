"""Nobody grants rights that he does not have: roles and bindings are held against what the writer may do.

Source: kubernetes pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased.
"""

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.engine.apiserver.authz.attributes import Attributes as Question
from pilothouse.engine.apiserver.authz.authorize import Authorizer
from pilothouse.engine.apiserver.authz.rules import compact, go_rule, uncovered
from pilothouse.model.errors import Forbidden, NotFound
from pilothouse.model.json import Object

GROUP = "rbac.authorization.k8s.io"
_ROLES, _BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")


class Escalation(Passive):
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def validate(self, attributes: Attributes) -> None:
        resource = attributes.served.resource
        if resource.group != GROUP or attributes.operation not in ("CREATE", "UPDATE") or attributes.user.is_master:
            return
        value, old = attributes.new(), attributes.old
        if resource.plural in _ROLES:
            self._check_role(attributes, value, old)
        elif resource.plural in _BINDINGS:
            self._check_binding(attributes, value, old)

    def _check_role(self, attributes: Attributes, value: Object, old: Object | None) -> None:
        if old is not None and (value.get("rules"), value.get("aggregationRule")) == (old.get("rules"), old.get("aggregationRule")):
            return
        if self._may(attributes, "escalate", attributes.served.resource.plural, attributes.name):
            return
        rules: list[Object] = value.get("rules") or []
        if value.get("aggregationRule"):
            rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
        self._check_rules(attributes, rules)

    def _check_binding(self, attributes: Attributes, value: Object, old: Object | None) -> None:
        if old is not None and (value.get("roleRef"), value.get("subjects")) == (old.get("roleRef"), old.get("subjects")):
            return
        role = value["roleRef"]
        plural = "clusterroles" if role["kind"] == "ClusterRole" else "roles"
        if self._may(attributes, "bind", plural, role["name"]):
            return
        rules = self._authorizer.rbac.rules_of(role["kind"], attributes.namespace, role["name"])
        if rules is None:
            raise NotFound.of(attributes.served.resource.plural, role["name"], GROUP)
        self._check_rules(attributes, rules)

    def _may(self, attributes: Attributes, verb: str, plural: str, name: str) -> bool:
        return self._authorizer.decide(Question(attributes.user, verb, attributes.namespace, GROUP, plural, "", name))[0]

    def _check_rules(self, attributes: Attributes, rules: list[Object]) -> None:
        user = attributes.user
        owned = [grant.rule for grant in self._authorizer.rbac.grants(user, attributes.namespace)]
        missing = compact(uncovered(owned, rules))
        if not missing:
            return
        groups = " ".join(f'"{group}"' for group in user.groups)
        lines = "\n".join(sorted(go_rule(rule) for rule in missing))
        why = f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{lines}'
        raise Forbidden.of(attributes.served.resource.plural, attributes.name, why, GROUP)
