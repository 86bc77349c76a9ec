"""What a delete does to an object."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.write.deletion import Options, plan
from pilothouse.model.json import Object
from tests.engine.apiserver.api import CONFIGMAPS, Api

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


def dying_pod(**metadata: Any) -> Object:
    marks = {"deletionTimestamp": "2026-01-02T03:04:35Z", "deletionGracePeriodSeconds": 30} | metadata
    return obj(POD, spec={"nodeName": "node", "terminationGracePeriodSeconds": 30}, status={"phase": "Running"}, **marks)


def test_a_pod_in_its_grace_keeps_its_finalizers() -> None:
    assert plan(POD, dying_pod(), Options(policy="Foreground"), NOW).value is None


def test_a_shorter_grace_that_has_passed_already_leaves_one_second() -> None:
    late = dying_pod(deletionTimestamp="2026-01-02T03:04:10Z")
    step = plan(POD, late, Options(grace_s=5), NOW)
    assert step.value is not None
    marks = step.value["metadata"]["deletionTimestamp"], step.value["metadata"]["deletionGracePeriodSeconds"]
    assert (step.remove, *marks) == (False, "2026-01-02T03:04:05Z", 1)
    assert plan(POD, late, Options(grace_s=0), NOW).remove


def test_a_finalizer_outlasts_a_grace_that_is_taken_away() -> None:
    step = plan(POD, dying_pod(finalizers=["example.com/f"]), Options(grace_s=0), NOW)
    assert step.value is not None
    assert (step.remove, step.value["metadata"]["deletionGracePeriodSeconds"]) == (False, 0)


@pytest.mark.parametrize("name", ["events", "events.events.k8s.io"])
@pytest.mark.parametrize("policy", ["Foreground", "Orphan", None])
def test_an_event_owns_nothing_and_waits_for_nobody(name: str, policy: str | None) -> None:
    assert plan(BUILT_IN[name], obj(), Options(policy=policy), NOW).remove


def test_webhooks_see_a_policy_in_the_form_in_which_it_is_stated() -> None:
    assert Options(policy="Orphan", orphans=True).to_dict() == {"orphanDependents": True}
    assert Options(policy="Orphan").to_dict() == {"propagationPolicy": "Orphan"}


async def test_a_dry_run_that_is_no_text_is_refused_like_any_other(api: Api) -> None:
    error = await api.refused("DELETE", CONFIGMAPS, {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["x", 1.5]})
    assert (error.code, 'Unsupported value: ["x","1.5"]' in error.message) == (422, True), error.message
