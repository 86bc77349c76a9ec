"""Containers that are added to a pod that is there: who may, which, and what else may not change on that way."""

from copy import deepcopy
from typing import Any

import pytest

from pilothouse.client.transport import APPLY_PATCH, JSON_PATCH, STRATEGIC_PATCH
from pilothouse.engine.apiserver.kinds.pod_validation.annotations import MIRROR
from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod

POD = f"{PODS}/p"
ADDING = f"{POD}/ephemeralcontainers"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
GROUP = "rbac.authorization.k8s.io"


def debugger(name: str = "debugger", **more: Any) -> Object:
    return {"name": name, "image": "tools", **more}


def adding(*containers: Object) -> Object:
    return {"spec": {"ephemeralContainers": list(containers)}}


@pytest.fixture
async def anna(api: Api) -> Api:
    """Somebody who may debug pods and look at them."""
    rules = [
        {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["get", "patch", "update"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "create"]},
    ]
    await api.post(f"{RBAC}/roles", {"metadata": {"name": "debug"}, "rules": rules})
    role, subjects = {"apiGroup": GROUP, "kind": "Role", "name": "debug"}, [{"apiGroup": GROUP, "kind": "User", "name": "anna"}]
    await api.post(f"{RBAC}/rolebindings", {"metadata": {"name": "anna"}, "roleRef": role, "subjects": subjects})
    await api.post(PODS, pod("p"))
    return api.as_user("anna")


async def test_a_container_is_added_as_kubectl_does_it_and_counts_as_a_new_generation(anna: Api) -> None:
    found = await anna.patch(ADDING, adding(debugger(targetContainerName="main")), STRATEGIC_PATCH)
    (added,) = found["spec"]["ephemeralContainers"]
    assert (added["targetContainerName"], added["terminationMessagePolicy"], added["imagePullPolicy"]) == ("main", "File", "Always")
    assert found["metadata"]["generation"] == 2
    found = await anna.patch(ADDING, adding(debugger("second")), STRATEGIC_PATCH)
    assert {each["name"] for each in found["spec"]["ephemeralContainers"]} == {"debugger", "second"}
    assert await anna.get(ADDING) == await anna.get(POD)


async def test_the_right_is_one_of_its_own(api: Api, anna: Api) -> None:
    """Neither whoever may edit pods has it, nor gives it any other right over them."""
    role, subjects = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "edit"}, [{"apiGroup": GROUP, "kind": "User", "name": "ed"}]
    await api.post(f"{RBAC}/rolebindings", {"metadata": {"name": "ed"}, "roleRef": role, "subjects": subjects})
    assert (await api.as_user("ed").refused("PATCH", ADDING, adding(debugger()), STRATEGIC_PATCH)).code == 403
    assert (await anna.refused("PATCH", POD, {"metadata": {"labels": {"a": "b"}}})).code == 403


async def test_nothing_else_changes_on_that_way(anna: Api) -> None:
    before = deepcopy(await anna.get(POD))
    sent = {
        "metadata": before["metadata"] | {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["e.f/g"]},
        "spec": before["spec"] | {"activeDeadlineSeconds": 5, "ephemeralContainers": [debugger()]},
        "status": {"phase": "Failed"},
    }
    sent["spec"]["containers"] = [before["spec"]["containers"][0] | {"image": "other"}]
    found = await anna.put(ADDING, sent)
    after = deepcopy(await anna.get(POD))
    assert found == after
    assert [each["name"] for each in after["spec"].pop("ephemeralContainers")] == ["debugger"]
    assert (after["spec"], after["status"]) == (before["spec"], before["status"])
    assert not {"labels", "annotations", "finalizers"} & after["metadata"].keys()
    (owned,) = [each["fieldsV1"] for each in after["metadata"]["managedFields"] if each.get("subresource") == "ephemeralcontainers"]
    assert owned.keys() == {"f:spec"}
    assert owned["f:spec"].keys() == {"f:ephemeralContainers"}


