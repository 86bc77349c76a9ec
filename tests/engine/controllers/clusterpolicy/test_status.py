"""By how many nodes a ClusterNetworkPolicy is carried out: from what they say of themselves to its status."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from pilothouse.client import node_conditions
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.clusterpolicy.status import gathered, status
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES
from pilothouse.model.policy_progress import SHARES, joined, mark, share, written
from pilothouse.model.policy_refusals import ENFORCED, MOST_BYTES, MOST_EXCEPTIONS, REHEARSE, exceptions, in_force, unnamed
from tests.engine.controllers.conftest import Cluster, controlled, held

NOW, LATER = "2026-11-30T07:00:00Z", "2026-11-30T08:00:00Z"


def policy(generation: int = 2, name: str = "p", **more: Any) -> Object:
    return {"metadata": {"name": name, "generation": generation}} | more


def carrying(*policies: Object, refused: Mapping[str, tuple[int, str]] | None = None) -> str:
    """What a node says that carries these out."""
    return in_force(refused or {}, written(joined(mark(each) for each in policies)))


WELL = carrying(policy())


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    async with held(controlled(server)) as found:
        yield found


def node(name: str, message: str | None = WELL, value: str = "True", ready: str = "True") -> Object:
    conditions: list[Object] = [{"type": "Ready", "status": ready}]
    if message is not None:
        conditions.append({"type": ENFORCED, "status": value, "message": message})
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("nodes", "value", "message"),
    [
        ([node("a")], "True", "carried out by 1 of 1 node"),
        ([node("a"), node("b")], "True", "carried out by 2 of 2 nodes"),
        ([node("a"), node("b", None)], "Unknown", "carried out by 1 of 2 nodes; nothing is heard yet of b"),
        ([], "Unknown", "carried out by 0 of 0 nodes"),
        ([node("a"), node("b", in_force({"p": (2, "too large; so")}))], "False", "carried out by 1 of 2 nodes; not by b: too large, so"),
        ([node("a", in_force({"p": (1, "too large")}))], "Unknown", "carried out by 0 of 1 node; nothing is heard yet of a"),
        ([node("a", carrying(policy(1)))], "Unknown", "carried out by 0 of 1 node; nothing is heard yet of a"),
        ([node("a", in_force({}))], "Unknown", "carried out by 0 of 1 node; nothing is heard yet of a"),
        ([node("a", carrying(policy(), refused={"other": (2, "too large")}))], "True", "carried out by 1 of 1 node"),
        ([node("a"), node("b", ready="Unknown")], "True", "carried out by 1 of 1 node; 1 more not ready"),
        ([node("b", ready="Unknown")], "Unknown", "carried out by 0 of 0 nodes; 1 more not ready"),
        ([node("a"), node("b", "none", "False", ready="False")], "True", "carried out by 1 of 1 node; 1 more not ready"),
        ([node("a", "no nftables", "False"), node("b")], "False", "carried out by 1 of 2 nodes; not by a: no nftables"),
        (
            [node(f"n{number}", "none", "False") for number in range(5)],
            "False",
            "carried out by 0 of 5 nodes; not by n0: none; not by n1: none; not by n2: none; and 2 more",
        ),
    ],
)
def test_nodes_are_counted_and_those_that_do_not_carry_it_out_say_why(nodes: list[Object], value: str, message: str) -> None:
    (condition,) = status(policy(), gathered(nodes, [policy()]), NOW)["conditions"]
    assert (condition["status"], condition["message"], condition["observedGeneration"]) == (value, message, 2)


def test_the_time_is_that_of_the_last_change_and_conditions_of_others_stay() -> None:
    others, said = {"type": "Audited", "status": "True"}, carrying(policy(3))
    first = status(policy(status={"conditions": [others]}), gathered([node("a")], [policy()]), NOW)
    assert first["conditions"][0] == others
    second = status(policy(3, status=first), gathered([node("a", said), node("b", said)], [policy(3)]), LATER)
    assert second["conditions"][1]["lastTransitionTime"] == NOW
    third = status(policy(3, status=second), gathered([node("a", None)], [policy(3)]), LATER)
    assert third["conditions"][1]["lastTransitionTime"] == LATER


def test_a_node_names_a_bounded_number_of_policies() -> None:
    many = {f"p{number:03}": (number, "too large; " + "é" * 10 * number) for number in range(500)}
    said = in_force(many, "00ffffff" * SHARES)
    found = exceptions(said)
    assert [(each.name, each.generation) for each in found] == [(f"p{number:03}", number) for number in range(len(found))]
    assert 3 < len(found) <= MOST_EXCEPTIONS
    assert unnamed(said) == 500 - len(found)
    assert len(said.encode()) <= min(MOST_BYTES, node_conditions.MOST_BYTES)


def test_a_policy_that_a_node_refuses_and_has_no_room_to_name_is_not_carried_out() -> None:
    policies = [policy(name=f"p{number:02}") for number in range(40)]
    refused = {meta.name(each): (2, "too large") for each in policies[:12]}
    nodes = gathered([node("a", carrying(*policies[12:], refused=refused))], policies)
    found = {meta.name(each): status(each, nodes, NOW)["conditions"][0] for each in policies}
    values = [found[f"p{number:02}"]["status"] for number in range(40)]
    assert values[:10] == ["False"] * 10
    assert values[10:12] == ["Unknown"] * 2
    assert "nothing is heard yet of a (which has no room to name 2)" in found["p11"]["message"]
    shares = {share("p10"), share("p11")}
    assert {name for name, each in found.items() if each["status"] == "True"} == {
        name for name in list(found)[12:] if share(name) not in shares
    }


def test_a_policy_that_changes_leaves_most_of_the_others_alone() -> None:
    policies = [policy(name=f"p{number:02}") for number in range(40)]
    nodes = gathered([node("a", carrying(*policies))], [policy(3, name="p00"), *policies[1:]])
    pending = [meta.name(each) for each in policies if status(each, nodes, NOW)["conditions"][0]["status"] == "Unknown"]
    assert "p00" in pending
    assert len(pending) < 10


@pytest.mark.parametrize(
    "other",
    [
        policy(3),
        policy(metadata={"name": "p", "generation": 2, "uid": "another"}),
        policy(metadata={"name": "p", "generation": 2, "annotations": {REHEARSE: "yes"}}),
    ],
)
def test_a_policy_is_another_one_when_what_it_asks_for_is(other: Object) -> None:
    assert mark(other) != mark(policy())
    assert mark(policy(metadata={"name": "p", "generation": 2, "annotations": {"seen": "yes"}})) == mark(policy())


def test_a_thousand_nodes_and_five_hundred_policies_cost_the_loop_little() -> None:
    policies = [policy(name=f"p{number}") for number in range(500)]
    nodes = [node(f"n{number}", carrying(*policies[number % 3 :])) for number in range(1000)]
    began = time.thread_time()
    found = gathered(nodes, policies)
    for each in policies:
        status(each, found, NOW)
    assert time.thread_time() - began < 0.2


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
    await cluster.client.patch(NODES, "a", {"status": node("a", in_force({}))["status"]}, subresource="status")
    found = await cluster.until_one(CLUSTERNETWORKPOLICIES, "p", lambda each: accepted(each)[1].endswith("nothing is heard yet of a"))
    await cluster.client.patch(NODES, "a", {"status": node("a", carrying(found))["status"]}, subresource="status")
    await cluster.until_one(CLUSTERNETWORKPOLICIES, "p", lambda each: accepted(each) == ("True", "carried out by 1 of 1 node"))
    refused = node("a", in_force({"p": (1, "too large")}))
    await cluster.client.patch(NODES, "a", {"status": refused["status"]}, subresource="status")
    found = await cluster.until_one(CLUSTERNETWORKPOLICIES, "p", lambda each: accepted(each)[0] == "False")
    assert accepted(found)[1].endswith("not by a: too large")
    assert meta.generation(found) == 1


def accepted(policy: Object) -> tuple[str, str]:
    (condition,) = (policy.get("status") or {}).get("conditions") or [{"status": "", "message": ""}]
    return condition["status"], condition["message"]
