"""A log agent on every node by helm: it finds the logs of pods where agents of the public look for them, and loses none."""

from collections.abc import Callable

import pytest

from tests.e2e.charts.release import Release, down_and_up, restart_node
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(400)]


def settings(release: Release) -> list[str]:
    """What the agent has on the machine lies in the instance's home, and goes with it."""
    folder = release.instance.home / "agents" / release.namespace
    return ["--set", f"stateFolder={folder}/state", "--set", f"dockerContainers={folder}/docker"]


@pytest.fixture
def agent(images: Callable[..., str], release: Callable[[str], Release]) -> Release:
    images("rsyslog", "8.2302", "8.2302-r1")
    return release("a")


def speak(agent: Release, name: str, text: str) -> None:
    """A pod that says one line and ends."""
    image = agent.get("daemonset", "a-agent")["spec"]["template"]["spec"]["containers"][0]["image"]
    agent.kubectl("run", name, f"--image={image}", "--restart=Never", "--command", "--", "echo", text)


def collected(agent: Release) -> str:
    return agent.sh("deployment/a-collector", "cat /collected/all.log", check=False)


def has_come(agent: Release, name: str, text: str) -> None:
    """The line is there once, with the node it comes from and the file that names its pod."""
    node = agent.get("nodes")["items"][0]["metadata"]["name"]

    def lines() -> list[str]:
        return [line for line in collected(agent).splitlines() if text in line]

    (line,) = eventually(lines, 30, 0.5)
    assert line.startswith(f"{node} /var/log/containers/{name}_{agent.namespace}_{name}-")
    assert line.endswith(f"stdout F {text}")


def test_an_agent_gathers_the_logs_of_the_nodes_pods_over_its_whole_life(agent: Release) -> None:
    helm, own = agent.helm, settings(agent)
    helm.install("a", "log-agent", *own)
    speak(agent, "first", "hello-from-first")
    has_come(agent, "first", "hello-from-first")
    helm.upgrade("a", "log-agent", *own, "--set", "image.tag=8.2302-r1", "--set", "resources.requests.cpu=12m")
    agent.kubectl("rollout", "status", "daemonset/a-agent", "--timeout=60s")
    speak(agent, "second", "hello-from-second")
    has_come(agent, "second", "hello-from-second")
    helm.rollback("a", 1)
    agent.kubectl("delete", "pod", "-l", "app.kubernetes.io/component=agent")
    agent.is_ready(1, "agent")
    restart_node(agent.instance)
    down_and_up(agent.instance)
    speak(agent, "third", "hello-from-third")
    has_come(agent, "third", "hello-from-third")
    agent.kubectl("delete", "pod", "third")
    helm.uninstall("a")
    agent.is_gone()
    helm.install("a", "log-agent", *own)
    speak(agent, "fourth", "hello-from-fourth")
    has_come(agent, "fourth", "hello-from-fourth")
    helm.uninstall("a")
