"""Resources of a pod that is there are changed through `pods/resize`: who may, what, and what else may not change on that way."""

from copy import deepcopy
from typing import Any

import pytest

from pilothouse.client.transport import JSON_PATCH, STRATEGIC_PATCH
from pilothouse.engine.apiserver.kinds.pod_validation.annotations import MIRROR
from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod

POD = f"{PODS}/p"
RESIZE = f"{POD}/resize"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
GROUP = "rbac.authorization.k8s.io"
BEFORE: Object = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}


def sized(name: str = "p", **more: Any) -> Object:
    return pod(name, containers=[{"name": "main", "image": "i", "resources": deepcopy(BEFORE)}], **more)


def to(name: str = "main", kind: str = "containers", **resources: Object) -> Object:
    return {"spec": {kind: [{"name": name, "resources": resources}]}}


@pytest.fixture
async def anna(api: Api) -> Api:
    """Somebody who may resize pods and look at them."""
    rules = [
        {"apiGroups": [""], "resources": ["pods/resize"], "verbs": ["get", "patch", "update"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]
    await api.post(f"{RBAC}/roles", {"metadata": {"name": "resize"}, "rules": rules})
    role, subjects = {"apiGroup": GROUP, "kind": "Role", "name": "resize"}, [{"apiGroup": GROUP, "kind": "User", "name": "anna"}]
    await api.post(f"{RBAC}/rolebindings", {"metadata": {"name": "anna"}, "roleRef": role, "subjects": subjects})
    await api.post(PODS, sized())
    return api.as_user("anna")


async def test_resources_are_changed_as_kubectl_does_it_and_count_as_a_new_generation(anna: Api) -> None:
    found = await anna.patch(RESIZE, to(requests={"cpu": "150m"}, limits={"memory": "128Mi"}), STRATEGIC_PATCH)
    assert found["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "150m", "memory": "32Mi"},
        "limits": {"cpu": "200m", "memory": "128Mi"},
    }
    assert found["metadata"]["generation"] == 2
    assert await anna.get(RESIZE) == await anna.get(POD)
    again = await anna.patch(RESIZE, to(requests={"cpu": "150m"}), STRATEGIC_PATCH)
    assert again["metadata"]["generation"] == 2


async def test_the_right_is_one_of_its_own(api: Api, anna: Api) -> None:
    assert (await anna.refused("PATCH", POD, {"metadata": {"labels": {"a": "b"}}})).code == 403
    assert (await api.as_user("ben").refused("PATCH", RESIZE, to(limits={"cpu": "1"}), STRATEGIC_PATCH)).code == 403


async def test_a_node_does_not_resize_its_pods(api: Api) -> None:
    await api.post(PODS, sized("mine", nodeName="n1"))
    node = api.as_user("system:node:n1", "system:nodes")
    assert (await node.refused("PATCH", f"{PODS}/mine/resize", to(limits={"cpu": "1"}), STRATEGIC_PATCH)).code == 403


async def test_nothing_else_changes_on_that_way(anna: Api) -> None:
    before = deepcopy(await anna.get(POD))
    wanted = deepcopy(before)
    wanted["metadata"]["labels"] = {"a": "b"}
    wanted["spec"]["containers"][0] |= {"image": "other", "resources": BEFORE | {"limits": {"cpu": "300m", "memory": "64Mi"}}}
    found = await anna.put(RESIZE, wanted)
    assert found["spec"]["containers"][0] == before["spec"]["containers"][0] | {"resources": wanted["spec"]["containers"][0]["resources"]}
    assert found["metadata"].get("labels") == before["metadata"].get("labels")


async def test_the_pod_itself_is_not_the_way(api: Api, anna: Api) -> None:
    assert "pod updates may not change fields" in (await api.refused("PATCH", POD, to(limits={"cpu": "1"}), STRATEGIC_PATCH)).message


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        (to(requests={"cpu": "200m", "memory": "64Mi"}), "Pod QOS Class may not change as a result of resizing"),
        (to(requests={"cpu": "300m"}), "must be less than or equal to cpu limit of 200m"),
        (to(limits={"memory": None}), "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"),
        (to(limits={"ephemeral-storage": "1Gi"}), "spec.containers[0].resources: Forbidden: only cpu and memory resources are mutable"),
        ({"spec": {"resources": {"limits": {"cpu": "1"}}}}, "spec.resources: Forbidden"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(anna: Api, patch: Object, told: str) -> None:
    error = await anna.refused("PATCH", RESIZE, patch, STRATEGIC_PATCH)
    assert (error.code, told in error.message) == (422, True), error.message


@pytest.mark.parametrize(
    "names", [["main", "new"], ["second", "main"], ["main"], ["main", "second", "new"]], ids=lambda names: "-".join(names)
)
async def test_containers_are_neither_renamed_nor_reordered_added_or_removed(api: Api, names: list[str]) -> None:
    two = [{"name": name, "image": "i", "resources": deepcopy(BEFORE)} for name in ("main", "second")]
    made = await api.post(PODS, pod("q", containers=two))
    first = made["spec"]["containers"][0]
    wanted = made | {"spec": made["spec"] | {"containers": [first | {"name": name} for name in names]}}
    error = await api.refused("PUT", f"{PODS}/q/resize", wanted)
    told = "spec.containers: Forbidden: containers may not be renamed or reordered on resize"
    assert (error.code, told in error.message) == (422, True), error.message


async def test_no_init_container_comes_on_that_way(anna: Api) -> None:
    found = await anna.get(POD)
    added = found["spec"] | {"initContainers": [{"name": "new", "image": "i"}]}
    assert "spec.initContainers: Forbidden" in (await anna.refused("PUT", RESIZE, found | {"spec": added})).message


async def test_sidecars_are_resized_and_other_init_containers_are_not(api: Api) -> None:
    inits = [
        {"name": "side", "image": "i", "restartPolicy": "Always", "resources": deepcopy(BEFORE)},
        {"name": "init", "image": "i", "resources": deepcopy(BEFORE)},
    ]
    await api.post(PODS, sized("q", initContainers=inits))
    found = await api.patch(f"{PODS}/q/resize", to("side", "initContainers", limits={"cpu": "300m"}), STRATEGIC_PATCH)
    assert found["spec"]["initContainers"][0]["resources"]["limits"]["cpu"] == "300m"
    error = await api.refused("PATCH", f"{PODS}/q/resize", to("init", "initContainers", limits={"cpu": "300m"}), STRATEGIC_PATCH)
    assert "spec.initContainers[1].resources: Forbidden: resources for non-sidecar init containers are immutable" in error.message


async def test_resources_of_a_pod_as_a_whole_stay(api: Api) -> None:
    whole = pod("w", containers=[{"name": "main", "image": "i"}], resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    await api.post(PODS, whole)
    patch = [{"op": "replace", "path": "/spec/resources/limits/cpu", "value": "2"}]
    error = await api.refused("PATCH", f"{PODS}/w/resize", patch, JSON_PATCH)
    assert "spec.resources: Forbidden: resources of a pod as a whole cannot be changed while it runs" in error.message


async def test_quotas_and_limit_ranges_hold_for_it(api: Api, anna: Api) -> None:
    here = "/api/v1/namespaces/default"
    await api.post(f"{here}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"limits.cpu": "500m"}}})
    error = await anna.refused("PATCH", RESIZE, to(limits={"cpu": "600m"}), STRATEGIC_PATCH)
    assert (error.code, "exceeded quota: q, requested: limits.cpu=400m" in error.message) == (403, True), error.message
    limit = {"type": "Container", "max": {"memory": "100Mi"}, "default": {"memory": "90Mi"}}
    await api.post(f"{here}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    error = await anna.refused("PATCH", RESIZE, to(limits={"memory": "128Mi"}), STRATEGIC_PATCH)
    assert (error.code, "maximum memory usage per Container is 100Mi" in error.message) == (403, True), error.message
    await anna.patch(RESIZE, to(limits={"cpu": "400m", "memory": "80Mi"}), STRATEGIC_PATCH)


async def test_static_pods_are_not_resized(api: Api) -> None:
    mirrored = sized("m", nodeName="n")
    mirrored["metadata"]["annotations"] = {MIRROR: "hash"}
    await api.post(PODS, mirrored)
    error = await api.refused("PATCH", f"{PODS}/m/resize", to(limits={"cpu": "300m"}), STRATEGIC_PATCH)
    assert "static pods cannot be resized" in error.message


async def test_a_request_that_no_limit_stands_in_for_is_not_removed(api: Api) -> None:
    asks: Object = {"requests": {"cpu": "100m", "memory": "32Mi"}}
    await api.post(PODS, pod("q", containers=[{"name": "main", "image": "i", "resources": asks}]))
    error = await api.refused("PATCH", f"{PODS}/q/resize", to(requests={"memory": None}), STRATEGIC_PATCH)
    assert "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed" in error.message
