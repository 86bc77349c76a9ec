"""`ph network` against an API server; nodes are played."""

import asyncio
import json
from pathlib import Path

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.clusternetwork.install import install
from pilothouse.engine.controllers.loadbalancer.install import install as install_load_balancers
from pilothouse.model.bgp import BGPPEERS, STATUS, shown
from pilothouse.model.cluster_network import CANNOT, CLUSTERNETWORKS, FOLLOWS
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.load_balancers import NAMESPACE
from tests.cli.test_ending import ph
from tests.engine.apiserver.conftest import kubeconfig, server, state, store  # noqa: F401 -- fixtures
from tests.people import ADMIN, client_of


@pytest.fixture
async def client(server: ApiServer) -> Client:  # noqa: F811
    """Of a cluster with two nodes that follow; the second has no WireGuard."""
    found = client_of(server, ADMIN)
    for _ in range(50):
        try:
            await install(found)
            break
        except ApiError:
            await asyncio.sleep(0.1)
    network = await found.get(CLUSTERNETWORKS, "default")
    await found.create(NODES, node("a", network))
    await found.create(NODES, node("b", network, {"WireGuard": "its kernel has no WireGuard"}))
    return found


def node(name: str, network: Object, cannot: Object | None = None) -> Object:
    says = {"backend": network["spec"]["backend"], "generation": network["metadata"]["generation"]}
    annotations = {FOLLOWS: json.dumps(says), CANNOT: json.dumps(cannot or {})}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}
    return {"metadata": {"name": name, "annotations": annotations}, "status": status}


async def network(kubeconfig: Path, *words: str, fails: bool = False) -> str:  # noqa: F811
    done = await asyncio.to_thread(ph, "--kubeconfig", str(kubeconfig), "network", *words)
    assert bool(done.returncode) == fails, done.stderr
    return done.stderr if fails else done.stdout


async def test_what_is_set_is_shown_with_every_node(kubeconfig: Path, client: Client) -> None:  # noqa: F811
    said = await network(kubeconfig, "show")
    assert said.startswith("Nodes reach each other's pods by Routes.\n")
    assert "a     192.0.2.1  Routes             follows" in said
    shown = json.loads(await network(kubeconfig, "show", "-o", "json"))
    assert [each["follows"] for each in shown["nodes"]] == [True, True]


async def test_a_dry_run_says_what_would_change_and_changes_nothing(kubeconfig: Path, client: Client) -> None:  # noqa: F811
    said = await network(kubeconfig, "set", "--backend", "vxlan", "--vni", "7", "--dry-run")
    assert "would be set: backend: Routes -> VXLAN\nwould be set: vxlan.vni: 4114 -> 7\n" in said
    assert "Nodes would reach each other's pods by VXLAN; VNI 7 at UDP port 8472." in said
    assert (await client.get(CLUSTERNETWORKS, "default"))["spec"]["backend"] == "Routes"


async def test_what_a_node_cannot_do_is_refused_with_its_reason(kubeconfig: Path, client: Client) -> None:  # noqa: F811
    said = await network(kubeconfig, "set", "--encryption", "wireguard", fails=True)
    assert "node b cannot do WireGuard: its kernel has no WireGuard" in said
    assert (await client.get(CLUSTERNETWORKS, "default"))["spec"]["encryption"] == "None"


async def test_it_waits_for_every_node_and_says_which_does_not_follow(kubeconfig: Path, client: Client) -> None:  # noqa: F811
    said = await network(kubeconfig, "set", "--backend", "vxlan", "--timeout", "1s", fails=True)
    assert "a: it still follows what was set before" in said
    assert "network set --backend routes` leads back" in said
    assert "after 1 s not every node follows" in said
    waiting = asyncio.create_task(network(kubeconfig, "set", "--backend", "host"))
    while (found := await client.get(CLUSTERNETWORKS, "default"))["spec"]["backend"] != "Host":
        await asyncio.sleep(0.05)
    for name in ("a", "b"):
        await client.patch(NODES, name, {"metadata": {"annotations": node(name, found)["metadata"]["annotations"]}})
    assert "set: backend: VXLAN -> Host" in await waiting


async def test_nothing_to_set_and_words_that_are_none_are_refused(kubeconfig: Path, client: Client) -> None:  # noqa: F811
    assert "nothing to set" in await network(kubeconfig, "set", fails=True)
    assert "'pigeons' is none of routes, vxlan, bgp, host" in await network(kubeconfig, "set", "--backend", "pigeons", fails=True)


async def test_what_a_change_ends_is_said_before(kubeconfig: Path, client: Client) -> None:  # noqa: F811
    await install_load_balancers(client)
    await client.patch(CLUSTERNETWORKS, "default", {"spec": {"backend": "BGP"}})
    peer = {"metadata": {"name": "rack", "namespace": NAMESPACE}, "spec": {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.0.2.9"}}
    await client.create(BGPPEERS, peer)
    done = await asyncio.to_thread(ph, "--kubeconfig", str(kubeconfig), "network", "set", "--backend", "vxlan", "--dry-run")
    assert done.returncode == 0
    assert "sessions end with the routers of BGPPeer rack" in done.stderr
    done = await asyncio.to_thread(ph, "--kubeconfig", str(kubeconfig), "network", "set", "--backend", "host", "--dry-run")
    assert "the network around has to lead each node's range there" in done.stderr


async def test_a_node_that_does_not_reach_others_is_shown_as_such(kubeconfig: Path, client: Client) -> None:  # noqa: F811
    condition = {"type": "PodNetworkDegraded", "status": "True", "reason": "NodeSilent", "message": "node b does not answer"}
    found = await client.get(NODES, "a")
    conditions = [*found["status"]["conditions"], condition]
    await client.update_status(NODES, found | {"status": found["status"] | {"conditions": conditions}})
    assert "node b does not answer" in await network(kubeconfig, "show")


async def test_what_nodes_say_beside_their_sessions_is_shown_once_with_their_names(kubeconfig: Path, client: Client) -> None:  # noqa: F811
    await client.patch(CLUSTERNETWORKS, "default", {"spec": {"backend": "BGP"}})
    for name in "ab":
        await client.patch(NODES, name, {"metadata": {"annotations": {STATUS: shown(64512, [], ["no node has the labels"])}}})
    assert "0 of 0 sessions are up.\na, b: no node has the labels.\n" in await network(kubeconfig, "bgp")
