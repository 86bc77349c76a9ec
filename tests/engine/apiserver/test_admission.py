"""What is filled in or refused because of other objects."""

import asyncio
from copy import deepcopy
from typing import Any

import pytest

from pilothouse.model.json import Object
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, configmap, pod

QUOTAS = "/api/v1/namespaces/default/resourcequotas"


async def test_nothing_is_created_in_a_namespace_that_is_not_there(api: Api) -> None:
    error = await api.refused("POST", "/api/v1/namespaces/none/configmaps", configmap("a"))
    assert (error.code, error.message) == (404, 'namespaces "none" not found')


async def test_nothing_is_created_in_a_dying_namespace(api: Api) -> None:
    await api.post("/api/v1/namespaces", {"metadata": {"name": "n"}})
    await api.delete("/api/v1/namespaces/n")
    error = await api.refused("POST", "/api/v1/namespaces/n/configmaps", configmap("a"))
    assert error.code == 403
    assert error.details is not None
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"


async def test_the_systems_own_namespaces_stay(api: Api) -> None:
    assert (await api.refused("DELETE", "/api/v1/namespaces/kube-system")).code == 403


async def test_a_pod_gets_a_token_of_its_service_account(api: Api) -> None:
    spec = (await api.post(PODS, pod("p")))["spec"]
    assert spec["serviceAccountName"] == "default"
    volume = next(each for each in spec["volumes"] if each["name"].startswith("kube-api-access-"))
    assert [next(iter(source)) for source in volume["projected"]["sources"]] == ["serviceAccountToken", "configMap", "downwardAPI"]
    assert spec["containers"][0]["volumeMounts"][0]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"


async def test_a_pod_may_do_without_a_token(api: Api) -> None:
    assert "volumes" not in (await api.post(PODS, pod("p", automountServiceAccountToken=False)))["spec"]


async def test_a_pod_needs_a_service_account_that_exists(api: Api) -> None:
    error = await api.refused("POST", PODS, pod("p", serviceAccountName="none"))
    assert error.message.endswith('serviceaccount "none" not found')


async def test_a_pod_of_a_namespace_made_just_now_waits_for_the_default_account(api: Api) -> None:
    await api.post("/api/v1/namespaces", {"metadata": {"name": "new"}})
    made = asyncio.ensure_future(api.post("/api/v1/namespaces/new/pods", pod("p")))
    await asyncio.sleep(0.1)
    assert not made.done()
    await api.post("/api/v1/namespaces/new/serviceaccounts", {"metadata": {"name": "default"}})
    assert (await made)["spec"]["serviceAccountName"] == "default"


async def test_a_pod_without_a_default_account_is_refused_in_the_end(api: Api) -> None:
    await api.post("/api/v1/namespaces", {"metadata": {"name": "new"}})
    assert (await api.refused("POST", "/api/v1/namespaces/new/pods", pod("p"))).message.endswith('serviceaccount "default" not found')


async def test_a_pods_priority_is_its_class(api: Api) -> None:
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    await api.post(classes, {"metadata": {"name": "high"}, "value": 1000})
    assert (await api.post(PODS, pod("p", priorityClassName="high")))["spec"]["priority"] == 1000
    assert "no PriorityClass with name low" in (await api.refused("POST", PODS, pod("q", priorityClassName="low"))).message


