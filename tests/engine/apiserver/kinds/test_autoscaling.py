"""HorizontalPodAutoscalers: defaults, what is refused, and the two versions of one stored object."""

import json
from copy import deepcopy
from typing import Any

import pytest

from pilothouse.engine.apiserver.kinds.autoscaling import annotations, versions
from pilothouse.engine.apiserver.kinds.autoscaling.autoscalers import HORIZONTALPODAUTOSCALER
from pilothouse.engine.apiserver.kinds.printers.autoscaling import cells
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW

TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
CPU_80 = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "64Mi"}}}
QUEUE = {
    "type": "External",
    "external": {
        "metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}},
        "target": {"type": "AverageValue", "averageValue": "30"},
    },
}
SERVED = {
    "type": "Object",
    "object": {
        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "s"},
        "metric": {"name": "requests"},
        "target": {"type": "Value", "value": "2k"},
    },
}


def autoscaler(**spec: Any) -> Object:
    found = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"scaleTargetRef": dict(TARGET), "maxReplicas": 3, **spec}}
    return deepcopy(found)


def defaulted(**spec: Any) -> Object:
    obj = autoscaler(**spec)
    HORIZONTALPODAUTOSCALER.default(obj)
    return obj


def causes(**spec: Any) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in HORIZONTALPODAUTOSCALER.validate(defaulted(**spec))]


def test_an_autoscaler_without_metrics_goes_by_the_cpu() -> None:
    assert defaulted()["spec"] == {"scaleTargetRef": TARGET, "maxReplicas": 3, "minReplicas": 1, "metrics": [CPU_80]}
    assert not causes()


def test_each_direction_gets_its_policies_and_only_upwards_a_window() -> None:
    behavior = defaulted(behavior={"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}})["spec"]["behavior"]
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert behavior == {
        "scaleUp": {
            "selectPolicy": "Max",
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent],
        },
        "scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]},
    }


@pytest.mark.parametrize("metric", [MEMORY, QUEUE, SERVED])
def test_every_kind_of_metric_is_taken(metric: Object) -> None:
    assert not causes(metrics=[metric])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"maxReplicas": 0},
            [
                ("spec.maxReplicas", "Required value: must be set and greater than 0"),
                ("spec.maxReplicas", "Invalid value: 0: must be greater than or equal to `minReplicas`"),
            ],
        ),
        (
            {"minReplicas": 0},
            [
                ("spec.minReplicas", "Invalid value: 0: must be greater than or equal to 1"),
                (
                    "spec.metrics",
                    "Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
                ),
            ],
        ),
        (
            {"scaleTargetRef": {"kind": "", "name": ""}},
            [
                ("spec.scaleTargetRef.kind", "Required value"),
                ("spec.scaleTargetRef.name", "Required value"),
                ("spec.scaleTargetRef.apiVersion", 'Invalid value: "": apiVersion must specify API group'),
            ],
        ),
        (
            {"metrics": [{"type": "Resource"}]},
            [("spec.metrics[0].resource", "Required value: must populate information for the given metric source")],
        ),
        (
            {"metrics": [CPU_80 | {"pods": {}}]},
            [
                ("spec.metrics[0].pods.metric.name", "Required value: must specify a metric name"),
                ("spec.metrics[0].pods.target.type", "Required value: must specify a metric target type"),
                (
                    "spec.metrics[0].pods.target.type",
                    'Invalid value: "": must be either Utilization, Value, or AverageValue',
                ),
                ("spec.metrics[0].pods.target.averageValue", "Required value: must specify a positive target averageValue"),
                ("spec.metrics[0].pods", "Forbidden: must populate the given metric source only"),
            ],
        ),
        (
            {
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50, "averageValue": "5"}},
                    }
                ]
            },
            [
                (
                    "spec.metrics[0].resource.target.averageValue",
                    "Forbidden: may not set both a target raw value and a target utilization",
                )
            ],
        ),
        (
            {"behavior": {"scaleUp": {"policies": []}}},
            [("spec.behavior.scaleUp.policies", "Required value: must specify at least one Policy")],
        ),
        (
            {"behavior": {"scaleUp": {"selectPolicy": "X", "policies": [{"type": "Y", "value": 0, "periodSeconds": 2000}]}}},
            [
                ("spec.behavior.scaleUp.selectPolicy", 'Unsupported value: "X": supported values: "Disabled", "Max", "Min"'),
                ("spec.behavior.scaleUp.policies[0].type", 'Unsupported value: "Y": supported values: "Percent", "Pods"'),
                ("spec.behavior.scaleUp.policies[0].value", "Invalid value: 0: must be greater than zero"),
                ("spec.behavior.scaleUp.policies[0].periodSeconds", "Invalid value: 2000: must be less than or equal to 1800"),
            ],
        ),
        (
            {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601, "tolerance": "-100m"}}},
            [
                (
                    "spec.behavior.scaleDown.stabilizationWindowSeconds",
                    "Invalid value: 3601: must be less than or equal to 3600",
                ),
                ("spec.behavior.scaleDown.tolerance", 'Invalid value: "-100m": must be greater than or equal to 0'),
            ],
        ),
    ],
)
def test_what_cannot_be_is_refused_in_upstreams_words(spec: Object, expected: list[tuple[str, str]]) -> None:
    assert causes(**spec) == expected


