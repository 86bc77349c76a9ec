"""A revision that makes no progress gives way to the one before, where that had to end for it."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.platform.apps.life import Life, app, image_of

DATA = {"data": {"path": "/data"}}


def stuck(life: Life) -> None:
    """The Deployment's controller has given up."""
    deployment = life.objects["Deployment", "shop"]
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    counts = dict.fromkeys(("readyReplicas", "availableReplicas"), 0)
    deployment["status"] = {"observedGeneration": meta.generation(deployment), "conditions": [condition], "updatedReplicas": 1, **counts}


def failing(volumes: Object) -> Life:
    life = Life(app(image="web:1", volumes=volumes))
    life.settle()
    life.roll()
    life.settle()
    life.change(image="web:2")
    life.settle()
    stuck(life)
    return life


def test_the_state_before_runs_again_where_it_had_to_end() -> None:
    life = failing(DATA)
    life.step()
    assert image_of(life) == "web:2", "nothing is done before the status says so"
    life.settle()
    assert image_of(life) == "web:1"
    assert life.condition("Ready") == ("False", "RolledBack")
    life.roll()
    life.settle()
    said = (meta.condition(life.app, "Ready") or {})["message"]
    assert said == "revision 2 made no progress and revision 1 runs again, whose replicas had ended for it"
    assert image_of(life) == "web:1"
    assert [each["served"] for each in life.status["revisions"]] == [True, False]


def test_a_new_state_is_tried_and_one_that_works_ends_it() -> None:
    life = failing(DATA)
    life.settle()
    life.change(image="web:3")
    life.settle()
    assert image_of(life) == "web:3"
    assert life.status["givenUp"] == ""
    life.roll()
    life.settle()
    assert life.condition("Ready") == ("True", "Serving")


def test_scaling_and_going_back_work_while_an_earlier_state_runs() -> None:
    life = failing(DATA)
    life.settle()
    life.change(replicas=0)
    life.step()
    assert (image_of(life), life.objects["Deployment", "shop"]["spec"]["replicas"]) == ("web:1", 0)
    life.change(image="web:1", replicas=1)
    life.settle()
    life.roll()
    life.settle()
    assert life.condition("Ready") == ("True", "Serving")
    assert life.status["revision"] == 3


def test_the_autoscaler_goes_by_the_limits_of_the_state_that_runs() -> None:
    def target() -> Object:
        (made,) = life.of("HorizontalPodAutoscaler")
        (metric,) = made["spec"]["metrics"]
        return dict(metric["resource"]["target"])

    life = Life(app(image="web:1", volumes=DATA, resources={"cpu": "250m"}, autoscale={"max": 1, "cpu": 70}))
    life.settle()
    life.roll()
    life.settle()
    assert target() == {"type": "Utilization", "averageUtilization": 70}
    life.change(image="web:2", resources={})
    life.settle()
    assert target() == {"type": "AverageValue", "averageValue": "700m"}
    stuck(life)
    life.settle()
    assert image_of(life) == "web:1"
    assert target() == {"type": "Utilization", "averageUtilization": 70}
    life.change(autoscale={"max": 1, "cpu": 50})
    life.settle()
    assert target() == {"type": "Utilization", "averageUtilization": 50}


def test_without_a_volume_nothing_had_to_end_and_nothing_is_brought_back() -> None:
    life = failing({})
    life.settle()
    assert image_of(life) == "web:2"
    assert life.condition("Ready") == ("False", "ProgressDeadlineExceeded")


def test_a_first_revision_that_fails_has_nothing_to_give_way_to() -> None:
    life = Life(app(image="web:1", volumes=DATA))
    life.settle()
    stuck(life)
    life.settle()
    assert life.condition("Ready") == ("False", "ProgressDeadlineExceeded")
