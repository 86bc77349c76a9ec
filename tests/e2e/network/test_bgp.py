"""Three nodes of one machine that speak BGP with each other and with a router outside, while pods talk."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.cli.settings.home import Home
from tests.e2e.instance import Instance, eventually, require_rights, started
from tests.e2e.test_nodes import ask, load_image, nodes, run_web

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280), pytest.mark.slow]
ROUTER = "192.0.2.250"
"""RFC 5737: nobody answers there."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Instance]:
    with started(6, "--no-platform", "--nodes", "3") as made:
        for home in homes(made):
            load_image(home)
        yield made
        require_rights(made)


def homes(cluster: Instance) -> list[Path]:
    return [cluster.home, cluster.home / "nodes" / "2", cluster.home / "nodes" / "3"]


def birds(cluster: Instance) -> set[str]:
    """Configuration files of the BIRDs that run for nodes of this instance; the machine may have others."""
    folders = tuple(f"/run/pilothouse/bird-{Home(home).instance}-" for home in homes(cluster))
    found = set()
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        found |= {word for word in words if word.startswith(folders) and word.endswith("/bird.conf")}
    return found


def sessions(cluster: Instance) -> "list[dict[str, object]]":
    found = json.loads(cluster.ph("network", "bgp", "-o", "json").stdout)
    return [{"node": each["node"], **named} for each in found for named in each.get("named", ())]


def test_nodes_speak_bgp_and_name_a_router_that_does_not_answer(cluster: Instance) -> None:
    assert not birds(cluster)
    pods = {f"web-{number}": run_web(cluster, f"web-{number}", node) for number, node in enumerate(sorted(nodes(cluster)))}
    cluster.ph("network", "set", "--backend", "bgp", "--timeout", "30s")
    for asker in pods:
        for name, address in pods.items():
            assert ask(cluster, asker, address, 8080) == name, (asker, name)
    assert len(birds(cluster)) == 3
    eventually(lambda: len(sessions(cluster)) == 6 and all(each["state"] == "Established" for each in sessions(cluster)))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rack", "namespace": "metallb-system"}}
    secret |= {"stringData": {"password": "hunter2"}}
    spec = {"myASN": 64512, "peerASN": 64600, "peerAddress": ROUTER, "passwordSecret": {"name": "rack"}}
    peer = {
        "apiVersion": "metallb.io/v1beta2",
        "kind": "BGPPeer",
        "metadata": {"name": "rack", "namespace": "metallb-system"},
        "spec": spec,
    }
    for obj in (secret, peer):
        cluster.kubectl("apply", "-f", "-", input=json.dumps(obj))

    def named() -> bool:
        found = [node.get("status", {}).get("conditions", ()) for node in cluster.get("nodes")["items"]]
        said = [each for conditions in found for each in conditions if each["type"] == "BGPSessionsDown"]
        return len(said) == 3 and all(each["status"] == "True" and f"rack at {ROUTER}" in each["message"] for each in said)

    eventually(named)
    cluster.kubectl("delete", "bgppeer", "-n", "metallb-system", "rack")
    cluster.ph("network", "set", "--backend", "routes", "--timeout", "30s")
    eventually(lambda: not birds(cluster))
    for asker in pods:
        for name, address in pods.items():
            assert ask(cluster, asker, address, 8080) == name, (asker, name)
    assert subprocess.run(["ip", "route", "show", "proto", "bird"], capture_output=True, text=True, check=True).stdout == ""
