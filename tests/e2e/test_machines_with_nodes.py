"""A machine with several nodes, and another machine that has joined: each node's pods reach those of all others."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.e2e import free
from tests.e2e.instance import Instance
from tests.e2e.machine import look
from tests.e2e.other_machine import other_machine
from tests.e2e.test_nodes import ask, callers, load_image, run_web

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(280)]
LAN = "pht-lan"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20)


@pytest.fixture
def lan() -> Iterator[IPv4Network]:
    """The network that this machine and the other one are on, where this one has the first address."""
    network = IPv4Network(free.network(180))
    ip("link", "add", LAN, "type", "bridge")
    try:
        ip("address", "add", f"{network[1]}/24", "dev", LAN)
        ip("link", "set", LAN, "up")
        yield network
    finally:
        ip("link", "delete", LAN)


def test_pods_of_all_nodes_reach_each_other(lan: IPv4Network) -> None:
    home, away = (Path(tempfile.mkdtemp(prefix=f"pht-{name}-")) for name in ("here", "away"))
    before, cluster = look(home), Instance(home, 7)
    with contextlib.ExitStack() as stack:
        for folder in (home, away):
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(cluster.ph, "destroy", "--yes", check=False)
        cluster.up("--no-platform", "--nodes", "2", "--api-listen", str(lan[1]))
        machine = stack.enter_context(other_machine(away, LAN, f"{lan[2]}/24", str(lan[1])))
        stack.callback(machine.ph, "destroy", "--yes", check=False)
        machine.ph(*cluster.ph("token", "create", "--print-join-command").stdout.split()[1:], "--node-name", "rack-1")
        for folder in (home, home / "nodes" / "2", away):
            load_image(folder)
        first = min((node["metadata"]["name"] for node in cluster.get("nodes")["items"] if node["metadata"]["name"] != "rack-1"), key=len)
        pods = {name: run_web(cluster, name, node) for name, node in (("one", first), ("two", f"{first}-2"), ("far", "rack-1"))}
        for name in pods:
            for other, address in pods.items():
                assert ask(cluster, name, address, 8080) == other, f"{name} does not reach {other}"
        assert pods["two"] in callers(cluster, "far")
        assert pods["far"] in callers(cluster, "two")
        cluster.kubectl("delete", "pod", *pods)
    left = look(home).added_since(before)
    assert not left, f"something was left behind: {left}"
