"""The kind ClusterNetworkPolicy as the API server serves it: what is taken, and what is refused with which words."""

import asyncio
from typing import Any

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.clusterpolicy.controller import install
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES
from pilothouse.network.policy.cluster_policy import parse
from tests.people import controller_client


@pytest.fixture
async def kind(server: ApiServer, client: Client) -> None:
    await install(controller_client(server, "cluster-policy-controller"))
    async with asyncio.timeout(10):
        while not await served(client):
            await asyncio.sleep(0.01)


async def served(client: Client) -> bool:
    try:
        await client.list_all(CLUSTERNETWORKPOLICIES)
    except NotFound:
        return False
    return True


def policy(name: str = "p", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"tier": "Admin", "priority": 10, "subject": {"namespaces": {}}, **spec}}


def egress(peer: Object, *protocols: Object) -> Object:
    return {"egress": [{"name": "out", "action": "Deny", "to": [peer], **({"protocols": list(protocols)} if protocols else {})}]}


@pytest.mark.parametrize(
    "spec",
    [
        {"tier": "Baseline", "priority": 0, **egress({"networks": ["10.0.0.0/8", "fd00::/8"]})},
        egress({"nodes": {"matchLabels": {"zone": "a"}}}, {"tcp": {"destinationPort": {"number": 443}}}),
        egress({"namespaces": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}, {"destinationNamedPort": "http"}),
        {
            "ingress": [
                {"action": "Pass", "from": [{"pods": {"podSelector": {}}}], "protocols": [{"udp": {"destinationPort": {"number": 53}}}]}
            ]
        },
        {"subject": {"pods": {"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {"matchLabels": {"c": "d"}}}}},
        egress({"namespaces": {}}, {"sctp": {"destinationPort": {"range": {"start": 1, "end": 2}}}}),
    ],
)
async def test_what_the_published_kind_takes_is_taken_and_can_be_carried_out(kind: None, client: Client, spec: Object) -> None:
    made = await client.create(CLUSTERNETWORKPOLICIES, policy(**spec))
    assert parse(made).key == "p"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"tier": "Middle"}, 'supported values: "Admin", "Baseline"'),
        ({"priority": 1001}, "should be less than or equal to 1000"),
        ({"subject": {}}, "should have at least 1 properties"),
        (egress({"networks": ["10.0.0.0/99"]}), "Invalid CIDR format provided"),
        (egress({"domainNames": ["example.org"]}), "domainNames are not carried out by this cluster: name the networks instead"),
        (egress({"networks": ["10.0.0.0/8"]}, {"destinationNamedPort": "http"}), "there are no namedPorts for networks"),
        (
            egress({"namespaces": {}}, {"tcp": {"destinationPort": {"range": {"start": 9, "end": 2}}}}),
            "Start port must be less than End port",
        ),
        (egress({"namespaces": {"matchExpressions": [{"key": "a", "operator": "In"}]}}), "In and NotIn need values"),
        (egress({"namespaces": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}), "Unsupported value"),
        (egress({"namespaces": {}, "networks": ["10.0.0.0/8"]}), "must have at most 1 items"),
    ],
)
async def test_what_cannot_be_carried_out_is_refused(kind: None, client: Client, spec: Object, why: str) -> None:
    with pytest.raises(ApiError) as refused:
        await client.create(CLUSTERNETWORKPOLICIES, policy(**spec))
    assert why in refused.value.message
