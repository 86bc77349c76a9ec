"""HorizontalPodAutoscalers over the API, in both versions."""

import pytest

from pilothouse.client.transport import MERGE_PATCH
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api

V1, V2 = (f"/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers" for version in ("v1", "v2"))
CPU_50 = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
MEMORY_60 = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 60}}}


def autoscaler(**spec: object) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}
    return {"metadata": {"name": "a"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec}}


async def test_a_new_autoscaler_has_the_status_of_its_version(api: Api) -> None:
    made = await api.post(V2, autoscaler() | {"status": {"currentReplicas": 7}})
    assert made["status"] == {"currentMetrics": None, "desiredReplicas": 0}
    assert "generation" not in made["metadata"]
    assert (await api.get(f"{V1}/a"))["status"] == {"currentReplicas": 0, "desiredReplicas": 0}


async def test_both_versions_are_served_the_newer_one_first(api: Api) -> None:
    assert [each["version"] for each in (await api.get("/apis/autoscaling"))["versions"]] == ["v2", "v1"]
    for version in ("v1", "v2"):
        found = (await api.get(f"/apis/autoscaling/{version}"))["resources"]
        assert [each["name"] for each in found] == ["horizontalpodautoscalers", "horizontalpodautoscalers/status"]


async def test_what_is_patched_in_v1_is_changed_in_v2_and_nothing_else_is_lost(api: Api) -> None:
    await api.post(V2, autoscaler(metrics=[MEMORY_60, CPU_50]))
    shown = await api.get(f"{V1}/a")
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 50
    patched = await api.patch(f"{V1}/a", {"spec": {"targetCPUUtilizationPercentage": 70}})
    assert patched["spec"]["targetCPUUtilizationPercentage"] == 70
    stored = await api.get(f"{V2}/a")
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    assert stored["spec"]["metrics"] == [MEMORY_60, cpu]
    assert "annotations" not in stored["metadata"]


async def test_v1_gets_the_same_default_unless_it_names_another_metric(api: Api) -> None:
    made = await api.post(V1, autoscaler())
    assert made["spec"]["targetCPUUtilizationPercentage"] == 80
    other = autoscaler()
    note = '[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Mi"}}]'
    other["metadata"] |= {"name": "b", "annotations": {"autoscaling.alpha.kubernetes.io/metrics": note}}
    made = await api.post(V1, other)
    assert "targetCPUUtilizationPercentage" not in made["spec"]
    assert made["metadata"]["annotations"] == other["metadata"]["annotations"]


@pytest.mark.parametrize("place", [V1, V2])
async def test_the_status_alone_is_written_through_its_subresource(api: Api, place: str) -> None:
    await api.post(place, autoscaler())
    change = {"spec": {"maxReplicas": 9}, "status": {"currentReplicas": 2, "desiredReplicas": 3}}
    await api.patch(f"{place}/a/status", change)
    found = await api.get(f"{V2}/a")
    assert (found["spec"]["maxReplicas"], found["status"]["currentReplicas"], found["status"]["desiredReplicas"]) == (3, 2, 3)
    refused = await api.refused("PATCH", f"{place}/a/status", {"status": {"currentReplicas": -1}}, MERGE_PATCH)
    assert refused.code == 422


async def test_an_autoscaler_that_makes_no_sense_is_refused(api: Api) -> None:
    refused = await api.refused("POST", V2, autoscaler(maxReplicas=0))
    assert refused.code == 422
    assert "spec.maxReplicas: Required value: must be set and greater than 0" in refused.message
    refused = await api.refused("POST", V2, autoscaler(behavior={"scaleUp": {"policies": []}}))
    assert "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy" in refused.message
