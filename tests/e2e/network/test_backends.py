"""Three nodes of one machine whose way to each other changes while pods talk."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.instance import Instance, eventually, require_rights, started
from tests.e2e.test_nodes import ask, load_image, nodes, run_web

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280), pytest.mark.slow]
VNI = str(5000 + os.getpid() % 60_000)
"""Not the default one, and not that of a run beside this one: no two instances of a machine may have the same."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Instance]:
    with started(4, "--no-platform", "--nodes", "3") as made:
        for home in (made.home, made.home / "nodes" / "2", made.home / "nodes" / "3"):
            load_image(home)
        yield made
        require_rights(made)


def set_backend(cluster: Instance, *words: str) -> "subprocess.CompletedProcess[str]":
    return cluster.ph("network", "set", *words, "--timeout", "30s")


def packet_size(cluster: Instance, pod: str) -> int:
    return int(cluster.kubectl("exec", pod, "--", "cat", "/sys/class/net/eth0/mtu").stdout)


def test_pods_of_all_nodes_reach_each_other_by_every_back_end_and_are_not_touched_by_a_change(cluster: Instance) -> None:
    pods = {f"web-{number}": run_web(cluster, f"web-{number}", node) for number, node in enumerate(sorted(nodes(cluster)))}
    before = {name: cluster.get("pod", name)["status"]["containerStatuses"][0]["containerID"] for name in pods}
    # Of a further node: its link to the others is its way out, too.
    size = packet_size(cluster, "web-2")
    for words, takes in ((["--backend", "vxlan", "--vni", VNI], 50), (["--direct-routing"], 50), (["--backend", "routes"], 0)):
        set_backend(cluster, *words)
        for asker in pods:
            for name, address in pods.items():
                assert ask(cluster, asker, address, 8080) == name, (words, asker, name)
        assert eventually(lambda size=size, takes=takes: packet_size(cluster, "web-2") == size - takes)
    after = {name: cluster.get("pod", name)["status"]["containerStatuses"][0]["containerID"] for name in pods}
    assert after == before
    shown = json.loads(cluster.ph("network", "show", "-o", "json").stdout)
    assert [(each["backend"], each["follows"]) for each in shown["nodes"]] == [("Routes", True)] * 3