async def test_an_update_that_leaves_the_priority_out_keeps_it(api: Api) -> None:
    made = deepcopy(await api.post(PODS, pod("p")))
    assert (made["spec"].pop("priority"), made["spec"].pop("preemptionPolicy")) == (0, "PreemptLowerPriority")
    kept = (await api.put(f"{PODS}/p", made))["spec"]
    assert (kept["priority"], kept["preemptionPolicy"]) == (0, "PreemptLowerPriority")


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"serviceAccountName": "default"}, "a mirror pod may not reference service accounts"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "a mirror pod may not reference secrets"),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
    ],
)
async def test_a_pod_of_a_file_refers_to_nothing(api: Api, spec: Object, wanted: str) -> None:
    mirror = pod("p", nodeName="n", **spec)
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    error = await api.refused("POST", PODS, mirror)
    assert (error.code, error.message) == (403, f'pods "p" is forbidden: {wanted}')


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, ""),
        ({"volumes": [{"name": "v", "secret": {"secretName": "known"}}]}, ""),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, 'volume with secret.secretName="s" is not allowed because'),
        ({"imagePullSecrets": [{"name": "s"}]}, 'imagePullSecrets[0].name="s" is not allowed because'),
        (
            {"containers": [{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "s"}}]}]},
            'container c with envFrom referencing secret.secretName="s" is not allowed because',
        ),
    ],
)
async def test_an_account_may_keep_its_pods_to_its_own_secrets(api: Api, spec: Object, wanted: str) -> None:
    notes = {"kubernetes.io/enforce-mountable-secrets": "true"}
    account = {"metadata": {"name": "a", "annotations": notes}, "secrets": [{"name": "known"}]}
    await api.post("/api/v1/namespaces/default/serviceaccounts", account)
    asked = pod("p", serviceAccountName="a", **spec)
    if wanted:
        assert wanted in (await api.refused("POST", PODS, asked)).message
    else:
        await api.post(PODS, asked)


async def test_a_ratio_needs_a_limit_and_a_request(api: Api) -> None:
    limit = {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}
    await api.post("/api/v1/namespaces/default/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    for resources, wanted in (
        ({}, "no request is specified or request is 0"),
        ({"requests": {"cpu": "1"}}, "no limit is specified or limit is 0"),
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "3"}}, "but provided ratio is 3.000000"),
    ):
        asked: Any = pod("p")
        asked["spec"]["containers"][0]["resources"] = resources
        assert wanted in (await api.refused("POST", PODS, asked)).message


async def test_what_several_containers_do_wrong_is_said_once(api: Api) -> None:
    limit = {"type": "Container", "min": {"cpu": "1"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}
    await api.post("/api/v1/namespaces/default/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    small = {"requests": {"cpu": "500m"}}
    asked = pod("p", containers=[{"name": name, "image": "i", "resources": small} for name in "ab"])
    why = "minimum cpu usage per Container is 1, but request is 500m"
    assert (await api.refused("POST", PODS, asked)).message == f'pods "p" is forbidden: {why}'


async def test_what_a_runtime_needs_is_not_held_against_a_limit(api: Api) -> None:
    runtime = {"metadata": {"name": "r"}, "handler": "runc", "overhead": {"podFixed": {"cpu": "1"}}}
    await api.post("/apis/node.k8s.io/v1/runtimeclasses", runtime)
    limit = {"type": "Pod", "max": {"cpu": "1"}}
    await api.post("/api/v1/namespaces/default/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    containers = [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}]
    made = await api.post(PODS, pod("p", runtimeClassName="r", containers=containers))
    assert made["spec"]["overhead"] == {"cpu": "1"}


async def test_containers_get_the_defaults_of_a_limit_range(api: Api) -> None:
    limit = {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "2"}}
    await api.post("/api/v1/namespaces/default/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    made = await api.post(PODS, pod("p"))
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}
    greedy: Any = pod("q")
    greedy["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "3"}}
    error = await api.refused("POST", PODS, greedy)
    assert "maximum cpu usage per Container is 2, but limit is 3" in error.message


async def test_racing_creates_do_not_overrun_a_quota(api: Api) -> None:
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "3"}}})
    creates = (api.post(CONFIGMAPS, configmap(f"c{number}")) for number in range(10))
    outcomes = await asyncio.gather(*creates, return_exceptions=True)
    assert sum(isinstance(outcome, dict) for outcome in outcomes) == 3
    assert len(await api.names(CONFIGMAPS)) == 3


async def test_an_exceeded_quota_says_what_was_asked_used_and_allowed(api: Api) -> None:
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "0"}}})
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    wanted = "exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=0, limited: count/configmaps=0"
    assert error.message == f'configmaps "a" is forbidden: {wanted}'


async def test_a_quotas_status_follows_what_is_used(api: Api) -> None:
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "5"}}})
    await api.post(CONFIGMAPS, configmap("a"))
    async with asyncio.timeout(5):
        while ((await api.get(f"{QUOTAS}/q")).get("status") or {}).get("used") != {"count/configmaps": "1"}:
            await asyncio.sleep(0.01)
