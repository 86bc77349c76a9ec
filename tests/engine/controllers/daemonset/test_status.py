from pilothouse.engine.controllers.daemonset import status as statuses
from tests.engine.controllers.daemonset.objects import daemon, daemon_set, node, scene, taint

NODES = [node("a"), node("b"), node("c"), node("d"), node("e", taint("x"))]


def test_nodes_are_counted_by_the_state_of_their_pod() -> None:
    pods = [
        daemon("1", "a"),
        daemon("2", "b", "old", ready_s=10),
        daemon("3", "c", ready_s=None),
        daemon("4", "e"),
        daemon("5", "a", age_s=1, ready_s=None),
    ]
    found, again_s = statuses.build(scene(daemon_set(minReadySeconds=30), NODES, *pods), 2)
    assert found == {
        "desiredNumberScheduled": 4,
        "currentNumberScheduled": 3,
        "numberMisscheduled": 1,
        "numberReady": 2,
        "updatedNumberScheduled": 2,
        "numberAvailable": 1,
        "numberUnavailable": 3,
        "observedGeneration": 1,
        "collisionCount": 2,
    }
    assert again_s == 20


def test_no_node_is_no_fault() -> None:
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady")
    assert statuses.build(scene(daemon_set(), []), 0) == (dict.fromkeys(counts, 0) | {"observedGeneration": 1}, None)


def test_conditions_of_others_stay() -> None:
    owner = daemon_set() | {"status": {"conditions": [{"type": "Theirs", "status": "True"}]}}
    assert statuses.build(scene(owner, []), 0)[0]["conditions"] == [{"type": "Theirs", "status": "True"}]
