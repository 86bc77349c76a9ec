"""Control plane and node as processes: each may be stopped, wedged or killed, and nothing that was acknowledged or runs is lost."""

import contextlib
import json
import os
import random
import shutil
import signal
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import free
from tests.e2e.instance import Instance, eventually
from tests.e2e.test_lifecycle import container_ids, run_sleeper

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]


@pytest.fixture
def working(alone: Instance) -> Instance:
    """Up, whatever the test before has left."""
    alone.up("--if-needed", "--no-platform")
    return alone


def pid(instance: Instance, role: str) -> int:
    name = "pilothouse" if role == "control" else role
    return int((instance.home / "run" / f"{name}.pid").read_text().split()[0])


def has_unread_requests(instance: Instance) -> bool:
    """Whether the kernel holds bytes for the API server that it has not read."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, _, queues, *_ = line.split()
        if int(local.rpartition(":")[2], 16) == instance.api_port and int(queues.rpartition(":")[2], 16) > 0:
            return True
    return False


def answers(instance: Instance) -> bool:
    return instance.kubectl("get", "nodes", "--request-timeout=5s", check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("role", ["control", "node"])
def test_down_and_up_work_while_a_process_is_stopped(working: Instance, role: str) -> None:
    os.kill(pid(working, role), signal.SIGSTOP)
    told = working.ph("status", check=False)
    assert told.returncode == 1
    assert "has been stopped by a signal" in told.stderr
    refused = working.up("--if-needed", check=False)
    assert refused.returncode == 1
    assert "does not work" in refused.stderr
    began = time.monotonic()
    assert working.ph("down").stdout.startswith("stopped")
    assert time.monotonic() - began < 30
    working.up("--no-platform")
    assert answers(working)


def test_a_killed_process_loses_no_acknowledged_write_and_restarts_no_container(working: Instance, busybox: str) -> None:
    run_sleeper(working, busybox)
    ids = container_ids(working)
    written = []
    for round_ in range(6):
        name = f"kept-{round_}"
        working.kubectl("create", "configmap", name)
        written.append(name)
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(pid(working, random.choice(["control", "node"])), signal.SIGKILL)
        eventually(lambda: answers(working))
    eventually(lambda: working.ph("status", check=False).returncode == 0)
    assert {item["metadata"]["name"] for item in working.get("configmaps")["items"]} >= set(written)
    assert container_ids(working) == ids
    assert [s["restartCount"] for s in working.get("pod", "sleeper")["status"]["containerStatuses"]] == [0]
    working.kubectl("delete", "pod/sleeper")


def is_another(working: Instance, former: int) -> bool:
    return pid(working, "control") != former


@pytest.mark.slow
def test_a_process_that_had_worked_is_started_again_at_once_each_time(working: Instance) -> None:
    for _ in range(4):
        eventually(lambda: (working.home / "run" / "control.worked").exists())
        former = pid(working, "control")
        os.kill(former, signal.SIGKILL)
        began = time.monotonic()
        eventually(partial(is_another, working, former))
        assert time.monotonic() - began < 15  # the fourth pause of one that never worked is longer


@pytest.mark.slow
def test_the_node_goes_on_while_the_control_plane_is_away(working: Instance, busybox: str) -> None:
    run_sleeper(working, busybox)
    os.kill(pid(working, "control"), signal.SIGSTOP)
    node = pid(working, "node")
    eventually(lambda: has_unread_requests(working))
    os.kill(pid(working, "control"), signal.SIGCONT)
    eventually(lambda: answers(working))
    assert pid(working, "node") == node
    assert working.kubectl("exec", "sleeper", "--", "echo", "hello").stdout == "hello\n"
    working.kubectl("delete", "pod/sleeper")


def test_the_nodes_own_api_is_reached_through_the_api_server_and_again_after_its_process_was_killed(working: Instance) -> None:
    (node,) = working.get("nodes")["items"]
    name, port = node["metadata"]["name"], node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]

    def asked(path: str) -> str:
        return working.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy{path}", check=False).stdout

    assert json.loads(asked("/stats/summary"))["node"]["nodeName"] == name
    assert "node_memory_working_set_bytes" in asked("/metrics/resource")
    os.kill(pid(working, "node"), signal.SIGKILL)
    eventually(lambda: asked("/healthz") == "ok", 60)
    stranger = ssl.create_default_context(cafile=str(working.home / "pki/ca.crt"))
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"https://127.0.0.1:{port}/healthz", context=stranger)


def test_fields_that_the_cluster_sets_belong_to_managers_that_clients_know(working: Instance) -> None:
    working.kubectl("create", "deployment", "managed", "--image=docker.io/test/busybox:1", "--replicas=0")
    node = working.get("nodes", "--show-managed-fields")["items"][0]
    wanted = {"kubectl-create", "kube-controller-manager"}
    eventually(lambda: managers(working.get("deployment", "managed", "--show-managed-fields")) >= wanted)
    assert "kubelet" in managers(node)
    working.kubectl("delete", "deployment", "managed")


def managers(obj: Any) -> set[str]:
    return {each["manager"] for each in obj["metadata"]["managedFields"]}


@pytest.mark.slow
def test_killing_everything_leaves_nothing_in_the_way_of_up(working: Instance) -> None:
    """Supervisors first: what is left over is the instance's own and is taken back."""
    for path in sorted((working.home / "run").glob("*.pid"), key=lambda path: "supervisor" not in path.name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(path.read_text().split()[0]), signal.SIGKILL)
    assert working.up("--no-platform").returncode == 0
    assert answers(working)


@pytest.mark.slow
def test_a_first_start_that_fails_leaves_nothing_that_binds_the_next() -> None:
    home = Path(tempfile.mkdtemp(prefix="pht-first-"))
    failing = Instance(home, 4)
    try:
        (home / "store.db").write_bytes(b"not a database at all" * 500)
        refused = failing.up("--no-platform", check=False)
        assert refused.returncode == 1
        assert "store.db" in refused.stderr
        assert not (home / "settings.json").exists()
        assert (home / "store.db").exists()
        (home / "store.db").unlink()
        networks = ("--pod-cidr", free.network(171), "--service-cidr", free.network(181))
        other = failing.ph("up", "--no-platform", *networks, "--port", "16499")
        assert other.returncode == 0
    finally:
        failing.ph("destroy", "--yes", check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.slow
def test_two_instances_without_options_stand_side_by_side() -> None:
    homes = [Path(tempfile.mkdtemp(prefix="pht-side-")) for _ in range(2)]
    pair = [Instance(home, 0) for home in homes]
    try:
        told = [each.ph("up", "--no-platform") for each in pair]
        assert "using" in told[1].stderr
        assert all(answers(each) for each in pair)
        servers = {each.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").stdout for each in pair}
        names = {each.kubectl("config", "current-context").stdout for each in pair}
        assert (len(servers), len(names)) == (2, 2)
    finally:
        for each in pair:
            each.ph("destroy", "--yes", check=False)
            shutil.rmtree(each.home, ignore_errors=True)
