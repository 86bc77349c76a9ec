from typing import Any

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.finding import State
from pilothouse.cli.why.scene import Scene
from pilothouse.cli.why.target import target
from pilothouse.model.json import Object
from tests.cli.shop import CREATED, NOW, metadata, note


def instance(*conditions: Object, phase: str = "Online", spec: Object | None = None, observed: int = 2, **more: Any) -> Object:
    status = {"observedGeneration": observed, "phase": phase, "primary": "orders-0", "host": "orders.default.svc", "port": 3306}
    return {
        "kind": "MySQL",
        "metadata": metadata("orders", "orders-uid", **more),
        "spec": {"replicas": 3, **(spec or {})},
        "status": {**status, "readyReplicas": 3, "members": [], "conditions": list(conditions)},
    }


def said(type: str, status: str, reason: str, message: str = "") -> Object:
    return {"type": type, "status": status, "reason": reason, "message": message}


def scene(obj: Object, *pods: Object, **more: Any) -> Scene:
    return Scene(kind="MySQL", name="orders", now=NOW, workload=obj, pods=pods, **more)


READY = said("Ready", "True", "Serving")


def test_one_that_answers_says_where() -> None:
    found = explain(scene(instance(READY)))
    assert found.sentence == "mysql orders answers at orders.default.svc:3306 with 3 members, of which orders-0 is the primary"
    assert found.state == State.SERVING


def test_what_the_operator_says_is_the_cause_and_its_end_the_way_out() -> None:
    away = (
        "orders-0 does not answer, and orders-1 does not know all: it is started again; when it is lost: ph mysql failover orders --force"
    )
    found = explain(scene(instance(said("Ready", "False", "PrimaryAway", away), phase="Failed")))
    assert found.chain == ("orders-0 does not answer, and orders-1 does not know all: it is started again",)
    assert found.next_step == "when it is lost: ph mysql failover orders --force"
    assert found.sentence.startswith("mysql orders does not answer: orders-0 does not answer")


def test_what_is_refused_comes_first_although_the_old_state_serves() -> None:
    refused = said("Accepted", "False", "InvalidSpec", "size 1Gi is less than the 2Gi of volume data-orders-0; use 2Gi or more")
    found = explain(scene(instance(refused, READY)))
    assert found.sentence.startswith("mysql orders answers with 3 of 3 members: size 1Gi is less")
    assert found.next_step == "use 2Gi or more"


def test_a_pod_that_cannot_run_is_the_first_cause() -> None:
    message = "0/1 nodes are available: 1 Insufficient memory."
    pod = {
        "kind": "Pod",
        "metadata": metadata("orders-1", "p"),
        "spec": {"containers": [{"name": "database", "resources": {"requests": {"memory": "64Gi"}}}]},
        "status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]},
    }
    obj = instance(READY, said("Healthy", "False", "Unschedulable", "orders-1 has no node"), phase="Degraded")
    found = explain(scene(obj, pod))
    assert "Insufficient memory" in found.chain[0]
    assert found.chain[-1] == "orders-1 has no node"


def test_one_that_rests_or_is_on_its_way_has_nothing_wrong() -> None:
    rests = explain(scene(instance(said("Ready", "False", "Suspended"), phase="Suspended", spec={"suspended": True})))
    assert (rests.chain, "`ph mysql resume orders` starts it" in rests.sentence) == ((), True)
    starts = explain(scene(instance(said("Ready", "False", "Starting", "waits for orders-0"), phase="Creating")))
    assert (starts.chain, starts.sentence) == ((), "mysql orders does not answer: waits for orders-0")


def test_one_that_is_held_from_being_deleted_says_by_what() -> None:
    held = said(
        "Deleting", "False", "Protected", "orders is protected and goes on: set spec.deletionProtection to false to have it deleted"
    )
    found = explain(scene(instance(READY, held, deletionTimestamp=CREATED)))
    assert found.sentence.startswith("mysql orders is not deleted: orders is protected and goes on; set spec.deletionProtection to false")


def test_one_that_nobody_looks_at_says_so() -> None:
    assert "no platform works on this cluster's databases" in explain(scene(instance(observed=0))).sentence


def test_what_was_said_of_its_members_is_told_and_it_is_found_by_its_kind() -> None:
    assert target("mysql/orders") == target("my/orders") == ("MySQL", "orders")
    gone = Scene(kind="MySQL", name="orders", now=NOW, notes=[note(("MySQL", "orders"), "FailedOver", "orders-1 is the primary")])
    assert explain(gone).sentence.startswith("mysql orders is gone: ")
