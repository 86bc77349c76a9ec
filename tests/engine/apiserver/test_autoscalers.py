"""HorizontalPodAutoscalers over the API, in both versions."""

import pytest

from pilothouse.client.transport import APPLY_PATCH, MERGE_PATCH
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


def stated(version: str, **spec: object) -> Object:
    return {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler", **autoscaler(**spec)}


async def apply(api: Api, place: str, config: Object, manager: str, **query: str) -> Object:
    found: Object = await api.patch(f"{place}/a", config, APPLY_PATCH, fieldManager=manager, **query)
    return found


def owned(obj: Object, manager: str) -> tuple[str, Object]:
    """The version in which the manager knows its fields, and those of the spec."""
    found = next(each for each in obj["metadata"]["managedFields"] if each["manager"] == manager)
    return found["apiVersion"], found["fieldsV1"].get("f:spec")


async def test_v1_can_be_applied_to(api: Api) -> None:
    made = await apply(api, V1, stated("v1", targetCPUUtilizationPercentage=50), "a")
    assert made["spec"]["targetCPUUtilizationPercentage"] == 50
    fields = {"f:maxReplicas": {}, "f:scaleTargetRef": {}, "f:targetCPUUtilizationPercentage": {}}
    assert owned(made, "a") == ("autoscaling/v1", fields)
    assert (await api.get(f"{V2}/a"))["spec"]["metrics"] == [CPU_50]
    again = await apply(api, V1, stated("v1", targetCPUUtilizationPercentage=50), "a")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    given_up = await apply(api, V1, stated("v1"), "a")
    assert given_up["spec"]["targetCPUUtilizationPercentage"] == 80


async def test_managers_of_two_versions_meet_in_conflicts(api: Api) -> None:
    await apply(api, V2, stated("v2", metrics=[MEMORY_60, CPU_50]), "new")
    error = await api.refused("PATCH", f"{V1}/a", stated("v1", maxReplicas=9), APPLY_PATCH, fieldManager="old")
    assert error.details is not None
    assert (error.code, error.details["causes"][0]["field"]) == (409, ".spec.maxReplicas")
    shown = await apply(api, V1, stated("v1", targetCPUUtilizationPercentage=70), "old", force="true")
    assert owned(shown, "old")[0] == "autoscaling/v1"
    version, fields = owned(shown, "new")
    assert (version, "f:metrics" in fields) == ("autoscaling/v2", False)
    stored = await api.get(f"{V2}/a")
    assert [each["resource"]["target"]["averageUtilization"] for each in stored["spec"]["metrics"]] == [60, 70]
    error = await api.refused("PATCH", f"{V2}/a", stated("v2", metrics=[CPU_50]), APPLY_PATCH, fieldManager="new")
    assert 'conflict with "old"' in error.message


async def test_who_updates_v1_owns_what_is_changed_in_the_names_of_v1(api: Api) -> None:
    await api.post(V2, autoscaler(metrics=[CPU_50]), fieldManager="maker")
    await api.patch(f"{V1}/a", {"spec": {"targetCPUUtilizationPercentage": 70}}, fieldManager="old")
    stored = await api.get(f"{V2}/a")
    assert owned(stored, "old") == ("autoscaling/v1", {"f:targetCPUUtilizationPercentage": {}})
    assert "f:metrics" not in owned(stored, "maker")[1]


async def test_events_are_applied_to_in_the_newer_group(api: Api) -> None:
    place = "/apis/events.k8s.io/v1/namespaces/default/events/e"
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    config = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "regarding": about,
        "note": "a",
        "type": "Normal",
    }
    config |= {"eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c.d/e", "reportingInstance": "i", "reason": "R"}
    made = await api.patch(place, config | {"action": "A"}, APPLY_PATCH, fieldManager="a")
    assert made["note"] == "a"
    assert made["metadata"]["managedFields"][0]["apiVersion"] == "events.k8s.io/v1"
    assert (await api.get("/api/v1/namespaces/default/events/e"))["message"] == "a"
