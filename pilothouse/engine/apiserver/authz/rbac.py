"""Role-based access control: roles and bindings indexed by subject, kept current by the store's own changes.

A change is visible to authorization the moment it is committed: the index is fed by the store before the write is acknowledged.
The rules of an aggregated ClusterRole are those that are written in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.authz.rules import allows
from pilothouse.engine.apiserver.following import follow_resource
from pilothouse.engine.apiserver.identity import SERVICE_ACCOUNT_PREFIX, User
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.model.kinds import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES

MOST_RULES = 20_000
"""Of a user in a namespace, that are looked at: whoever may bind roles there decides how many there are, for everybody."""
_Subject = tuple[str, str]
"""Kind and name; of a service account `NAME/NAMESPACE`."""


@dataclass(frozen=True, slots=True)
class Binding:
    """scope: the namespace it is good for, "" for all."""

    name: str
    scope: str
    role_kind: str
    role: str
    subjects: tuple[_Subject, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """One rule that a user has, and from where."""

    rule: Object
    binding: Binding
    subject: _Subject

    @property
    def reason(self) -> str:
        where = "ClusterRoleBinding" if not self.binding.scope else "RoleBinding"
        shown = self.binding.name if not self.binding.scope else f"{self.binding.name}/{self.binding.scope}"
        kind, name = self.subject
        return f'RBAC: allowed by {where} "{shown}" of {self.binding.role_kind} "{self.binding.role}" to {kind} "{name}"'


class _Roles:
    """An index (see `follow_resource`) of the rules of roles."""

    def __init__(self) -> None:
        self.rules: dict[tuple[str, str], list[Object]] = {}

    def put(self, namespace: str, name: str, role: Object) -> None:
        self.rules[namespace, name] = role.get("rules") or []

    def drop(self, namespace: str, name: str) -> None:
        self.rules.pop((namespace, name), None)

    def clear(self) -> None:
        self.rules.clear()


class _Bindings:
    """An index (see `follow_resource`) of bindings by their namespace and subject."""

    def __init__(self) -> None:
        self._bindings: dict[tuple[str, str], Binding] = {}
        self._by_subject: dict[tuple[str, _Subject], dict[str, Binding]] = {}

    def of(self, namespace: str, subject: _Subject) -> Iterable[Binding]:
        return self._by_subject.get((namespace, subject), {}).values()

    def put(self, namespace: str, name: str, value: Object) -> None:
        self.drop(namespace, name)
        binding = self._bindings[namespace, name] = _binding(namespace, name, value)
        for subject in binding.subjects:
            self._by_subject.setdefault((namespace, subject), {})[name] = binding

    def drop(self, namespace: str, name: str) -> None:
        binding = self._bindings.pop((namespace, name), None)
        for subject in binding.subjects if binding else ():
            found = self._by_subject.get((namespace, subject))
            if found is not None:
                found.pop(name, None)
                if not found:
                    del self._by_subject[namespace, subject]

    def clear(self) -> None:
        self._bindings.clear()
        self._by_subject.clear()


class Rbac:
    def __init__(self) -> None:
        self._roles, self._cluster_roles = _Roles(), _Roles()
        self._bindings, self._cluster_bindings = _Bindings(), _Bindings()

    def follow(self, store: Store) -> None:
        """Read all roles and bindings and hear of every change from now on."""
        follow_resource(store, ROLES, self._roles)
        follow_resource(store, CLUSTERROLES, self._cluster_roles)
        follow_resource(store, ROLEBINDINGS, self._bindings)
        follow_resource(store, CLUSTERROLEBINDINGS, self._cluster_bindings)

    def rules_of(self, kind: str, namespace: str, name: str) -> list[Object] | None:
        """The rules of a role, None when there is no such role."""
        return self._cluster_roles.rules.get(("", name)) if kind == "ClusterRole" else self._roles.rules.get((namespace, name))

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """Every rule the user has in the namespace ("" for the cluster's), cluster-wide ones first; of the namespace's, MOST_RULES."""
        subjects = list(_subjects_of(user))
        yield from self._bound("", self._cluster_bindings, subjects)
        if namespace:
            yield from islice(self._bound(namespace, self._bindings, subjects), MOST_RULES)

    def _bound(self, scope: str, bindings: _Bindings, subjects: Sequence[_Subject]) -> Iterator[Grant]:
        """The rules of each role once, however often it is bound."""
        seen: set[tuple[str, str]] = set()
        for subject in subjects:
            for binding in bindings.of(scope, subject):
                role = binding.role_kind, binding.role
                if role not in seen:
                    seen.add(role)
                    for rule in self.rules_of(binding.role_kind, scope, binding.role) or ():
                        yield Grant(rule, binding, subject)

    def allowed(self, asked: Attributes) -> Grant | None:
        found = (grant for grant in self.grants(asked.user, asked.namespace) if allows(grant.rule, asked))
        return next(found, None)


def _binding(namespace: str, name: str, value: Object) -> Binding:
    role = value["roleRef"]
    subjects = tuple(_subject(subject, namespace) for subject in value.get("subjects") or ())
    return Binding(name, namespace, role["kind"], role["name"], subjects)


def _subject(subject: Object, scope: str) -> _Subject:
    if subject["kind"] == "ServiceAccount":
        return "ServiceAccount", f"{subject['name']}/{subject.get('namespace') or scope}"
    return subject["kind"], subject["name"]


def _subjects_of(user: User) -> Iterator[_Subject]:
    yield "User", user.name
    for group in user.groups:
        yield "Group", group
    if user.name.startswith(SERVICE_ACCOUNT_PREFIX):
        namespace, _, name = user.name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
        yield "ServiceAccount", f"{name}/{namespace}"
