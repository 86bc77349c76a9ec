"""Nobody grants rights that he does not have: roles and bindings are held against what the writer may do.

Source: kubernetes pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased.
"""

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.authz.authorize import Authorizer
from pilothouse.engine.apiserver.authz.covering import uncovered
from pilothouse.engine.apiserver.authz.rules import combinations, compact, go_rule
from pilothouse.model.errors import Cause, Forbidden, NotFound
from pilothouse.model.json import Object

GROUP = "rbac.authorization.k8s.io"
_EVERYTHING: list[Object] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
_MOST_COMBINATIONS = 10_000
_LARGE_RULES = 2_000
"""Of the writer's own and of those to be granted, in all their combinations: more take milliseconds."""
_SHOWN_RULES = 100
_GARBAGE_COLLECTION = ("ownerReferences", "finalizers")
_ROLES, _BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")


class Escalation:
    """beside: for the comparison of many rules."""

    def __init__(self, authorizer: Authorizer, beside: Beside) -> None:
        self._authorizer = authorizer
        self._beside = beside

    async def validate(self, write: Write) -> None:
        resource = write.served.resource
        if resource.group != GROUP or write.operation not in ("CREATE", "UPDATE") or write.user.is_master:
            return
        value, old = write.new(), write.old
        if old is not None and _is_only_garbage_collection(value, old):
            return
        if resource.plural in _ROLES:
            await self._check_role(write, value, old)
        elif resource.plural in _BINDINGS:
            await self._check_binding(write, value)

    async def _check_role(self, write: Write, value: Object, old: Object | None) -> None:
        """All rules are checked at every change: labels alone can carry them into an aggregated role that is bound already."""
        if self._may(write, "escalate", write.served.resource.plural, write.name):
            return
        await self._check_rules(write, value.get("rules") or [])
        if value.get("aggregationRule") or (old or {}).get("aggregationRule"):
            await self._check_rules(write, _EVERYTHING)

    async def _check_binding(self, write: Write, value: Object) -> None:
        role = value["roleRef"]
        plural = "clusterroles" if role["kind"] == "ClusterRole" else "roles"
        if self._may(write, "bind", plural, role["name"]):
            return
        rules = self._authorizer.rbac.rules_of(role["kind"], write.namespace, role["name"])
        if rules is None:
            raise NotFound.of(write.served.resource.plural, role["name"], GROUP)
        await self._check_rules(write, rules)

    def _may(self, write: Write, verb: str, plural: str, name: str) -> bool:
        return self._authorizer.decide(Attributes(write.user, verb, write.namespace, GROUP, plural, "", name))[0]

    async def _check_rules(self, write: Write, rules: list[Object]) -> None:
        user, total = write.user, _bounded(write, rules)
        owned = [grant.rule for grant in self._authorizer.rbac.grants(user, write.namespace)]
        missing = await self._beside.run(lambda: compact(uncovered(owned, rules)), is_large=len(owned) + total > _LARGE_RULES)
        if not missing:
            return
        groups = " ".join(f'"{group}"' for group in user.groups)
        shown = sorted(go_rule(rule) for rule in missing[:_SHOWN_RULES])
        lines = "\n".join([*shown, *([f"... and {len(missing) - len(shown)} more"] if len(missing) > len(shown) else [])])
        why = f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{lines}'
        raise Forbidden.of(write.served.resource.plural, write.name, why, GROUP)


def _bounded(write: Write, rules: list[Object]) -> int:
    """How many single rules they are. Raises Invalid for so many that their comparison with the writer's own would take too long."""
    total = sum(map(combinations, rules))
    if total > _MOST_COMBINATIONS:
        detail = f"Too many: the rules grant {total} combinations of group, resource, name and verb: must have at most {_MOST_COMBINATIONS}"
        raise write.served.invalid(write.name, [Cause("rules", "FieldValueTooMany", detail)])
    return total


def _is_only_garbage_collection(value: Object, old: Object) -> bool:
    """Whether nothing changes but what the garbage collector writes, and who wrote what; nobody's rights depend on these fields."""
    return _without_collection(value) == _without_collection(old)


def _without_collection(obj: Object) -> Object:
    ignored = (*_GARBAGE_COLLECTION, "managedFields", "resourceVersion")
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key not in ignored}}
