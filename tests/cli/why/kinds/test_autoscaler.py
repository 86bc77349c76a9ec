from typing import Any

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.scene import Scene
from pilothouse.model.json import Object
from tests.cli.shop import NOW, metadata

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
QUEUE = {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "30"}}}


def condition(kind: str, status: str = "True", reason: str = "R", message: str = "M") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def autoscaler(*conditions: Object, **status: Any) -> Object:
    target = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 10, "metrics": [CPU, QUEUE]}
    found = {"kind": "HorizontalPodAutoscaler", "metadata": metadata("web", "hpa-uid"), "spec": spec}
    return found | {"status": {"currentReplicas": 3, "conditions": list(conditions), **status}}


def seen(owner: Object) -> Scene:
    return Scene(kind="HorizontalPodAutoscaler", name="web", now=NOW, workload=owner)


def test_one_that_works_tells_what_it_measures() -> None:
    current = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40, "averageValue": "40m"}}},
        {"type": "External", "external": {"metric": {"name": "queue"}, "current": {"averageValue": "12"}}},
    ]
    owner = autoscaler(condition("AbleToScale"), condition("ScalingActive"), currentMetrics=current)
    kept = "horizontalpodautoscaler web keeps deployment/web at 3 replicas (2 to 10): cpu 40% of 70%, queue 12 of 30"
    assert explain(seen(owner)).sentence == kept


def test_one_at_its_bound_says_that_more_is_wanted() -> None:
    owner = autoscaler(condition("ScalingActive"), condition("ScalingLimited", reason="TooManyReplicas"))
    assert explain(seen(owner)).sentence.endswith("; its metrics ask for more than maxReplicas; raise it if there is room")


@pytest.mark.parametrize(
    ("trouble", "chain", "step"),
    [
        (
            condition("AbleToScale", "False", "FailedGetScale", 'deployments.apps "web" not found'),
            'deployments.apps "web" not found',
            "create",
        ),
        (
            condition("ScalingActive", "False", "ScalingDisabled"),
            "deployment/web is scaled to 0 replicas",
            "`ph kubectl scale deployment/web",
        ),
        (condition("ScalingActive", "False", "FailedGetResourceMetric", "missing request for cpu"), "missing request for cpu", "requests"),
        (condition("ScalingActive", "False", "FailedGetExternalMetric", "no adapter"), "no adapter", "external.metrics.k8s.io"),
        (condition("ScalingActive", "False", "SomethingNew", "new"), "new", "`ph kubectl describe hpa web`"),
    ],
)
def test_what_keeps_it_from_scaling_is_told_with_the_way_out(trouble: Object, chain: str, step: str) -> None:
    found = explain(seen(autoscaler(trouble)))
    assert found.sentence.startswith("horizontalpodautoscaler web does not scale deployment/web: ")
    assert found.chain == (chain,)
    assert step in found.next_step


def test_one_that_nobody_looked_at_says_so() -> None:
    assert "has not looked at deployment/web yet" in explain(seen(autoscaler())).sentence
