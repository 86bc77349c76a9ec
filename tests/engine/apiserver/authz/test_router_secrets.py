"""Which passwords of routers a node may read: as node n1, with its certificate, over TLS."""

import asyncio

import pytest

from pilothouse.engine.controllers.loadbalancer.bgp_definitions import BGP_DEFINITIONS
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.authz.test_nodes import SECRETS
from tests.engine.apiserver.https import Https

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PEERS = "/apis/metallb.io/v1beta2/namespaces/{}/bgppeers"


@pytest.fixture
async def node(api: Api, https: Https) -> Api:
    await api.post("/api/v1/nodes", {"metadata": {"name": "n1", "labels": {"rack": "a"}}})
    for definition in BGP_DEFINITIONS:
        await api.post(DEFINITIONS, definition)
        while not meta.is_true(await api.get(f"{DEFINITIONS}/{meta.name(definition)}"), "Established"):
            await asyncio.sleep(0.01)
    for namespace in ("metallb-system", "theirs"):
        await api.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        await api.post(SECRETS.replace("default", namespace), {"metadata": {"name": "password"}})
    return https.certified("system:node:n1", "system:nodes")


def peer(spec: Object) -> Object:
    return {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "rack"}, "spec": spec}


async def add_peer(api: Api, namespace: str, rack: str, **spec: object) -> None:
    wanted = {"myASN": 64512, "peerASN": 64600, "peerAddress": "192.0.2.1", "passwordSecret": {"name": "password"}, **spec}
    wanted["nodeSelectors"] = [{"matchLabels": {"rack": rack}}]
    await api.post(PEERS.format(namespace), peer(wanted))


async def test_a_node_reads_the_passwords_of_its_own_routers_only(api: Api, node: Api) -> None:
    there, path = SECRETS.replace("default", "metallb-system"), PEERS.format("metallb-system")
    assert (await node.refused("GET", f"{there}/password")).code == 403
    await add_peer(api, "metallb-system", rack="b")
    assert (await node.refused("GET", f"{there}/password")).code == 403
    await api.delete(f"{path}/rack")
    await add_peer(api, "metallb-system", rack="a")
    assert (await node.get(f"{there}/password"))["metadata"]["name"] == "password"
    assert (await node.refused("GET", there)).code == 403
    await api.delete(f"{path}/rack")
    assert (await node.refused("GET", f"{there}/password")).code == 403


async def test_routers_of_other_namespaces_open_no_secret(api: Api, node: Api) -> None:
    await add_peer(api, "theirs", rack="a")
    assert (await node.refused("GET", f"{SECRETS.replace('default', 'theirs')}/password")).code == 403


async def test_what_nodes_do_not_carry_out_is_refused_when_it_is_written(api: Api, node: Api) -> None:
    path = PEERS.format("metallb-system")
    wanted = {"myASN": 64512, "peerASN": 64600, "peerAddress": "192.0.2.1"}
    for more, why in (
        ({"bfdProfile": "quick"}, "BFD is not supported: leave bfdProfile out"),
        ({"peerAddress": "rack"}, "is no IP address"),
        ({"password": "a", "passwordSecret": {"name": "b"}}, "password and passwordSecret exclude each other"),
        ({"vrf": "red"}, "a VRF is not supported"),
        ({"connectTime": "10s"}, "leave connectTime out"),
        ({"enableGracefulRestart": False}, "graceful restart is always on"),
        ({"passwordSecret": {"name": "a", "namespace": "kube-system"}}, "leave passwordSecret.namespace out"),
    ):
        error = await api.refused("POST", path, peer({**wanted, **more}))
        assert (error.code, why in error.message) == (422, True), error.message
