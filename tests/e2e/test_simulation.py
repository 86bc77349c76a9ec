"""A cluster of nodes that are no machines, beside the real one, with a profile of the scheduler; through the second day."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.instance import Instance, eventually, require_rights, started

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(280)]

PROFILES = """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  plugins:
    score: {disabled: [{name: PodTopologySpread}, {name: NodeResourcesBalancedAllocation}, {name: ImageLocality}]}
    preScore: {disabled: [{name: PodTopologySpread}, {name: NodeResourcesBalancedAllocation}]}
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu}]}}
"""
SIMULATED = "node.pilothouse.dev/simulated"
TOLERATION = {"key": SIMULATED, "operator": "Exists"}
REPLICAS = 60


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Instance]:
    config = tmp_path / "scheduler.yaml"
    config.write_text(PROFILES)
    with started(8, "--no-platform", "--simulate-nodes", "30", "--scheduler-config", str(config)) as made:
        yield made


def crowd(scheduler: str) -> dict[str, Any]:
    container = {"name": "main", "image": "nothing:1", "resources": {"requests": {"cpu": "1"}}}
    pod = {"schedulerName": scheduler, "nodeSelector": {SIMULATED: "true"}, "tolerations": [TOLERATION], "containers": [container]}
    labels = {"app": scheduler}
    template = {"metadata": {"labels": labels}, "spec": pod}
    wanted = {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": scheduler}, "spec": wanted}


def places(cluster: Instance, app: str) -> "Counter[str]":
    return Counter(each["spec"].get("nodeName", "") for each in cluster.get("pods", "-l", f"app={app}")["items"])


def ready(cluster: Instance) -> int:
    nodes = cluster.get("nodes", "-l", f"{SIMULATED}=true")["items"]
    return sum(each["type"] == "Ready" and each["status"] == "True" for node in nodes for each in node["status"]["conditions"])


def test_simulated_nodes_take_pods_as_profiles_say_outlive_a_crash_and_go_when_they_are_not_wanted(cluster: Instance) -> None:
    eventually(lambda: ready(cluster) == 30)
    assert "simulated 30 of 30 nodes ready" in cluster.ph("status").stdout
    for scheduler in ("default-scheduler", "packing"):
        cluster.kubectl("apply", "-f", "-", input=json.dumps(crowd(scheduler)))
        cluster.kubectl("rollout", "status", f"deployment/{scheduler}", "--timeout=60s")
    assert set(places(cluster, "default-scheduler").values()) == {2}
    assert len(places(cluster, "packing")) <= 4
    said = cluster.kubectl("logs", "deployment/packing", check=False).stderr
    assert "is simulated: its pods run nothing" in said

    # Nobody is lost while the control plane is away.
    os.kill(cluster.daemon_pid, signal.SIGKILL)
    eventually(lambda: cluster.kubectl("get", "--raw", "/readyz", check=False).returncode == 0)
    cluster.kubectl("scale", "deployment/packing", "--replicas=5")
    eventually(lambda: sum(places(cluster, "packing").values()) == 5)
    assert ready(cluster) == 30

    cluster.kubectl("run", "lost", "--image=nothing:1", "--overrides", json.dumps({"spec": {"schedulerName": "unknown"}}))
    assert "there are default-scheduler and packing" in eventually(lambda: cluster.ph("why", "pod/lost").stdout)

    cluster.ph("down")
    cluster.ph("up", "--simulate-nodes", "0", "--scheduler-config", "")
    eventually(lambda: ready(cluster) == 0)
    eventually(lambda: not any(name.startswith("simulated-") for name in places(cluster, "default-scheduler")), deadline_s=90)
    require_rights(cluster)


def test_a_configuration_that_cannot_be_is_refused_and_changes_nothing(cluster: Instance, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(PROFILES.replace("MostAllocated", "Most"))
    cluster.ph("down")
    refused = cluster.ph("up", "--scheduler-config", str(wrong), check=False)
    assert refused.returncode == 1
    assert "scoringStrategy.type cannot be 'Most'" in refused.stderr
    assert refused.stderr.count("\n") == 1
    cluster.ph("up")
    assert "packing" in cluster.get("configmap", "pilothouse-schedulers", "-n", "kube-public")["data"]["names"]
