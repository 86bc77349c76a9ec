"""Three nodes of one machine whose way to each other changes while pods talk."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.instance import Instance, require_rights, started
from tests.e2e.test_nodes import ask, load_image, nodes, run_web

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280), pytest.mark.slow]
VNI = "4242"
"""Not the default one: other instances of this machine may have that."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Instance]:
    with started(4, "--no-platform", "--nodes", "3") as made:
        for home in (made.home, made.home / "nodes" / "2", made.home / "nodes" / "3"):
            load_image(home)
        yield made
        require_rights(made)


def set_backend(cluster: Instance, *words: str) -> "subprocess.CompletedProcess[str]":
    return cluster.ph("network", "set", *words, "--timeout", "30s")


def test_pods_of_all_nodes_reach_each_other_by_every_back_end_and_are_not_touched_by_a_change(cluster: Instance) -> None:
    pods = {f"web-{number}": run_web(cluster, f"web-{number}", node) for number, node in enumerate(sorted(nodes(cluster)))}
    before = {name: cluster.get("pod", name)["status"]["containerStatuses"][0]["containerID"] for name in pods}
    for words in (["--backend", "vxlan", "--vni", VNI], ["--direct-routing"], ["--backend", "routes"]):
        set_backend(cluster, *words)
        for asker in pods:
            for name, address in pods.items():
                assert ask(cluster, asker, address, 8080) == name, (words, asker, name)
    after = {name: cluster.get("pod", name)["status"]["containerStatuses"][0]["containerID"] for name in pods}
    assert after == before
    shown = json.loads(cluster.ph("network", "show", "-o", "json").stdout)
    assert [(each["backend"], each["follows"]) for each in shown["nodes"]] == [("Routes", True)] * 3
