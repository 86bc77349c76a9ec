from pilothouse.engine.controllers.replicaset import plan
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.controllers.objects import NOW, pod


def first_victim(*pods: Object) -> str:
    return meta.name(plan.victims(pods, pods, 1, NOW)[0])


def test_a_pod_without_a_node_goes_first() -> None:
    assert first_victim(pod("placed", ready_s=50), pod("waiting", node="", phase="Pending", cost="1000")) == "waiting"


def test_a_pending_pod_goes_before_a_running_one() -> None:
    assert first_victim(pod("running"), pod("pending", phase="Pending")) == "pending"


def test_an_unready_pod_goes_before_a_ready_one() -> None:
    assert first_victim(pod("ready", ready_s=5), pod("unready")) == "unready"


def test_a_cheap_pod_goes_before_a_dear_one() -> None:
    assert first_victim(pod("dear", ready_s=1, cost="10"), pod("cheap", ready_s=1000, cost="-10")) == "cheap"


def test_a_cost_that_is_no_number_counts_as_nothing() -> None:
    assert plan.deletion_cost(pod("odd", cost="much")) == 0


def test_a_crowded_node_is_thinned_out_first() -> None:
    alone, crowded = pod("alone", node="n2", ready_s=1), pod("crowded", node="n1", ready_s=1000)
    related = [alone, crowded, pod("sibling", node="n1")]
    assert plan.victims([alone, crowded], related, 1, NOW) == [crowded]


def test_the_pod_ready_for_the_shortest_time_goes_first() -> None:
    assert first_victim(pod("old", ready_s=1000), pod("young", ready_s=10)) == "young"


def test_ages_of_one_magnitude_are_equal_and_the_uid_decides() -> None:
    assert first_victim(pod("b", ready_s=1000), pod("a", ready_s=1001)) == "a"


def test_the_pod_that_restarted_most_goes_first() -> None:
    assert first_victim(pod("calm", restarts=1, ready_s=100), pod("restless", restarts=5, ready_s=100)) == "restless"


def test_the_youngest_goes_first_when_nothing_else_tells() -> None:
    assert first_victim(pod("old", age_s=10_000), pod("young", age_s=10)) == "young"


def test_the_same_pods_give_the_same_order() -> None:
    pods = [pod(str(n), ready_s=n * 10) for n in range(1, 6)]
    assert plan.victims(pods, pods, 5, NOW) == plan.victims(pods[::-1], pods, 5, NOW)


def test_one_sync_makes_or_deletes_at_most_a_burst() -> None:
    assert plan.missing({"spec": {"replicas": 2000}}, 3) == plan.BURST
    assert plan.missing({"spec": {"replicas": 0}}, 2000) == -plan.BURST


def test_a_pod_counts_as_available_after_it_was_ready_long_enough() -> None:
    replica_set = {"metadata": {"generation": 3}, "spec": {"replicas": 2, "minReadySeconds": 30}}
    status, again_s = plan.status(replica_set, [pod("a", ready_s=40), pod("b", ready_s=10)], 0, None, NOW)
    assert (status["readyReplicas"], status["availableReplicas"], status["observedGeneration"]) == (2, 1, 3)
    assert again_s == 20


def test_a_failure_is_a_condition_until_it_passes() -> None:
    replica_set = {"metadata": {}, "spec": {"replicas": 1}}
    status, _ = plan.status(replica_set, [], 0, ("FailedCreate", "quota"), NOW)
    assert status["conditions"][0]["type"] == "ReplicaFailure"
    assert "conditions" not in plan.status(replica_set | {"status": status}, [], 0, None, NOW)[0]
