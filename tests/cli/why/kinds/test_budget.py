from typing import Any

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.scene import Scene
from pilothouse.model.json import Object
from tests.cli.shop import NOW, metadata, pod, waiting


def budget(allowed: int = 0, healthy: int = 3, desired: int = 3, expected: int = 3, **status: Any) -> Object:
    counts = {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected}
    found = {"kind": "PodDisruptionBudget", "metadata": metadata("db", "pdb-uid"), "spec": {"minAvailable": desired}}
    return found | {"status": {"observedGeneration": 2, **counts, **status}}


def seen(owner: Object, *pods: Object) -> Scene:
    return Scene(kind="PodDisruptionBudget", name="db", now=NOW, workload=owner, pods=pods)


def ready() -> Object:
    return pod(ready=True)


def test_one_that_lets_pods_go_says_how_many() -> None:
    assert explain(seen(budget(1, desired=2), ready())).sentence == "poddisruptionbudget db lets 1 of 3 pods be evicted now"


def test_the_pod_that_is_not_healthy_is_told_with_its_trouble() -> None:
    found = explain(seen(budget(healthy=1, desired=2), ready(), pod(waiting("ImagePullBackOff", 'Back-off pulling image "db:2"'))))
    assert "db:2" in found.chain[0]
    assert found.chain[-1] == "1 of the pods are healthy, and 2 have to be"


def test_a_pod_that_is_only_not_ready_yet_is_named() -> None:
    starting = pod({"running": {}})
    found = explain(seen(budget(healthy=1, desired=2), starting))
    assert found.chain[0] == f"pod {starting['metadata']['name']} is not ready"


def test_a_budget_that_asks_for_all_pods_says_so() -> None:
    found = explain(seen(budget(), ready()))
    assert found.sentence.startswith("poddisruptionbudget db lets no pod be evicted: it asks that 3 of 3 pods stay; ")
    assert "maxUnavailable: 1" in found.next_step


def test_a_selector_that_matches_nothing_is_told() -> None:
    assert explain(seen(budget(healthy=0, expected=0))).chain == ("its selector matches no pod",)


def test_what_cannot_be_counted_is_told() -> None:
    failed = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "found no controllers for pod db-0"}
    assert explain(seen(budget(conditions=[failed]), ready())).chain == ("found no controllers for pod db-0",)


def test_one_that_was_just_changed_is_not_judged() -> None:
    assert "has not been looked at yet" in explain(seen(budget(observedGeneration=1), ready())).sentence
