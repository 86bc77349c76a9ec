"""A node process that stands still for longer than the cluster waits for it: everything is what it was, soon after it goes on."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.instance import Instance, eventually, started
from tests.e2e.test_processes import pid

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

STOPPED_S = 60
READY = '{.status.conditions[?(@.type=="Ready")].status}'


@pytest.fixture
def alone() -> Iterator[Instance]:
    with started(5, "--no-platform", images=["docker.io/test/busybox:1"]) as made:
        yield made


def test_pods_and_node_are_ready_again_after_the_node_stood_still_for_a_minute(alone: Instance) -> None:
    alone.kubectl("create", "deployment", "web", "--image=docker.io/test/busybox:1", "--", "sh", "-c", "exec httpd -f -p 8080")
    alone.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080")
    alone.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    node = alone.get("nodes")["items"][0]["metadata"]["name"]
    before = _container(alone)

    def ready_endpoints() -> int:
        slices = alone.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
        return sum(bool(each["conditions"]["ready"]) for slice_ in slices for each in slice_["endpoints"] or ())

    def is_ready(*what: str) -> bool:
        return alone.kubectl("get", *what, "-o", f"jsonpath={READY}").stdout == "True"

    os.kill(pid(alone, "node"), signal.SIGSTOP)
    try:
        eventually(lambda: not is_ready("node", node), 75)
        eventually(lambda: ready_endpoints() == 0, 30)
        time.sleep(max(0, STOPPED_S - 45))
    finally:
        os.kill(pid(alone, "node"), signal.SIGCONT)
    eventually(lambda: is_ready("node", node), 30)
    eventually(lambda: is_ready("pod", _pod(alone)), 30)
    eventually(lambda: ready_endpoints() == 1, 30)
    assert _container(alone) == before


def _pod(instance: Instance) -> str:
    name: str = instance.get("pods", "-l", "app=web")["items"][0]["metadata"]["name"]
    return name


def _container(instance: Instance) -> str:
    (status,) = instance.get("pods", "-l", "app=web")["items"][0]["status"]["containerStatuses"]
    return f"{status['containerID']} {status['restartCount']}"
