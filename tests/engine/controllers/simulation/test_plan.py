"""What becomes of pods on nodes that are no machines."""

from typing import Any

from pilothouse.engine.controllers.simulation import nodes, plan
from pilothouse.engine.controllers.simulation.addresses import Addresses
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.node_objects import is_simulated
from tests.simulation.objects import container

NOW = 1_767_225_600.0


def pod(owner: str = "", status: Any = None, **spec: Any) -> Object:
    owners = [{"kind": owner, "name": "o", "uid": "o", "controller": True, "apiVersion": "v1"}] if owner else []
    metadata = {"name": "p", "namespace": "ns", "uid": "u", "ownerReferences": owners}
    return {"metadata": metadata, "spec": {"containers": [container()]} | spec, "status": status or {"phase": "Pending"}}


def after(pod: Object) -> Object:
    """The pod with what becomes of it."""
    patch = plan.status(pod, "198.19.0.1", "198.18.0.1", NOW)
    assert patch is not None
    conditions = {each["type"]: each for each in (*pod["status"].get("conditions", ()), *patch["conditions"])}
    return pod | {"status": pod["status"] | patch | {"conditions": list(conditions.values())}}


def test_a_pod_runs_and_is_ready_at_once_and_stays_so() -> None:
    found = after(pod(initContainers=[container("i"), container("s", restartPolicy="Always")]))
    status = found["status"]
    assert (status["phase"], status["podIP"], status["hostIP"]) == ("Running", "198.18.0.1", "198.19.0.1")
    assert all(meta.is_true(found, each) for each in ("Initialized", "ContainersReady", "Ready"))
    assert [list(each["state"]) for each in (*status["initContainerStatuses"], *status["containerStatuses"])] == [
        *(["terminated"], ["running"], ["running"]),
    ]
    assert plan.status(found, "198.19.0.1", "198.18.0.1", NOW) is None


def test_a_pod_of_a_job_has_done_its_work_after_that() -> None:
    running = after(pod("Job"))
    assert running["status"]["phase"] == "Running"
    done = after(running)
    assert (done["status"]["phase"], meta.is_true(done, "Ready")) == ("Succeeded", False)
    assert done["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert plan.status(done, "198.19.0.1", "198.18.0.1", NOW) is None
    assert plan.status(after(pod("ReplicaSet")), "198.19.0.1", "198.18.0.1", NOW) is None


def test_a_pod_is_ready_when_its_gates_let_it() -> None:
    gated = after(pod(readinessGates=[{"conditionType": "example.com/lb"}]))
    assert (gated["status"]["phase"], meta.is_true(gated, "Ready")) == ("Running", False)
    gated["status"]["conditions"].append({"type": "example.com/lb", "status": "True"})
    assert meta.is_true(after(gated), "Ready")


def test_nodes_are_told_by_name_and_label_and_keep_others_away() -> None:
    node = nodes.node(7, "v1.36.2", NOW)
    assert (meta.name(node), nodes.number_of(meta.name(node)), is_simulated(node)) == ("simulated-0007", 7, True)
    assert node["spec"]["taints"] == [{"key": "node.pilothouse.dev/simulated", "value": "true", "effect": "NoSchedule"}]
    assert [nodes.number_of(each) for each in ("simulated-7", "simulated-00007", "simulated-x", "node-1")] == [None] * 4
    assert not is_simulated({"metadata": {"name": "worker", "labels": {"node.pilothouse.dev/simulated": "true"}}})
    assert nodes.address_of(4_999) == "198.19.19.136"


def test_every_number_has_an_address_and_there_are_none_beyond_the_network() -> None:
    assert (nodes.number_of("simulated-65533"), nodes.address_of(65_533)) == (65_533, "198.19.255.254")
    assert [nodes.number_of(f"simulated-{each}") for each in (65_534, 65_535, 70_000)] == [None] * 3


def test_an_address_is_given_once_until_it_is_released() -> None:
    addresses = Addresses(nodes.IPv4Network("198.18.0.0/30"))
    addresses.take("198.18.0.1")
    assert (addresses.give(), addresses.give()) == ("198.18.0.2", None)
    addresses.release(["198.18.0.1"])
    assert addresses.give() == "198.18.0.1"
    assert "198.18.0.2" in addresses
    assert "10.0.0.1" not in addresses
