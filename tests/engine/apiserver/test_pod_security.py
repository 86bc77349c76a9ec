"""What the labels of a namespace let its pods do, for people with ordinary rights."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.admission.pod_security import existing
from pilothouse.engine.apiserver.admission.pod_security.policy import Level
from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod

NAMESPACE = "/api/v1/namespaces/default"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
LABEL = "pod-security.kubernetes.io/"
CAREFUL = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture
async def anna(api: Api) -> Api:
    """Somebody who may edit the namespace and nothing else."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "anna"}]
    await api.post(BINDINGS, {"metadata": {"name": "anna"}, "roleRef": role, "subjects": subjects})
    return api.as_user("anna")


async def label(api: Api, **labels: str) -> Any:
    named = {LABEL + name.replace("_", "-"): value for name, value in labels.items()}
    return await api.patch(NAMESPACE, {"metadata": {"labels": named}})


def risky(name: str, **security: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "securityContext": security}]}}


def deployment(name: str, template: Object) -> Object:
    labels = {"app": name}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": template["spec"]}}
    return {"metadata": {"name": name}, "spec": spec}


async def test_a_pod_beyond_the_enforced_level_is_refused_by_its_first_word(api: Api, anna: Api) -> None:
    await anna.post(PODS, risky("before", privileged=True))
    await label(api, enforce="baseline")
    error = await anna.refused("POST", PODS, risky("p", privileged=True))
    why = 'violates PodSecurity "baseline:latest": privileged (container "c" must not set securityContext.privileged=true)'
    assert (error.code, error.message) == (403, f'pods "p" is forbidden: {why}')
    await anna.post(PODS, pod("q"))


async def test_the_platforms_own_administrators_are_not_exempt(api: Api) -> None:
    await label(api, enforce="baseline")
    assert (await api.refused("POST", PODS, risky("p", privileged=True))).code == 403


async def test_restricted_lets_in_a_pod_that_takes_every_precaution(api: Api, anna: Api) -> None:
    await label(api, enforce="restricted")
    assert (await anna.refused("POST", PODS, pod("p"))).code == 403
    await anna.post(PODS, risky("q", **CAREFUL))


async def test_a_version_pins_the_rules(api: Api, anna: Api) -> None:
    await label(api, enforce="restricted", enforce_version="v1.22")
    await anna.post(PODS, risky("p", **CAREFUL, runAsUser=0))
    await label(api, enforce_version="v1.23")
    assert (
        'violates PodSecurity "restricted:v1.23": runAsUser=0'
        in (await anna.refused("POST", PODS, risky("q", **CAREFUL, runAsUser=0))).message
    )


async def test_a_deployment_is_warned_of_and_made_all_the_same(api: Api, anna: Api, warned: list[str]) -> None:
    await label(api, enforce="baseline")
    await anna.post(DEPLOYMENTS, deployment("d", risky("p", privileged=True)))
    (text,) = warned
    assert text.startswith('would violate PodSecurity "baseline:latest": privileged')


async def test_a_pod_may_be_labelled_though_its_level_has_risen(api: Api, anna: Api) -> None:
    await anna.post(PODS, risky("p", privileged=True))
    await label(api, enforce="baseline")
    await anna.patch(f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}})
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "other"}]
    error = await anna.refused("PATCH", f"{PODS}/p", image, "application/json-patch+json")
    assert (error.code, "privileged" in error.message) == (403, True)


async def test_a_rising_level_warns_of_the_pods_that_are_there(api: Api, anna: Api, warned: list[str]) -> None:
    for name in ("a", "b"):
        await anna.post(PODS, risky(name, privileged=True))
    await anna.post(PODS, risky("fine", **CAREFUL))
    await label(api, enforce="baseline")
    assert warned == [
        'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 1 other pod): privileged",
    ]


async def test_labels_that_mean_nothing_are_refused(api: Api) -> None:
    error = await label_refused(api, "enforce", "frob")
    assert error == 'Invalid value: "frob": must be one of privileged, baseline, restricted'
    assert await label_refused(api, "warn-version", "v2.1") == 'Invalid value: "v2.1": must be "latest" or "v1.x"'
    bad = {"metadata": {"name": "n", "labels": {f"{LABEL}audit": "frob"}}}
    assert (await api.refused("POST", "/api/v1/namespaces", bad)).code == 422


async def label_refused(api: Api, name: str, value: str) -> str:
    error = await api.refused("PATCH", NAMESPACE, {"metadata": {"labels": {LABEL + name: value}}}, "application/merge-patch+json")
    assert error.code == 422
    assert error.details is not None
    text: str = error.details["causes"][0]["message"]
    return text


def test_of_many_pods_the_first_of_each_owner_are_looked_at_first() -> None:
    owned = {"ownerReferences": [{"uid": "u", "controller": True}]}
    pods = [{"metadata": {"name": f"r{number}"} | owned, "spec": {"hostPID": True}} for number in range(2)]
    pods.append({"metadata": {"name": "other"}, "spec": {"hostPID": True}})
    assert existing.warnings("n", Level("baseline"), pods, 6) == [
        "new PodSecurity enforce level only checked against the first 3 of 6 existing pods",
        'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
        "other (and 2 other pods): host namespaces",
    ]
