"""Who may do what."""

import pytest

from pilothouse.engine.apiserver.identity import ANONYMOUS
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
REF = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}


async def grant(api: Api, user: str, *rules: dict[str, list[str]]) -> None:
    await api.post(f"{RBAC}/roles", {"metadata": {"name": "r"}, "rules": list(rules)})
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
    await api.post(f"{RBAC}/rolebindings", {"metadata": {"name": "b"}, "roleRef": REF, "subjects": subjects})


async def test_nobody_may_do_anything_without_a_role(api: Api) -> None:
    error = await api.as_user("jane").refused("GET", CONFIGMAPS)
    assert error.code == 403
    assert (
        error.message == 'configmaps is forbidden: User "jane" cannot list resource "configmaps" in API group "" in the namespace "default"'
    )


async def test_a_role_counts_from_the_moment_it_is_bound_to_the_moment_it_is_gone(api: Api) -> None:
    jane = api.as_user("jane")
    await grant(api, "jane", {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]})
    assert await jane.names(CONFIGMAPS) == []
    await api.delete(f"{RBAC}/rolebindings/b")
    assert (await jane.refused("GET", CONFIGMAPS)).code == 403


async def test_a_right_to_one_name_lets_a_user_list_that_name(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    await grant(api, "jane", {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["list"]})
    jane = api.as_user("jane")
    assert await jane.names(CONFIGMAPS, fieldSelector="metadata.name=a") == ["a"]
    assert (await jane.refused("GET", CONFIGMAPS)).code == 403


async def test_nobody_grants_what_he_does_not_have(api: Api) -> None:
    await grant(api, "jane", {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]})
    role = {"metadata": {"name": "new"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}
    error = await api.as_user("jane").refused("POST", f"{RBAC}/roles", role)
    assert error.code == 403
    assert "attempting to grant RBAC permissions not currently held" in error.message


async def test_aggregated_roles_follow_what_they_are_made_of(api: Api) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    rule = {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    await api.post(roles, {"metadata": {"name": "things", "labels": labels}, "rules": [rule]})
    for name in ("view", "edit", "admin"):
        assert rule in (await api.get(f"{roles}/{name}"))["rules"]
    await api.delete(f"{roles}/things")
    assert rule not in (await api.get(f"{roles}/admin"))["rules"]


async def test_a_bound_token_dies_with_its_pod(api: Api) -> None:
    pods = "/api/v1/namespaces/default/pods"
    await api.post(pods, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "p"}
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token = (await api.post(path, {"spec": {"boundObjectRef": reference}}))["status"]["token"]
    reviews, review = "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}}
    status = (await api.post(reviews, review))["status"]
    assert status["authenticated"]
    assert status["user"]["username"] == "system:serviceaccount:default:default"
    await api.delete(f"{pods}/p")
    assert not (await api.post(reviews, review))["status"].get("authenticated")


async def test_a_token_is_good_for_its_audiences_only(api: Api) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token = (await api.post(path, {"spec": {"audiences": ["a"]}}))["status"]["token"]
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    assert (await api.post(reviews, {"spec": {"token": token, "audiences": ["a", "b"]}}))["status"]["audiences"] == ["a"]
    assert not (await api.post(reviews, {"spec": {"token": token}}))["status"].get("authenticated")


@pytest.mark.parametrize("path", ["/version", "/healthz", "/livez", "/readyz"])
async def test_anybody_may_ask_for_health_and_version(api: Api, path: str) -> None:
    assert await Api(api.server, ANONYMOUS).get(path)
    assert (await Api(api.server, ANONYMOUS).refused("GET", "/api")).code == 403


async def test_a_dying_namespace_gives_no_tokens_whether_its_accounts_are_there_or_not(api: Api) -> None:
    await api.post("/api/v1/namespaces", {"metadata": {"name": "n", "finalizers": ["example.com/f"]}})
    await api.delete("/api/v1/namespaces/n")
    error = await api.refused("POST", "/api/v1/namespaces/n/serviceaccounts/default/token", {"spec": {}})
    assert (error.code, error.details["causes"][0]["reason"]) == (403, "NamespaceTerminating")  # type: ignore[index]
