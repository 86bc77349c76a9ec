import pytest

from pilothouse.engine.apiserver.kinds.workloads.daemonsets import DAEMONSET, TEMPLATE_GENERATION
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, changed, container, created, named, refusals, template, update_refusals, updated

ROLLING = "spec.updateStrategy.rollingUpdate"


def agent(**spec: object) -> Object:
    return named(spec={"selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec})


def number(obj: Object) -> str:
    found: str = obj["metadata"]["annotations"][TEMPLATE_GENERATION]
    return found


def test_one_pod_at_a_time_is_replaced() -> None:
    spec = created(DAEMONSET, agent())["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    assert spec["revisionHistoryLimit"] == 10


def test_a_new_one_is_on_no_node() -> None:
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady")
    assert created(DAEMONSET, agent())["status"] == dict.fromkeys(counts, 0)


def test_updates_by_hand_need_no_numbers() -> None:
    assert created(DAEMONSET, agent(updateStrategy={"type": "OnDelete"}))["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_templates_are_numbered_by_the_server() -> None:
    first = created(DAEMONSET, agent())
    assert number(first) == "1"
    relabelled = updated(DAEMONSET, first, changed(first, "metadata.annotations", {TEMPLATE_GENERATION: "9"}))
    assert number(relabelled) == "1"
    assert number(updated(DAEMONSET, first, changed(first, "spec.template", template(containers=[container(image="other:2")])))) == "2"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"selector": None}, ["spec.template.metadata.labels Invalid"]),
        ({"selector": {}}, ["spec.selector Invalid"]),
        ({"selector": {"matchLabels": {"x": "y"}}}, ["spec.template.metadata.labels Invalid"]),
        ({"template": template(restartPolicy="Never")}, ["spec.template.spec.restartPolicy NotSupported"]),
        ({"template": template(activeDeadlineSeconds=5)}, ["spec.template.spec.activeDeadlineSeconds Forbidden"]),
        ({"template": None}, ["spec.template.metadata.labels Invalid", "spec.template.spec.containers Required"]),
        ({"minReadySeconds": -1}, ["spec.minReadySeconds Invalid"]),
        ({"revisionHistoryLimit": -1}, ["spec.revisionHistoryLimit Invalid"]),
        ({"updateStrategy": {"type": "X"}}, ["spec.updateStrategy NotSupported"]),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}}, [f"{ROLLING}.maxSurge Invalid"]),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}, [f"{ROLLING}.maxUnavailable Required"]),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}}}, []),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "200%"}}}, [f"{ROLLING}.maxUnavailable Invalid"]),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": -1}}}, [f"{ROLLING}.maxUnavailable Invalid"]),
    ],
)
def test_what_is_refused(spec: Object, expected: list[str]) -> None:
    assert refusals(DAEMONSET, agent(**spec)) == expected


def test_the_selector_stays() -> None:
    other = agent(selector={"matchLabels": {"x": "y"}}, template=template() | {"metadata": {"labels": {"x": "y"}}})
    assert update_refusals(DAEMONSET, agent(), other) == ["spec.selector Invalid"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"desiredNumberScheduled": 2, "collisionCount": 2}, []),
        ({"numberReady": -1, "collisionCount": 2}, ["status.numberReady"]),
        ({"numberUnavailable": -1, "collisionCount": 2}, ["status.numberUnavailable"]),
        ({"numberReady": 1}, ["status.collisionCount"]),
    ],
)
def test_counts_are_not_negative(status: Object, expected: list[str]) -> None:
    old = created(DAEMONSET, agent()) | {"status": {"collisionCount": 2}}
    new = updated(DAEMONSET, old, old | {"status": status}, "status")
    assert [cause.field for cause in DAEMONSET.validate_status_update(new, old)] == expected


def test_a_row_shows_counts_and_where_it_runs() -> None:
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable")
    shown = created(DAEMONSET, agent(template=template(nodeSelector={"disk": "fast"}))) | {
        "status": dict(zip(counts, range(5), strict=True))
    }
    assert DAEMONSET.cells(shown, NOW)[:7] == ["it", 0, 1, 2, 3, 4, "disk=fast"]
