from pilothouse.engine.controllers.statefulset import status as statuses
from pilothouse.engine.controllers.statefulset.plan import Revisions
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.controllers.objects import NOW
from tests.engine.controllers.statefulset.objects import ROLLING, SAME, member, stateful_set


def shown(owner: Object, *pods: Object, revisions: Revisions = SAME) -> Object:
    return statuses.build(owner, pods, {meta.uid(each) for each in pods if meta.is_deleting(each)}, revisions, 0, NOW)[0]


def test_nothing_is_counted_before_there_are_pods() -> None:
    assert shown(stateful_set(2)) == {
        "replicas": 0,
        "availableReplicas": 0,
        "observedGeneration": 1,
        "currentRevision": "new",
        "updateRevision": "new",
        "collisionCount": 0,
    }


def test_pods_are_counted_by_state_and_revision() -> None:
    found = shown(stateful_set(4), member(0, "old"), member(1, "old", ready_s=None), member(2), member(3, deleting=True), revisions=ROLLING)
    counts = ("replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas")
    assert [found[name] for name in counts] == [4, 3, 3, 2, 1]
    assert (found["currentRevision"], found["updateRevision"]) == ("old", "new")


def test_the_new_revision_is_current_when_all_pods_are_of_it_and_ready() -> None:
    found = shown(stateful_set(2), member(0), member(1), revisions=ROLLING)
    assert (found["currentRevision"], found["currentReplicas"]) == ("new", 2)
    assert shown(stateful_set(2), member(0), member(1, ready_s=None), revisions=ROLLING)["currentRevision"] == "old"


def test_by_hand_the_current_revision_stays() -> None:
    assert shown(stateful_set(2, strategy="OnDelete"), member(0), member(1), revisions=ROLLING)["currentRevision"] == "old"


def test_a_pod_becomes_available_by_time() -> None:
    owner = stateful_set(2, minReadySeconds=30)
    found, again_s = statuses.build(owner, [member(0, ready_s=40), member(1, ready_s=10)], set(), SAME, 3, NOW)
    assert (found["readyReplicas"], found["availableReplicas"], again_s, found["collisionCount"]) == (2, 1, 20, 3)


def test_conditions_of_others_stay() -> None:
    owner = stateful_set(0) | {"status": {"conditions": [{"type": "Theirs", "status": "True"}]}}
    assert shown(owner)["conditions"] == [{"type": "Theirs", "status": "True"}]
