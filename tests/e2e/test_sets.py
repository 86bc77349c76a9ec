"""Sets of pods in real containers: members that find each other by name, and a pod on every node."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

SLEEPER = "trap 'exit 0' TERM; sleep 1000 & wait"


def set_of(kind: str, name: str, image: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", SLEEPER]}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


@pytest.fixture
def apply(instance: Instance, namespace: str, busybox: str) -> Iterator[Any]:
    instance.load_image(busybox)

    def apply(*objects: dict[str, Any]) -> None:
        for each in objects:
            instance.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(each))

    return apply


def test_members_of_a_stateful_set_find_each_other_by_name_also_after_they_were_replaced(
    instance: Instance, namespace: str, busybox: str, apply: Any
) -> None:
    def kubectl(*args: str, check: bool = True) -> str:
        return instance.kubectl("-n", namespace, *args, check=check).stdout

    def members() -> dict[str, str]:
        """Addresses of the members, by the names by which one of them finds them."""
        pods = instance.get("pods", "-n", namespace, "-l", "app=db")["items"]
        return {f"{each['metadata']['name']}.db.{namespace}.svc.cluster.local": each["status"].get("podIP", "") for each in pods}

    def find_each_other() -> bool:
        asked = {name: kubectl("exec", "db-0", "--", "nslookup", name, check=False).split() for name in members()}
        return len(asked) == 3 and all(members()[name] in said for name, said in asked.items())

    service = {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 8080}]}
    apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": service},
        set_of("StatefulSet", "db", busybox, replicas=3, serviceName="db"),
    )
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    eventually(find_each_other)
    assert kubectl("exec", "db-1", "--", "hostname") == "db-1\n"
    before = kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}").split()
    kubectl("set", "env", "statefulset/db", "ROUND=2")
    kubectl("rollout", "status", "statefulset/db", "--timeout=90s")
    assert not set(before) & set(kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}").split())
    eventually(find_each_other)
    kubectl("delete", "statefulset", "db", "--cascade=foreground", "--timeout=30s")
    assert kubectl("get", "pods", "-o", "name") == ""


def test_a_daemon_runs_on_the_node(instance: Instance, namespace: str, busybox: str, apply: Any) -> None:
    apply(set_of("DaemonSet", "agent", busybox))
    instance.kubectl("-n", namespace, "rollout", "status", "daemonset/agent", "--timeout=60s")
    (node,), (pod,) = instance.get("nodes")["items"], instance.get("pods", "-n", namespace)["items"]
    assert pod["spec"]["nodeName"] == node["metadata"]["name"]
