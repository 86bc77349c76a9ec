"""The drain contract: an app without preStop that ends at the first SIGTERM is updated again and again, and no request fails.

An endpoint leaves every proxy of every node before its pod is told to end. wrk asks on each node, through the Service's cluster address,
its node port and its load balancer, each request over a connection of its own.
"""

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilothouse.cli.settings.home import Home
from tests.e2e.instance import Instance, started
from tests.e2e.network.test_faults import load_image

pytestmark = pytest.mark.containers
APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: "docker.io/test/busybox:1"
        command: ["sh", "-c", "trap 'exit 0' TERM; mkdir /w; hostname > /w/index.html; httpd -f -p 8080 -h /w & wait"]
        readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
        resources: {requests: {cpu: 100m}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 8088, targetPort: 8080}]}
"""
PACE = "function delay() return 10 end\n"
ERRORS = re.compile(r"Socket errors: (.*)|Non-2xx or 3xx responses: (\d+)")


@dataclass
class Load:
    """wrk processes by what they ask; `end` says what each has met."""

    script: Path
    running: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)

    def ask(self, title: str, pid: int, url: str) -> None:
        """pid: of a process in the network that it asks from."""
        wrk = ["wrk", "-t1", "-c2", "-d600", "--timeout", "5s", "-s", str(self.script), "-H", "Connection: close", url]
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", *wrk]
        self.running[title] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self) -> dict[str, tuple[int, str]]:
        """Requests that were answered, and errors, by title."""
        found = {}
        for process in self.running.values():
            process.send_signal(2)
        for title, process in self.running.items():
            said = process.communicate(timeout=20)[0]
            answered = re.search(r"(\d+) requests in", said)
            slowest = re.search(r"Latency +\S+ +\S+ +(\S+)", said)
            errors = "; ".join(match.group(0) for match in ERRORS.finditer(said))
            found[title] = int(answered.group(1)) if answered else 0, errors and f"{errors}; slowest {slowest and slowest.group(1)}"
        return found


@contextlib.contextmanager
def load(script: Path) -> Iterator[Load]:
    script.write_text(PACE)
    made = Load(script)
    try:
        yield made
    finally:
        for process in made.running.values():
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def drain(cluster: Instance, updates: int, replicas: int, script: Path) -> dict[str, tuple[int, str]]:
    homes = [cluster.home, *(each.path for each in Home(cluster.home).further())]
    for home in homes:
        load_image(home)
    cluster.kubectl("apply", "-f", "-", input=APP.replace("REPLICAS", str(replicas)))
    cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    service = cluster.get("service", "web")
    outside = [each["ip"] for each in service["status"]["loadBalancer"]["ingress"]]
    assert len(outside) == len(homes)
    node_port, inside = service["spec"]["ports"][0]["nodePort"], service["spec"]["clusterIP"]
    nodes = cluster.get("nodes")["items"]
    own = [next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP") for node in nodes]
    with load(script) as asking:
        for number, home in enumerate(homes):
            pid = int((home / "run" / "node.pid").read_text().split()[0])
            asking.ask(f"cluster address from {number}", pid, f"http://{inside}:8088/")
            asking.ask(f"node port of {number}", pid, f"http://{own[number]}:{node_port}/")
            asking.ask(f"load balancer of {number}", pid, f"http://{outside[number]}:8088/")
        time.sleep(1)
        for number in range(updates):
            cluster.kubectl("set", "env", "deploy/web", f"UPDATE={number}")
            cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s")
        time.sleep(2)
        return asking.end()


def check(met: dict[str, tuple[int, str]]) -> None:
    assert {title: errors for title, (_, errors) in met.items() if errors} == {}
    assert all(answered > 100 for answered, _ in met.values()), met


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_request_fails_during_fifty_updates_over_three_nodes(tmp_path: Path) -> None:
    with started(4, "--no-platform", "--nodes", "3") as cluster:
        check(drain(cluster, 50, 3, tmp_path / "pace.lua"))
