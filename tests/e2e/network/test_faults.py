"""Agents that are killed, hosts that are cut off from each other: what pods say to each other goes on, or comes back by itself."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilothouse.cli.settings.home import Home
from tests.e2e.instance import Instance, eventually, started
from tests.e2e.test_nodes import load_image

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(400)]

LOST_S = 75
"""After which a node that is not heard of has lost its endpoints: 40 s until it is not ready, and what a busy machine adds."""
WEB = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: web}}
spec:
  nodeName: NODE
  terminationGracePeriodSeconds: 1
  tolerations: [{operator: Exists}]
  containers:
  - name: c
    image: "docker.io/test/busybox:1"
    command: ["sh", "-c", "mkdir /w; hostname > /w/index.html; exec httpd -f -p 8080 -h /w"]
    readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
ASKING = """
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  nodeName: NODE
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: "docker.io/test/busybox:1"
    command:
    - sh
    - -c
    - |
      n=0; echo begins
      while :; do
        if printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 WHERE | grep -q 200; then n=$((n+1)); else echo FAILED; fi
        [ $((n % 20)) = 0 ] && echo "answered $n"
        usleep 20000
      done
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Instance]:
    with started(7, "--no-platform", "--nodes", "3") as made:
        for home in (made.home, *(each.path for each in Home(made.home).further())):
            load_image(home)
        for number, node in enumerate(nodes(made)):
            made.kubectl("apply", "-f", "-", input=WEB.replace("NAME", f"web-{number}").replace("NODE", node))
        made.kubectl("wait", "pod", "-l", "app=web", "--for=condition=Ready", "--timeout=60s")
        yield made


def nodes(cluster: Instance) -> list[str]:
    return sorted((node["metadata"]["name"] for node in cluster.get("nodes")["items"]), key=lambda name: (len(name), name))


def ask_from(cluster: Instance, name: str, node: str, address: str, port: int) -> None:
    """A pod that asks the server there for as long as it runs."""
    where = f"{address} {port}"
    cluster.kubectl("apply", "-f", "-", input=ASKING.replace("NAME", name).replace("NODE", node).replace("WHERE", where))
    cluster.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")


def said(cluster: Instance, name: str) -> list[str]:
    """What it has printed, once its node's agent answers."""
    return str(eventually(lambda: cluster.kubectl("logs", name, check=False).stdout, 60)).splitlines()


def answered(cluster: Instance, name: str) -> int:
    return max((int(line.split()[1]) for line in said(cluster, name) if line.startswith("answered ")), default=0)


def address(cluster: Instance, pod: str) -> str:
    return str(cluster.get("pod", pod)["status"]["podIP"])


def ready_endpoints(cluster: Instance) -> int:
    slices = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    return sum(bool(each["conditions"]["ready"]) for slice_ in slices for each in slice_["endpoints"] or ())


def processes(cluster: Instance) -> list[Callable[[], int]]:
    """The pid of each node's process, as it is when asked."""
    homes = [cluster.home, *(each.path for each in Home(cluster.home).further())]
    return [lambda home=home: int((home / "run" / "node.pid").read_text().split()[0]) for home in homes]  # type: ignore[misc]


def in_kernel(cluster: Instance) -> list[str]:
    """Routes to the cluster's pods, and its tables."""
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout.splitlines()
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.splitlines()
    pods, instance = address(cluster, "web-0").rpartition(".")[0].rpartition(".")[0], Home(cluster.home).instance
    return sorted([line for line in routes if f"{pods}." in line] + [line for line in tables if instance in line])


def test_nothing_is_lost_on_the_wire_while_agents_are_killed(cluster: Instance) -> None:
    first, second, third = nodes(cluster)
    service = cluster.get("service", "web")["spec"]["clusterIP"]
    ask_from(cluster, "by-service", second, service, 80)
    ask_from(cluster, "by-address", third, address(cluster, "web-0"), 8080)
    ask_from(cluster, "from-first", first, address(cluster, "web-2"), 8080)
    asking = ("by-service", "by-address", "from-first")
    before = in_kernel(cluster)
    for _ in range(6):
        of = random.choice(processes(cluster))
        killed = of()
        time.sleep(random.random() * 2)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda of=of, killed=killed: Path(f"/proc/{of()}").exists() and of() != killed, 60)  # type: ignore[misc]
    eventually(lambda: all(_is_ready(node) for node in cluster.get("nodes")["items"]), 90)
    counts = {name: answered(cluster, name) for name in asking}
    eventually(lambda: all(answered(cluster, name) > counts[name] for name in asking), 60)
    assert {name: said(cluster, name).count("FAILED") for name in asking} == dict.fromkeys(asking, 0)
    assert in_kernel(cluster) == before
    cluster.kubectl("delete", "pod", *asking)


def _is_ready(node: dict[str, object]) -> bool:
    status = node["status"]
    assert isinstance(status, dict)
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status["conditions"])


def test_a_node_that_is_cut_off_loses_its_endpoints_and_has_them_again_when_the_link_is_back(cluster: Instance) -> None:
    first, _, third = nodes(cluster)
    ask_from(cluster, "by-service", first, cluster.get("service", "web")["spec"]["clusterIP"], 80)
    link = f"phn3-{Home(cluster.home).instance}"
    assert ready_endpoints(cluster) == 3
    subprocess.run(["ip", "link", "set", link, "down"], check=True)
    try:
        began = time.monotonic()
        eventually(lambda: ready_endpoints(cluster) == 2, LOST_S)
        assert time.monotonic() - began > 5
        failed = said(cluster, "by-service").count("FAILED")
        time.sleep(5)
        assert said(cluster, "by-service").count("FAILED") <= failed + 1
    finally:
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
    eventually(lambda: ready_endpoints(cluster) == 3, 60)
    ask_from(cluster, "across", third, address(cluster, "web-0"), 8080)
    eventually(lambda: answered(cluster, "across") > 0)
    cluster.kubectl("delete", "pod", "by-service", "across")
