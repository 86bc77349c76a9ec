"""By how many nodes a ClusterNetworkPolicy is carried out: from what they say of themselves to its status."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.clusterpolicy.status import gathered, status
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES
from pilothouse.model.policy_refusals import ENFORCED, MOST_EXCEPTIONS, exceptions, in_force
from tests.engine.controllers.conftest import Cluster, controlled, held

NOW, LATER = "2026-11-30T07:00:00Z", "2026-11-30T08:00:00Z"
WELL = in_force({})


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    async with held(controlled(server)) as found:
        yield found


def node(name: str, message: str | None = WELL, value: str = "True") -> Object:
    conditions = [] if message is None else [{"type": ENFORCED, "status": value, "message": message}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


def policy(generation: int = 2, **more: Any) -> Object:
    return {"metadata": {"name": "p", "generation": generation}, **more}


@pytest.mark.parametrize(
    ("nodes", "value", "message"),
    [
        ([node("a")], "True", "carried out by 1 of 1 node"),
        ([node("a"), node("b")], "True", "carried out by 2 of 2 nodes"),
        ([node("a"), node("b", None)], "Unknown", "carried out by 1 of 2 nodes; nothing is heard yet of b"),
        ([], "Unknown", "carried out by 0 of 0 nodes"),
        ([node("a"), node("b", in_force({"p": (2, "too large; so")}))], "False", "carried out by 1 of 2 nodes; not by b: too large, so"),
        ([node("a", in_force({"p": (1, "too large")}))], "Unknown", "carried out by 0 of 1 node; nothing is heard yet of a"),
        ([node("a", in_force({"other": (2, "too large")}))], "True", "carried out by 1 of 1 node"),
        ([node("a", "no nftables", "False"), node("b")], "False", "carried out by 1 of 2 nodes; not by a: no nftables"),
        (
            [node(f"n{number}", "none", "False") for number in range(5)],
            "False",
            "carried out by 0 of 5 nodes; not by n0: none; not by n1: none; not by n2: none; and 2 more",
        ),
    ],
)
def test_nodes_are_counted_and_those_that_do_not_carry_it_out_say_why(nodes: list[Object], value: str, message: str) -> None:
    (condition,) = status(policy(), gathered(nodes), NOW)["conditions"]
    assert (condition["status"], condition["message"], condition["observedGeneration"]) == (value, message, 2)


def test_the_time_is_that_of_the_last_change_and_conditions_of_others_stay() -> None:
    others = {"type": "Audited", "status": "True"}
    first = status(policy(status={"conditions": [others]}), gathered([node("a")]), NOW)
    assert first["conditions"][0] == others
    second = status(policy(3, status=first), gathered([node("a"), node("b")]), LATER)
    assert second["conditions"][1]["lastTransitionTime"] == NOW
    third = status(policy(3, status=second), gathered([node("a", None)]), LATER)
    assert third["conditions"][1]["lastTransitionTime"] == LATER


def test_a_node_names_a_bounded_number_of_policies() -> None:
    many = {f"p{number:03}": (number, "x; " * 1000) for number in range(500)}
    found = exceptions(in_force(many))
    assert [(each.name, each.generation) for each in found] == [(f"p{number:03}", number) for number in range(MOST_EXCEPTIONS)]
    assert len(in_force(many)) < 4000


async def test_a_policy_says_by_how_many_nodes_it_is_carried_out(cluster: Cluster) -> None:
    spec = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}}
    while True:
        try:
            await cluster.create(CLUSTERNETWORKPOLICIES, {"metadata": {"name": "p"}, "spec": spec})
        except NotFound:
            # The kind is served a moment after the controllers have begun.
            continue
        break
    await cluster.create(NODES, node("a"))
    await cluster.client.patch(NODES, "a", {"status": node("a")["status"]}, subresource="status")
    await cluster.until_one(CLUSTERNETWORKPOLICIES, "p", lambda each: accepted(each) == ("True", "carried out by 1 of 1 node"))
    refused = node("a", in_force({"p": (1, "too large")}))
    await cluster.client.patch(NODES, "a", {"status": refused["status"]}, subresource="status")
    found = await cluster.until_one(CLUSTERNETWORKPOLICIES, "p", lambda each: accepted(each)[0] == "False")
    assert accepted(found)[1].endswith("not by a: too large")
    assert meta.generation(found) == 1


def accepted(policy: Object) -> tuple[str, str]:
    (condition,) = (policy.get("status") or {}).get("conditions") or [{"status": "", "message": ""}]
    return condition["status"], condition["message"]
