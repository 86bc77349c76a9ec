"""Probes, hooks and endings: when a pod counts as ready, and how it is let go."""

import asyncio
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.node.host import cgroups
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster, container, is_ready, pod, shell

pytestmark = pytest.mark.containers

SERVER = "mkdir -p /w; echo ok > /w/index.html; exec httpd -f -p 8080 -h /w"


def serving(delay_s: float = 0.0, **more: Any) -> Object:
    return shell(f"sleep {delay_s}; {SERVER}", ports=[{"name": "http", "containerPort": 8080}], **more)


async def test_readiness_shows_as_soon_as_the_first_check_succeeds(cluster: Cluster) -> None:
    probe = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 10}
    began = time.monotonic()
    await cluster.run(pod("web", serving(0.5, readinessProbe=probe)))
    assert time.monotonic() - began < 4


async def test_a_pod_that_stops_answering_is_no_longer_ready(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["cat", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    await cluster.run(pod("flaky", shell("touch /tmp/ok; sleep 1000 & wait", readinessProbe=probe)))
    await cluster.shell("flaky", "rm /tmp/ok")
    await cluster.until("flaky", lambda found: not is_ready(found))
    event = await cluster.said("flaky", "Unhealthy")
    assert event["message"].startswith("Readiness probe failed: ")
    await cluster.shell("flaky", "touch /tmp/ok")
    await cluster.until("flaky", is_ready)


async def test_a_container_that_fails_its_liveness_probe_is_restarted(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    await cluster.create(pod("sick", shell(livenessProbe=probe)))
    await cluster.until("sick", lambda found: container(found).get("restartCount") == 1)
    event = await cluster.said("sick", "Killing")
    assert event["message"] == "Container main failed liveness probe, will be restarted"


async def test_liveness_waits_for_the_startup_probe(cluster: Cluster) -> None:
    probes = {
        "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30},
        "livenessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1},
    }
    found = await cluster.run(pod("slow", serving(1.5, **probes)))
    assert container(found)["started"]
    assert container(found)["restartCount"] == 0


async def test_a_hook_runs_before_the_container_counts_as_running(cluster: Cluster) -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "sleep 0.3; echo hooked > /tmp/hook"]}}}
    await cluster.run(pod("hooked", shell(lifecycle=hook)))
    assert await cluster.shell("hooked", "cat /tmp/hook") == ("hooked\n", 0)


async def test_a_failing_post_start_hook_kills_the_container(cluster: Cluster) -> None:
    hook = {"postStart": {"exec": {"command": ["false"]}}}
    await cluster.create(pod("badhook", shell(lifecycle=hook)))
    await cluster.said("badhook", "FailedPostStartHook")
    await cluster.until("badhook", lambda found: container(found).get("restartCount", 0) >= 1)


@pytest.fixture
def folder(machine: Machine) -> Path:
    """Of the test's own each time, where containers reach it; it goes with the node's home."""
    return Path(tempfile.mkdtemp(prefix="test-", dir=machine.config.home))


async def test_pre_stop_comes_before_the_signal(cluster: Cluster, folder: Path) -> None:
    script = "trap 'cat /s/hook >> /s/order; echo term >> /s/order; exit 0' TERM; sleep 1000 & wait"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 0.2; echo stopping > /s/hook"]}}}
    mounts = [{"name": "s", "mountPath": "/s"}]
    volume = {"name": "s", "hostPath": {"path": str(folder)}}
    await cluster.run(pod("prestop", shell(script, lifecycle=hook, volumeMounts=mounts), volumes=[volume]))
    await cluster.delete("prestop")
    assert (folder / "order").read_text() == "stopping\nterm\n"


async def test_a_process_that_ends_at_once_is_gone_quickly(cluster: Cluster) -> None:
    await cluster.run(pod("quick"))
    began = time.monotonic()
    await cluster.delete("quick")
    assert time.monotonic() - began < 1.5


async def test_a_process_that_ignores_the_signal_is_killed_after_the_grace(cluster: Cluster) -> None:
    await cluster.run(pod("stubborn", shell("trap '' TERM; sleep 1000"), terminationGracePeriodSeconds=1))
    began = time.monotonic()
    await cluster.delete("stubborn")
    assert 0.9 < time.monotonic() - began < 5