def test_a_replication_controller_can_be_scaled_though_the_core_group_has_no_name() -> None:
    assert not causes(scaleTargetRef={"apiVersion": "v1", "kind": "ReplicationController", "name": "web"})
    assert causes(scaleTargetRef={"apiVersion": "v1", "kind": "Pod", "name": "web"})


def test_v1_has_the_cpu_as_a_field_and_other_metrics_as_an_annotation() -> None:
    stored = defaulted(metrics=[MEMORY, CPU_80])
    shown = versions.from_stored(stored)
    assert shown["spec"] == {"scaleTargetRef": TARGET, "maxReplicas": 3, "minReplicas": 1, "targetCPUUtilizationPercentage": 80}
    others = json.loads(shown["metadata"]["annotations"][annotations.METRICS])
    assert others == [{"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "64Mi"}}]


@pytest.mark.parametrize("metrics", [[CPU_80], [MEMORY, CPU_80], [QUEUE], [SERVED], [QUEUE, SERVED, CPU_80]])
def test_an_object_comes_back_from_v1_as_it_was(metrics: list[Object]) -> None:
    stored = defaulted(metrics=metrics, behavior={"scaleDown": {"stabilizationWindowSeconds": 5}})
    stored["status"] = {
        "currentReplicas": 2,
        "desiredReplicas": 3,
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7, "averageValue": "7m"}}}],
        "conditions": [{"type": "AbleToScale", "status": "True", "reason": "R", "message": "m"}],
    }
    before = deepcopy(stored)
    shown = versions.from_stored(stored)
    assert shown["status"] == {"currentReplicas": 2, "desiredReplicas": 3, "currentCPUUtilizationPercentage": 7}
    assert versions.to_stored(deepcopy(shown)) == before == stored


@pytest.mark.parametrize(
    "text",
    ["{", "7", '[{"type": 7}]', '[{"type": "Resource", "resource": {"targetAverageUtilization": "x"}}]', '[{"pods": {"selector": []}}]'],
)
def test_an_annotation_of_v1_that_has_another_shape_counts_as_missing(text: str) -> None:
    obj = autoscaler()
    obj["metadata"]["annotations"] = {annotations.METRICS: text, "mine": "1"}
    stored = versions.to_stored(obj)
    assert "metrics" not in stored["spec"]
    assert stored["metadata"]["annotations"] == {"mine": "1"}


def test_a_row_shows_each_metric_as_it_is_and_as_it_should_be() -> None:
    obj = defaulted(metrics=[CPU_80, MEMORY, QUEUE])
    obj["metadata"]["creationTimestamp"] = "2026-05-04T11:00:00Z"
    assert cells(obj, NOW)[1:6] == ["Deployment/web", "cpu: <unknown>/80%, memory: <unknown>/64Mi + 1 more...", "1", 3, 0]
    current = {"averageUtilization": 12, "averageValue": "12m"}
    obj["status"] = {"currentReplicas": 2, "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]}
    assert cells(obj, NOW)[2].startswith("cpu: 12%/80%, ")
    assert cells(defaulted(metrics=[QUEUE]) | {"metadata": obj["metadata"]}, NOW)[2] == "<unknown>/30 (avg)"
