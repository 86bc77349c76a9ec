"""A DaemonSet through kubectl, on the one node that there is."""

from typing import Any

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.node import NAME
from tests.clients.objects import deployment

WAIT = "--timeout=15s"


def daemon_set(name: str = "agent", **spec: Any) -> dict[str, Any]:
    made = deployment(name)
    kept = {key: value for key, value in made["spec"].items() if key != "replicas"}
    return made | {"kind": "DaemonSet", "spec": kept | spec}


@pytest.fixture
def agent(kubectl: Kubectl) -> Kubectl:
    """A DaemonSet that has been rolled out."""
    kubectl.apply(daemon_set())
    kubectl("rollout", "status", "daemonset/agent", WAIT)
    return kubectl


def roll(agent: Kubectl, image: str) -> str:
    agent("set", "image", "daemonset/agent", f"main={image}")
    return agent("rollout", "status", "daemonset/agent", WAIT)


def test_rollout_history_and_undo(agent: Kubectl) -> None:
    assert 'daemon set "agent" successfully rolled out' in roll(agent, "nginx:2")
    assert "nginx:1" in agent("rollout", "history", "daemonset/agent", "--revision=1")
    assert agent("rollout", "undo", "daemonset/agent") == "daemonset.apps/agent rolled back\n"
    agent("rollout", "status", "daemonset/agent", WAIT)
    assert agent("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}") == "nginx:1"


def test_restart_replaces_the_pod(agent: Kubectl) -> None:
    before = agent("get", "pods", "-o", "name")
    agent("rollout", "restart", "daemonset/agent")
    agent("rollout", "status", "daemonset/agent", WAIT)
    assert agent("get", "pods", "-o", "name") != before


def test_table_and_description(agent: Kubectl) -> None:
    header, row = agent("get", "ds").splitlines()
    assert header.split() == ["NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE", "SELECTOR", "AGE"]
    assert row.split()[:7] == ["agent", "1", "1", "1", "1", "1", "<none>"]
    text = agent("describe", "daemonset", "agent")
    assert "Desired Number of Nodes Scheduled: 1" in text
    assert "Created pod: agent-" in text
    assert NAME in agent("get", "pods", "-o", "wide")


def test_deleting_it_takes_its_pods_along(agent: Kubectl) -> None:
    agent("delete", "daemonset", "agent", "--cascade=foreground", WAIT)
    assert agent("get", "pods,controllerrevisions", "-o", "name", "-l", "app=agent") == ""
