"""Load balancers of an instance as they are after `ph up`, from another network namespace: reached, named, drained."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import Instance, started
from tests.e2e.network.conftest import sh
from tests.e2e.network.test_drain import APP, check, drain
from tests.e2e.network.test_faults import load_image

pytestmark = pytest.mark.containers
POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system}
spec: {addresses: [198.18.7.50-198.18.7.51]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: PORT, targetPort: 8080}]}
"""
SECOND_S = 1.0
"""Within which a Service is to be reached from outside."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Instance]:
    with started(4, "--no-platform") as made:
        load_image(made.home)
        made.kubectl("apply", "-f", "-", input=APP.replace("REPLICAS", "2"))
        made.kubectl("rollout", "status", "deploy/web", "--timeout=60s")
        yield made


@pytest.fixture(scope="module")
def outside(cluster: Instance) -> Iterator[list[str]]:
    """The words before a command that runs in a namespace on a link of its own, with the machine as its router."""
    name, link = f"pht-out-{os.getpid()}", f"pht{os.getpid() % 100000}"
    sh("ip", "netns", "add", name)
    try:
        sh("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        sh("ip", "addr", "add", "198.18.7.1/24", "dev", link)
        sh("ip", "link", "set", link, "up")
        for command in ("addr add 198.18.7.2/24 dev eth0", "link set eth0 up", "route add default via 198.18.7.1"):
            sh("ip", "-n", name, *command.split())
        yield ["ip", "netns", "exec", name]
    finally:
        sh("ip", "netns", "delete", name)
        with contextlib.suppress(AssertionError):
            sh("ip", "link", "delete", link)


def reached_after(cluster: Instance, outside: list[str], address: str, name: str, port: int) -> float:
    """Seconds from when the Service was made until it answered."""
    cluster.kubectl("create", "-f", "-", input=SERVICE.replace("NAME", name).replace("PORT", str(port)))
    began = time.monotonic()
    while subprocess.run([*outside, "curl", "-sf", "--max-time", "1", f"http://{address}:{port}/"], capture_output=True).returncode:
        assert time.monotonic() - began < 15, cluster.kubectl("describe", "service", name).stdout
    return time.monotonic() - began


def own_address(cluster: Instance) -> str:
    ingress = cluster.get("service", "web")["status"]["loadBalancer"]["ingress"]
    return str(ingress[0]["ip"])


def test_a_load_balancer_is_reached_from_another_namespace_at_once(cluster: Instance, outside: list[str]) -> None:
    took = min(reached_after(cluster, outside, own_address(cluster), f"at-node-{number}", 8090 + number) for number in range(3))
    assert took < SECOND_S
    cluster.kubectl("create", "-f", "-", input=SERVICE.replace("NAME", "late").replace("PORT", "8090"))
    why = json.loads(cluster.ph("why", "service/late", "-o", "json", check=False).stdout)
    assert "default/at-node-0's" in why["sentence"]
    rows = json.loads(cluster.ph("lb", "-o", "json").stdout)["services"]
    assert {row["name"]: bool(row["addresses"]) for row in rows}["late"] is False


def test_no_request_fails_during_updates_on_one_node(cluster: Instance, tmp_path: Path) -> None:
    check(drain(cluster, 3, 2, tmp_path / "pace.lua"))


def test_an_address_of_a_pool_is_reached_on_its_link(cluster: Instance, outside: list[str]) -> None:
    cluster.kubectl("apply", "-f", "-", input=POOL)
    cluster.kubectl("delete", "service", "--all")
    assert reached_after(cluster, outside, "198.18.7.50", "at-pool", 80) < 3 * SECOND_S
    # The machine that has the address asks from it.
    sh("curl", "-sf", "--max-time", "2", "http://198.18.7.50/")
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    time.sleep(1)
    listed = json.loads(cluster.ph("lb", "-o", "json").stdout)
    assert listed["services"][0]["announcedBy"] == [node]
    assert listed["pools"] == [{"name": "lan", "addresses": ["198.18.7.50-198.18.7.51"], "used": 1, "free": 1, "problem": ""}]
    assert node in cluster.ph("why", "service/at-pool").stdout
