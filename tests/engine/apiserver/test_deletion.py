"""What a delete does to an object."""

from datetime import UTC, datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.write.deletion import Options, plan
from pilothouse.model.json import Object

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONFIGMAP, POD, NAMESPACE = (BUILT_IN[name] for name in ("configmaps", "pods", "namespaces"))


def obj(kind: Kind = CONFIGMAP, *, spec: Any = None, status: Any = None, **metadata: Any) -> Object:
    found: Object = {"metadata": {"name": "a", **({"namespace": "n"} if kind.resource.namespaced else {}), **metadata}}
    return found | ({"spec": spec} if spec else {}) | ({"status": status} if status else {})


def test_an_object_that_nobody_holds_goes_at_once() -> None:
    assert plan(CONFIGMAP, obj(), Options(), NOW).remove


def test_a_finalizer_holds_an_object_back() -> None:
    step = plan(CONFIGMAP, obj(finalizers=["example.com/f"]), Options(), NOW)
    assert not step.remove
    assert step.value is not None
    assert step.value["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:05Z"
    assert step.value["metadata"]["deletionGracePeriodSeconds"] == 0


def test_foreground_deletion_waits_for_dependents() -> None:
    step = plan(CONFIGMAP, obj(), Options(policy="Foreground"), NOW)
    assert step.value is not None
    assert step.value["metadata"]["finalizers"] == ["foregroundDeletion"]


def test_orphaning_replaces_a_foreground_deletion() -> None:
    step = plan(CONFIGMAP, obj(finalizers=["foregroundDeletion"]), Options(policy="Orphan"), NOW)
    assert step.value is not None
    assert step.value["metadata"]["finalizers"] == ["orphan"]


def test_a_running_pod_gets_its_grace() -> None:
    running = obj(POD, spec={"nodeName": "node", "terminationGracePeriodSeconds": 30}, status={"phase": "Running"})
    step = plan(POD, running, Options(), NOW)
    assert step.value is not None
    assert step.value["metadata"]["deletionGracePeriodSeconds"] == 30
    assert step.value["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:35Z"


def test_an_unscheduled_pod_goes_at_once() -> None:
    assert plan(POD, obj(POD, spec={"terminationGracePeriodSeconds": 30}, status={"phase": "Pending"}), Options(), NOW).remove


def test_a_second_delete_can_only_shorten_the_grace() -> None:
    dying = obj(
        POD,
        spec={"nodeName": "node", "terminationGracePeriodSeconds": 30},
        status={"phase": "Running"},
        deletionTimestamp="2026-01-02T03:04:35Z",
        deletionGracePeriodSeconds=30,
    )
    assert plan(POD, dying, Options(grace_s=60), NOW).value is None
    shorter = plan(POD, dying, Options(grace_s=5), NOW).value
    assert shorter is not None
    assert shorter["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:10Z"
    assert plan(POD, dying, Options(grace_s=0), NOW).remove


def test_a_namespace_waits_for_its_contents() -> None:
    alive = obj(NAMESPACE, spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})
    step = plan(NAMESPACE, alive, Options(), NOW)
    assert step.value is not None
    assert step.value["status"]["phase"] == "Terminating"
