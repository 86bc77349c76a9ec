"""Room for what is more important, in real containers: whose pods go for it, and whose do not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.model.quantity import Quantity
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

ENDS_SLOWLY = "trap 'sleep 2; exit 0' TERM; sleep 1000 & wait"


@pytest.fixture
def share(instance: Instance) -> str:
    """Two fifths of the processors that nobody has asked for: two pods fit, three do not."""
    (node,) = instance.get("nodes")["items"]
    pods = [each for each in instance.get("pods", "-A")["items"] if each["status"].get("phase") in ("Pending", "Running")]
    taken = [(each.get("resources") or {}).get("requests", {}).get("cpu", "0") for pod in pods for each in pod["spec"]["containers"]]
    free = Quantity.of(node["status"]["allocatable"]["cpu"]).milli_value - sum(Quantity.of(each).milli_value for each in taken)
    return f"{free * 2 // 5}m"


@pytest.fixture
def classes(instance: Instance, namespace: str) -> Iterator[dict[str, str]]:
    """Names of the classes `urgent` and `patient`, the latter of which never preempts."""
    policies = {"urgent": "PreemptLowerPriority", "patient": "Never"}
    names = {name: f"{name}-{namespace}" for name in policies}
    for name, policy in policies.items():
        wanted = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000, "preemptionPolicy": policy}
        apply(instance, "default", wanted | {"metadata": {"name": names[name]}})
    yield names
    instance.kubectl("delete", "priorityclass", *names.values(), "--wait=false", check=False)


def apply(instance: Instance, namespace: str, *objects: dict[str, Any]) -> None:
    for each in objects:
        instance.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(each))


def spec(image: str, cpu: str, **more: Any) -> dict[str, Any]:
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", ENDS_SLOWLY]}
    return {"terminationGracePeriodSeconds": 10, "containers": [container | {"resources": {"requests": {"cpu": cpu}}}], **more}


def deployment(name: str, image: str, cpu: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec(image, cpu)}
    wanted = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": wanted}


def bare(name: str, image: str, cpu: str, of_class: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec(image, cpu, priorityClassName=of_class)}


def test_the_pod_goes_that_no_budget_protects_in_its_own_time_and_a_protected_one_only_when_nothing_else_helps(
    instance: Instance, namespace: str, busybox: str, share: str, classes: dict[str, str]
) -> None:
    instance.load_image(busybox)

    def running(app: str) -> list[str]:
        found = instance.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
        return [
            pod["metadata"]["uid"]
            for pod in found
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]

    def pod(name: str) -> dict[str, Any]:
        found: dict[str, Any] = instance.get("pod", name, "-n", namespace)
        return found

    def runs(name: str) -> bool:
        return bool(pod(name)["status"].get("phase") == "Running")

    def waits(name: str) -> bool:
        conditions = pod(name)["status"].get("conditions") or ()
        return any(each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable" for each in conditions)

    budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "protected"}}}
    apply(instance, namespace, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard"}, "spec": budget})
    # The older pod counts as the more important one: without the budget the other would go.
    for name in ("other", "protected"):
        apply(instance, namespace, deployment(name, busybox, share))
        instance.kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=60s")
    eventually(lambda: instance.get("pdb", "guard", "-n", namespace)["status"].get("currentHealthy") == 1)
    (protected,), (other,) = running("protected"), running("other")

    apply(instance, namespace, bare("patient", busybox, share, classes["patient"]))
    eventually(lambda: waits("patient"))
    assert (running("protected"), running("other")) == ([protected], [other])
    assert not pod("patient")["status"].get("nominatedNodeName")

    apply(instance, namespace, bare("urgent", busybox, share, classes["urgent"]))
    eventually(lambda: pod("urgent")["status"].get("nominatedNodeName"), every_s=0.05)
    leaving = [each for each in instance.get("pods", "-n", namespace)["items"] if "deletionTimestamp" in each["metadata"]]
    assert [each["metadata"]["uid"] for each in leaving] == [other]
    target = next(each for each in leaving[0]["status"]["conditions"] if each["type"] == "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "PreemptionByScheduler")
    # It has its grace, and the room is not given away before it has ended.
    assert not pod("urgent")["spec"].get("nodeName")
    eventually(lambda: runs("urgent"))
    assert running("protected") == [protected]
    events = instance.get("events", "-n", namespace)["items"]
    assert [each["involvedObject"]["uid"] for each in events if each["reason"] == "Preempted"] == [other]

    instance.kubectl("delete", "pod", "patient", "-n", namespace)
    apply(instance, namespace, bare("second", busybox, share, classes["urgent"]))
    eventually(lambda: runs("second"))
    assert protected not in running("protected")