async def test_a_shorter_grace_counts_while_the_longer_one_runs(cluster: Cluster) -> None:
    await cluster.run(pod("hurry", shell("trap '' TERM; sleep 1000"), terminationGracePeriodSeconds=60))
    await cluster.client.delete(PODS, "hurry", "default")
    await cluster.said("hurry", "Killing")
    await cluster.delete("hurry", grace_s=1, timeout_s=8)


async def test_a_forced_deletion_leaves_nothing_running(cluster: Cluster) -> None:
    await cluster.run(pod("forced", shell("trap '' TERM; sleep 1000")))
    await cluster.delete("forced", grace_s=0)
    async with asyncio.timeout(25):
        while cluster.agent.pods_here:
            await asyncio.sleep(0.02)


async def test_the_signal_waits_until_no_proxy_routes_to_the_pod(cluster: Cluster) -> None:
    found = await cluster.run(pod("routed"))
    address = found["status"]["podIP"]
    consumer = cluster.barrier.join("proxy")
    consumer.routes(frozenset({address}))
    await cluster.client.delete(PODS, "routed", "default")
    await asyncio.sleep(0.5)
    assert container(await cluster.client.get(PODS, "routed", "default"))["state"].get("running")
    consumer.routes(frozenset())
    await cluster.gone("routed")
    consumer.leave()


async def test_the_last_status_of_a_deleted_pod_says_how_it_ended(cluster: Cluster) -> None:
    await cluster.run(pod("final") | {"metadata": {"name": "final", "namespace": "default", "finalizers": ["example.com/wait"]}})
    await cluster.client.delete(PODS, "final", "default")
    found = await cluster.until("final", lambda found: found["status"]["phase"] == "Succeeded")
    assert container(found)["state"]["terminated"]["exitCode"] == 0
    assert not meta.is_true(found, "Ready")
    await cluster.client.patch(PODS, "final", {"metadata": {"finalizers": None}}, namespace="default")
    await cluster.gone("final")


async def test_an_exit_is_seen_by_a_watcher_within_a_tenth_of_a_second(cluster: Cluster, folder: Path) -> None:
    mounts = [{"name": "e", "mountPath": "/e"}]
    volume = {"name": "e", "hostPath": {"path": str(folder)}}
    script = "while [ ! -e /e/go ]; do sleep 0.01; done; date +%s.%N > /e/at; exit 7"
    await cluster.run(pod("exits", shell(script, volumeMounts=mounts), volumes=[volume], restartPolicy="Never"))
    (folder / "go").touch()
    await cluster.until("exits", lambda found: found["status"]["phase"] == "Failed")
    assert time.time() - (folder / "at").stat().st_mtime < 0.3


async def test_a_container_that_outlives_its_sandbox_runs_its_hook_and_is_told_to_end(cluster: Cluster) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >>/v/said"]}}}
    script = "cat /v/said; trap 'echo term >>/v/said; exit 0' TERM; sleep 1000 & wait"
    mounts = [{"name": "v", "mountPath": "/v"}]
    outlives = shell(script, lifecycle=hook, volumeMounts=mounts)
    made = await cluster.run(pod("outlives", outlives, volumes=[{"name": "v", "emptyDir": {}}], restartPolicy="OnFailure"))
    (pause,) = processes(cluster, made["metadata"]["uid"], "pause")
    os.kill(pause, signal.SIGKILL)
    again = await cluster.until("outlives", lambda found: is_ready(found) and container(found)["restartCount"] == 1)
    assert container(again)["lastState"]["terminated"]["exitCode"] == 0
    assert await cluster.logs("outlives") == "hook\nterm\n"


def processes(cluster: Cluster, uid: str, name: str) -> set[int]:
    """Of the pod, those of that name."""
    folder = cgroups.folder_of(cgroups.pod_parent(cluster.config.instance, uid))
    files = [file for top in cgroups.hierarchies() for file in (top / folder).rglob("cgroup.procs")]
    pids = {int(pid) for file in files for pid in file.read_text().split()}
    return {pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == name}
