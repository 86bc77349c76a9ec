"""Roles against what is used of them: what the cluster's own parts do is recorded (see tests/uses.py), and no role grants more.

Roles that have upstream's names have upstream's rules, since people bind them to programs of their own; what nobody of ours uses of
them is kept in a list, so that a role cannot grow, or lose its only user, unseen.
"""

from collections.abc import Iterable
from pathlib import Path

from pilothouse.engine.apiserver.authz.rules import broken_down
from pilothouse.engine.apiserver.bootstrap import bindings
from pilothouse.engine.apiserver.bootstrap import roles as bootstrap_roles
from pilothouse.model.json import Object
from pilothouse.platform import rights
from tests.uses import Use, recorded

UNUSED = Path(__file__).parent / "unused.txt"
OF_OURS = ("pilothouse:", "system:cluster-dns")
_GROUPS = {"Group:system:cluster-dns": "system:kube-proxy", "Group:system:nodes": "system:node:*"}
_EVERYBODYS = ("system:discovery", "system:basic-user", "system:public-info-viewer", "system:service-account-issuer-discovery")
_NAMED_ONLY = {
    ("system:gateway", "secrets"),
    *((rights.account(part), "secrets") for part in (rights.APPS, rights.BUILDS, rights.DATABASES, rights.BINDINGS)),
}
"""Reads that no role grants: the API server allows them one Secret at a time."""

Grant = tuple[str, str, str, str]
"""Role, verb, resource as `Use` has it, namespace ("" for a role that is good for all)."""


def _roles() -> dict[tuple[str, str], Object]:
    found = [*bootstrap_roles.cluster_roles(), *bootstrap_roles.roles(), *rights.cluster_roles()]
    return {(role["metadata"].get("namespace", ""), role["metadata"]["name"]): role for role in found}


def _holders() -> Iterable[tuple[str, tuple[str, str]]]:
    """Identity, and a role that it holds."""
    found = [*bindings.cluster_role_bindings(), *bindings.role_bindings(), *rights.cluster_role_bindings()]
    for binding in found:
        namespace = binding["metadata"].get("namespace", "")
        for subject in binding.get("subjects") or ():
            yield _identity(subject), (namespace, binding["roleRef"]["name"])


def _identity(subject: Object) -> str:
    if subject["kind"] == "ServiceAccount":
        return f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    return str(_GROUPS.get(f"{subject['kind']}:{subject['name']}", subject["name"]))


def _grants(place: tuple[str, str], role: Object) -> set[Grant]:
    namespace, name = place
    singles = (single for rule in role["rules"] for single in broken_down(rule) if "apiGroups" in single)
    return {(name, each["verbs"][0], _resource(each["apiGroups"][0], each["resources"][0]), namespace) for each in singles}


def _resource(group: str, resource: str) -> str:
    plural, _, subresource = resource.partition("/")
    return f"{plural}.{group}".rstrip(".") + (f"/{subresource}" if subresource else "")


def _covers(grant: Grant, use: Use) -> bool:
    _, verb, resource, namespace = grant
    _, used_verb, used_resource, used_namespace = use
    is_of_any = resource.startswith("*.*/") and used_resource.endswith(resource.removeprefix("*.*"))
    is_of_group = resource.startswith("*.") and used_resource.partition(".")[2].partition("/")[0] == resource.removeprefix("*.")
    return verb == used_verb and (is_of_any or is_of_group or resource in ("*.*", used_resource)) and namespace in ("", used_namespace)


def _unused() -> set[Grant]:
    """What the roles of parts that work here grant, and nobody who holds them uses."""
    used = recorded()
    working = {use[0] for use in used}
    roles, found = _roles(), set[Grant]()
    for identity, place in _holders():
        if identity in working and place[1] not in _EVERYBODYS:
            mine = [use for use in used if use[0] == identity]
            found |= {grant for grant in _grants(place, roles[place]) if not any(_covers(grant, use) for use in mine)}
    return found


def test_our_own_roles_grant_nothing_that_nobody_uses() -> None:
    assert not sorted(grant for grant in _unused() if grant[0].startswith(OF_OURS))


def test_what_nobody_uses_of_upstreams_roles_is_known() -> None:
    unused = {" | ".join(grant).rstrip(" |") for grant in _unused() if not grant[0].startswith(OF_OURS)}
    known = set(UNUSED.read_text().splitlines())
    assert (sorted(unused - known), sorted(known - unused)) == ([], [])


def test_whatever_is_used_is_granted() -> None:
    roles, lacking = _roles(), []
    held: dict[str, set[Grant]] = {}
    for identity, place in _holders():
        held.setdefault(identity, set()).update(_grants(place, roles[place]))
    for use in recorded():
        if use[0] == "system:node:*" or (use[0], use[2]) in _NAMED_ONLY:
            continue
        if not any(_covers(grant, use) for grant in held.get(use[0], ())):
            lacking.append(use)
    assert not lacking


def test_every_part_is_seen_at_work() -> None:
    """Else nothing is known of what it needs."""
    absent = {identity for identity, (_, role) in _holders() if role.startswith(("pilothouse:", "system:controller:"))}
    assert absent - {use[0] for use in recorded()} - {"pilothouse:admins", *NOT_RUN, *NOT_COUNTED} == set()


NOT_RUN = {
    "system:serviceaccount:kube-system:resourcequota-controller",
    "system:serviceaccount:kube-system:clusterrole-aggregation-controller",
}
"""Upstream's roles for what the API server does by itself here."""
NOT_COUNTED = {"system:bootstrappers:pilothouse:node", "kube-apiserver-kubelet-client", "system:authenticated"}
"""Who has nothing but a bootstrap token is not counted among the cluster's parts, the API server asks nodes and not itself, and
everybody who has signed in may know the names of the schedulers."""
