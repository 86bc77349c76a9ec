"""Role-based access control: roles and bindings indexed by subject, kept current by the store's own changes.

A change is visible to authorization the moment it is committed: the index is fed by the store before the write is acknowledged.
The rules of an aggregated ClusterRole are those that are written in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.authz.rules import allows
from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.apiserver.identity import SERVICE_ACCOUNT_PREFIX, User
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object

_GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = f"/roles.{_GROUP}/", f"/clusterroles.{_GROUP}/"
ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS = f"/rolebindings.{_GROUP}/", f"/clusterrolebindings.{_GROUP}/"


@dataclass(frozen=True, slots=True)
class Binding:
    """scope: the namespace it is good for, "" for all."""

    key: str
    name: str
    scope: str
    role_kind: str
    role: str
    subjects: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """One rule that a user has, and from where."""

    rule: Object
    binding: Binding
    subject: tuple[str, str]

    @property
    def reason(self) -> str:
        where = "ClusterRoleBinding" if not self.binding.scope else "RoleBinding"
        shown = self.binding.name if not self.binding.scope else f"{self.binding.name}/{self.binding.scope}"
        kind, name = self.subject
        return f'RBAC: allowed by {where} "{shown}" of {self.binding.role_kind} "{self.binding.role}" to {kind} "{name}"'


class Rbac:
    def __init__(self) -> None:
        self._roles: dict[str, list[Object]] = {}
        self._bindings: dict[str, Binding] = {}
        self._by_subject: dict[tuple[str, str, str], dict[str, Binding]] = {}

    def follow(self, store: Store) -> None:
        """Read all roles and bindings and hear of every change from now on."""
        follow(store, (ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS), self)

    def clear(self) -> None:
        self._roles.clear()
        self._bindings.clear()
        self._by_subject.clear()

    def put(self, key: str, value: Object) -> None:
        if key.startswith((ROLES, CLUSTER_ROLES)):
            self._roles[key] = value.get("rules") or []
            return
        self.drop(key)
        binding = _binding(key, value)
        self._bindings[key] = binding
        for kind, name in binding.subjects:
            self._by_subject.setdefault((binding.scope, kind, name), {})[key] = binding

    def drop(self, key: str) -> None:
        self._roles.pop(key, None)
        binding = self._bindings.pop(key, None)
        for kind, name in binding.subjects if binding else ():
            index = (binding.scope if binding else "", kind, name)
            found = self._by_subject.get(index)
            if found is not None:
                found.pop(key, None)
                if not found:
                    del self._by_subject[index]

    def rules_of(self, kind: str, namespace: str, name: str) -> list[Object] | None:
        """The rules of a role, None when there is no such role."""
        return self._roles.get(f"{CLUSTER_ROLES}/{name}" if kind == "ClusterRole" else f"{ROLES}{namespace}/{name}")

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """Every rule the user has in the namespace ("" for the cluster's), cluster-wide ones first."""
        subjects = list(_subjects_of(user))
        for scope in ("", namespace) if namespace else ("",):
            for subject in subjects:
                for binding in self._by_subject.get((scope, *subject), {}).values():
                    for rule in self.rules_of(binding.role_kind, scope, binding.role) or ():
                        yield Grant(rule, binding, subject)

    def allowed(self, asked: Attributes) -> Grant | None:
        found = (grant for grant in self.grants(asked.user, asked.namespace) if allows(grant.rule, asked))
        return next(found, None)


def _binding(key: str, value: Object) -> Binding:
    meta, role = value["metadata"], value["roleRef"]
    scope = meta.get("namespace", "") if key.startswith(ROLE_BINDINGS) else ""
    subjects = tuple(_subject(subject, scope) for subject in value.get("subjects") or ())
    return Binding(key, meta["name"], scope, role["kind"], role["name"], subjects)


def _subject(subject: Object, scope: str) -> tuple[str, str]:
    if subject["kind"] == "ServiceAccount":
        return "ServiceAccount", f"{subject['name']}/{subject.get('namespace') or scope}"
    return subject["kind"], subject["name"]


def _subjects_of(user: User) -> Iterator[tuple[str, str]]:
    yield "User", user.name
    for group in user.groups:
        yield "Group", group
    if user.name.startswith(SERVICE_ACCOUNT_PREFIX):
        namespace, _, name = user.name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
        yield "ServiceAccount", f"{name}/{namespace}"
