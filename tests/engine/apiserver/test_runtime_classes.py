"""RuntimeClasses, and what the pods that name one get of them."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"


def runtime_class(name: str, handler: str = "runc", **more: Any) -> Object:
    return {"metadata": {"name": name}, "handler": handler, **more}


async def test_a_pod_gets_the_overhead_and_the_nodes_of_its_class(api: Api) -> None:
    scheduling = {"nodeSelector": {"x": "y"}, "tolerations": [{"key": "k", "operator": "Exists"}]}
    await api.post(CLASSES, runtime_class("r", overhead={"podFixed": {"cpu": "0.01"}}, scheduling=scheduling))
    spec = (await api.post(PODS, pod("p", runtimeClassName="r", nodeSelector={"a": "b"})))["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == ({"cpu": "10m"}, {"a": "b", "x": "y"})
    assert spec["tolerations"][-1] == {"key": "k", "operator": "Exists"}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        ({"overhead": {"cpu": "1"}}, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"),
        ({"runtimeClassName": "r", "overhead": {"cpu": "1"}}, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"),
        (
            {"runtimeClassName": "r", "nodeSelector": {"x": "z"}},
            "conflict: runtimeClass.scheduling.nodeSelector[x] = y; pod.spec.nodeSelector[x] = z",
        ),
    ],
)
async def test_a_pod_at_odds_with_its_class_is_refused(api: Api, spec: Object, why: str) -> None:
    await api.post(CLASSES, runtime_class("r", overhead={"podFixed": {"cpu": "2"}}, scheduling={"nodeSelector": {"x": "y"}}))
    error = await api.refused("POST", PODS, pod("p", **spec))
    assert (error.code, error.message) == (403, f'pods "p" is forbidden: {why}')


@pytest.mark.parametrize(
    ("made", "paths"),
    [
        (runtime_class("r", ""), ["handler"]),
        (runtime_class("r", "A_b"), ["handler"]),
        (runtime_class("r", overhead={"podFixed": {"foo": "1"}}), ["overhead.limits[foo]"] * 2),
        (runtime_class("r", scheduling={"tolerations": [{"operator": "Exists"}] * 2}), ["scheduling.tolerations[1]"]),
        (runtime_class("r", scheduling={"nodeSelector": {"a b": "c"}}), ["scheduling.nodeSelector"]),
    ],
)
async def test_a_class_that_no_node_could_follow_is_refused(api: Api, made: Object, paths: list[str]) -> None:
    error = await api.refused("POST", CLASSES, made)
    assert error.details is not None
    assert (error.code, [each["field"] for each in error.details["causes"]]) == (422, paths)


async def test_the_runtime_of_a_class_does_not_change(api: Api) -> None:
    await api.put(f"{CLASSES}/r", runtime_class("r"))
    error = await api.refused("PATCH", f"{CLASSES}/r", {"handler": "other"}, "application/merge-patch+json")
    assert 'handler: Invalid value: "other": field is immutable' in error.message
