import pytest

from pilothouse.engine.apiserver.kinds.workloads.replication_controllers import REPLICATIONCONTROLLER as KIND
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, brief, changed, created, named, refusals, template, update_refusals


def controller(**spec: object) -> Object:
    return named(spec={"template": template(), **spec})


def test_selector_and_labels_are_those_of_its_template_unless_said() -> None:
    made = created(KIND, controller())
    assert (made["spec"]["replicas"], made["spec"]["selector"], made["metadata"]["labels"]) == (1, {"app": "web"}, {"app": "web"})
    assert made["status"] == {"replicas": 0}
    assert created(KIND, controller(selector={"a": "b"}))["spec"]["selector"] == {"a": "b"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": -1}, ["spec.replicas Invalid"]),
        ({"minReadySeconds": -1}, ["spec.minReadySeconds Invalid"]),
        ({"selector": {"a": "b"}}, ["spec.template.metadata.labels Invalid"]),
        ({"selector": {"a": "b"}, "template": None}, ["spec.template Required"]),
        ({"template": template() | {"metadata": {}}}, ["spec.selector Required"]),
        ({"template": template(restartPolicy="Never")}, ["spec.template.spec.restartPolicy NotSupported"]),
        ({"template": template(activeDeadlineSeconds=5)}, ["spec.template.spec.activeDeadlineSeconds Forbidden"]),
    ],
)
def test_what_it_may_say(spec: Object, expected: list[str]) -> None:
    assert refusals(KIND, controller(**spec)) == expected


def test_its_selector_may_change() -> None:
    old = controller(selector={"app": "web"})
    labels = {"app": "web", "tier": "front"}
    new = changed(changed(old, "spec.selector", {"tier": "front"}), "spec.template.metadata.labels", labels)
    assert update_refusals(KIND, old, new) == []


def test_the_counts_of_its_status_agree() -> None:
    old = created(KIND, controller())
    new = changed(changed(old, "status.replicas", 1), "status.readyReplicas", 2)
    assert brief(KIND.validate_status_update(new, old)) == ["status.readyReplicas Invalid"]


def test_its_row_is_that_of_a_replica_set() -> None:
    made = created(KIND, controller(replicas=2))
    made["metadata"]["creationTimestamp"] = "2026-05-04T11:59:00Z"
    assert KIND.cells(made, NOW) == ["it", 2, 0, 0, "60s", "c", "img:1", "app=web"]