async def test_what_is_there_stays_as_it_is(anna: Api) -> None:
    await anna.patch(ADDING, adding(debugger()), STRATEGIC_PATCH)
    error = await anna.refused("PATCH", ADDING, [{"op": "remove", "path": "/spec/ephemeralContainers/0"}], JSON_PATCH)
    assert (error.code, 'existing ephemeral containers "debugger" may not be removed' in error.message) == (422, True)
    error = await anna.refused("PATCH", ADDING, adding(debugger(image="other")), STRATEGIC_PATCH)
    assert 'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debugger" may not be changed' in error.message


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"ports": [{"containerPort": 80}]}, "ports"),
        ({"resources": {"limits": {"cpu": "1"}}}, "resources"),
        ({"readinessProbe": {"exec": {"command": ["true"]}}}, "readinessProbe"),
        ({"lifecycle": {"preStop": {"exec": {"command": ["true"]}}}}, "lifecycle"),
        ({"restartPolicy": "Always"}, "restartPolicy"),
        ({"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}]}, "volumeMounts[0].subPath"),
        ({"targetContainerName": "nobody"}, "targetContainerName"),
        ({"name": "main"}, "name"),
        ({"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}, "volumeDevices[0].name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_it_cannot_have_is_refused_by_its_field(api: Api, anna: Api, more: Object, path: str) -> None:
    spec = pod("q", volumes=[{"name": "v", "emptyDir": {}}])
    await api.post(PODS, spec)
    error = await anna.refused("PATCH", f"{PODS}/q/ephemeralcontainers", adding(debugger() | more), STRATEGIC_PATCH)
    assert error.code == 422
    assert error.details is not None
    assert f"spec.ephemeralContainers[0].{path}" in [each["field"] for each in error.details["causes"]], error.message


async def test_a_pod_is_not_made_with_them_nor_changed_otherwise(anna: Api, api: Api) -> None:
    error = await anna.refused("POST", PODS, pod("q", ephemeralContainers=[debugger()]))
    assert "spec.ephemeralContainers: Forbidden: cannot be set on create" in error.message
    assert "pod updates may not change fields" in (await api.refused("PATCH", POD, adding(debugger()), STRATEGIC_PATCH)).message


async def test_the_level_of_the_namespace_holds_for_them(api: Api, anna: Api) -> None:
    await api.patch("/api/v1/namespaces/default", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}})
    error = await anna.refused("PATCH", ADDING, adding(debugger(securityContext={"privileged": True})), STRATEGIC_PATCH)
    assert (error.code, 'container "debugger" must not set securityContext.privileged=true' in error.message) == (403, True)
    await anna.patch(ADDING, adding(debugger()), STRATEGIC_PATCH)


async def test_static_pods_have_none(api: Api) -> None:
    mirrored = pod("m", nodeName="n")
    mirrored["metadata"]["annotations"] = {MIRROR: "hash"}
    await api.post(PODS, mirrored)
    error = await api.refused("PATCH", f"{PODS}/m/ephemeralcontainers", adding(debugger()), STRATEGIC_PATCH)
    assert "static pods do not support ephemeral containers" in error.message


async def test_a_secret_beyond_those_of_a_strict_account_is_refused(api: Api, anna: Api) -> None:
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    await api.patch(account, {"metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}})
    reading = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "k"}}}]
    error = await anna.refused("PATCH", ADDING, adding(debugger(env=reading)), STRATEGIC_PATCH)
    assert 'ephemeral container debugger with envVar A referencing secret.secretName="theirs" is not allowed' in error.message


async def test_they_are_applied_too_and_whoever_leaves_one_out_takes_none_away(anna: Api) -> None:
    config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}} | adding(debugger())
    found = await anna.patch(ADDING, config, APPLY_PATCH, fieldManager="me")
    assert [each["name"] for each in found["spec"]["ephemeralContainers"]] == ["debugger"]
    assert await anna.patch(ADDING, config, APPLY_PATCH, fieldManager="me") == found
    error = await anna.refused("PATCH", ADDING, config | adding(debugger("second")), APPLY_PATCH, fieldManager="me")
    assert 'existing ephemeral containers "debugger" may not be removed' in error.message
    labelled = config | {"metadata": {"name": "p", "labels": {"a": "b"}}}
    assert "labels" not in (await anna.patch(ADDING, labelled, APPLY_PATCH, fieldManager="me"))["metadata"]


async def test_a_dry_run_adds_nothing_and_a_stale_version_is_a_conflict(anna: Api) -> None:
    await anna.patch(ADDING, adding(debugger()), STRATEGIC_PATCH, dryRun="All")
    before = deepcopy(await anna.get(POD))
    assert "ephemeralContainers" not in before["spec"]
    await anna.patch(ADDING, adding(debugger()), STRATEGIC_PATCH)
    stale = before | {"spec": before["spec"] | {"ephemeralContainers": [debugger("second")]}}
    assert (await anna.refused("PUT", ADDING, stale)).code == 409
    assert (await anna.refused("DELETE", ADDING)).code in (403, 405)
