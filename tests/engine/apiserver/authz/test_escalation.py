"""Nobody comes to rights that he was not given, whichever way he tries: signed in as himself, over TLS."""

from typing import Any

import pytest

from pilothouse.client.transport import MERGE_PATCH
from pilothouse.engine.apiserver.authz.rbac import MOST_RULES
from pilothouse.engine.apiserver.identity import User
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import GROUP, RBAC, Https, bind, grant, rule

SECRETS = "/api/v1/namespaces/default/secrets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


@pytest.fixture
async def jane(api: Api, https: Https) -> Api:
    """May write roles and bindings, and view the rest."""
    await grant(api, "jane", rule("create update patch", "clusterroles clusterrolebindings roles rolebindings", GROUP))
    await bind(api, "jane", "view")
    return https.certified("jane")


async def test_a_label_does_not_carry_a_role_into_one_that_is_bound(api: Api, jane: Api) -> None:
    labels = {"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}}
    error = await jane.refused("PATCH", f"{RBAC}/clusterroles/cluster-admin", labels, MERGE_PATCH)
    assert "attempting to grant RBAC permissions not currently held" in error.message
    assert (await jane.refused("GET", SECRETS)).code == 403


async def test_an_aggregated_role_is_changed_only_by_who_may_do_everything(api: Api, jane: Api) -> None:
    gathers = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    await api.post(f"{RBAC}/clusterroles", {"metadata": {"name": "sum"}, "aggregationRule": gathers})
    for change in ({"aggregationRule": None}, {"metadata": {"labels": {"x": "y"}}}):
        assert (await jane.refused("PATCH", f"{RBAC}/clusterroles/sum", change, MERGE_PATCH)).code == 403


async def test_a_role_that_is_covered_may_be_changed(api: Api, jane: Api) -> None:
    await api.post(f"{RBAC}/clusterroles", {"metadata": {"name": "r"}, "rules": [rule("get", "pods")]})
    changed = await jane.patch(f"{RBAC}/clusterroles/r", {"metadata": {"labels": {"x": "y"}}})
    assert changed["metadata"]["labels"] == {"x": "y"}


async def test_the_garbage_collectors_fields_need_no_rights_of_the_role(api: Api, jane: Api) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    changed = await jane.patch(f"{RBAC}/clusterroles/cluster-admin", {"metadata": {"ownerReferences": [owner]}})
    assert changed["metadata"]["ownerReferences"] == [owner]


async def test_a_binding_is_checked_at_every_change(api: Api, jane: Api) -> None:
    relabelled = {"metadata": {"labels": {"x": "y"}}}
    assert (await jane.refused("PATCH", f"{RBAC}/clusterrolebindings/cluster-admin", relabelled, MERGE_PATCH)).code == 403
    assert await jane.patch(f"{RBAC}/clusterrolebindings/jane-has-view", relabelled)


@pytest.mark.parametrize("plural", ["leases", "endpoints", "services", "limitranges", "roles", "rolebindings"])
async def test_an_update_of_what_is_not_there_needs_the_right_to_create(api: Api, https: Https, plural: str) -> None:
    group = {"leases": "coordination.k8s.io", "roles": GROUP, "rolebindings": GROUP}.get(plural, "")
    await grant(api, "writer", rule("get update", plural, group))
    base = f"/apis/{group}/v1" if group else "/api/v1"
    error = await https.certified("writer").refused("PUT", f"{base}/namespaces/default/{plural}/x", {"metadata": {"name": "x"}})
    assert error.code == 403
    assert f'User "writer" cannot create resource "{plural}"' in error.message


async def test_an_update_creates_for_who_may(api: Api, https: Https) -> None:
    await grant(api, "writer", rule("update create", "leases", "coordination.k8s.io"))
    made = await https.certified("writer").put(f"{LEASES}/x", {"metadata": {"name": "x"}, "spec": {}})
    assert made["metadata"]["uid"]


async def test_a_role_of_too_many_combinations_is_refused_at_once(api: Api, jane: Api) -> None:
    many: Any = [f"x{number}" for number in range(60)]
    wide = {"metadata": {"name": "wide"}, "rules": [{"apiGroups": many, "resources": many, "verbs": many}]}
    error = await jane.refused("POST", f"{RBAC}/namespaces/default/roles", wide)
    assert error.code == 422
    assert "216000 combinations" in error.message


async def test_a_role_that_is_bound_again_and_again_counts_once(api: Api, https: Https) -> None:
    """Whoever has `admin` in a namespace may write roles and bindings there, and makes nobody's requests dear by that."""
    await bind_in_default(api, "boss", "boss", "ClusterRole", "admin")
    boss = https.certified("boss")
    rules = [rule("get", "pods") | {"resourceNames": [f"n{number}"]} for number in range(3_000)]
    await boss.post(f"{RBAC}/namespaces/default/roles", {"metadata": {"name": "large"}, "rules": rules})
    for number in range(30):
        await bind_in_default(api, f"again-{number}", "other", "Role", "large")
    grants = api.server.backend.authorizer.rbac.grants
    other = https.certified("other")
    assert sum(1 for grant in grants(User("other"), "default") if grant.binding.role == "large") == 3_000
    assert (await other.refused("GET", SECRETS)).code == 403
    review = await other.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
    assert len(review["status"]["resourceRules"]) > 3_000


async def test_so_many_rules_of_a_namespace_are_looked_at_and_shown(api: Api, https: Https) -> None:
    rules = [rule("get", "pods") | {"resourceNames": [f"n{number}"]} for number in range(7_000)]
    for number in range(4):
        await api.post(f"{RBAC}/namespaces/default/roles", {"metadata": {"name": f"r{number}"}, "rules": rules})
        await bind_in_default(api, f"b{number}", "other", "Role", f"r{number}")
    found = [grant for grant in api.server.backend.authorizer.rbac.grants(User("other"), "default") if grant.binding.scope]
    assert len(found) == MOST_RULES
    other = https.certified("other")
    review = await other.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
    assert review["status"]["incomplete"] is True
    assert len(review["status"]["resourceRules"]) < 7_000


async def bind_in_default(admin: Api, name: str, user: str, kind: str, role: str) -> None:
    subject = {"apiGroup": GROUP, "kind": "User", "name": user}
    reference = {"apiGroup": GROUP, "kind": kind, "name": role}
    await admin.post(f"{RBAC}/namespaces/default/rolebindings", {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference})
