"""What the objects of the API server come to, and that a change costs what it touches."""

import time
from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.policy_progress import joined, mark, read
from pilothouse.network.policy.backlog import Backlog
from pilothouse.network.policy.pods import Shown
from pilothouse.network.policy.state import State
from tests.network.policy.test_world import CONFIG


def told(**kinds: Any) -> Backlog:
    """Lists of objects by kind."""
    made = Backlog()
    for kind, objects in kinds.items():
        for obj in objects:
            getattr(made, kind)[meta.key(obj)] = (obj, ()) if kind == "pods" else obj
    return made


def pod(name: str, node: str, address: str) -> Object:
    return {"metadata": {"name": name, "namespace": "x"}, "spec": {"nodeName": node}, "status": {"podIPs": [{"ip": address}]}}


def node(name: str, *networks: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"podCIDRs": list(networks)}}


def policy(name: str, **spec: Any) -> Object:
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "x"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], **spec},
    }


def test_a_node_that_joins_takes_the_addresses_of_its_network_from_others_and_gives_them_back() -> None:
    state = State(CONFIG)
    state.take(told(nodes=[node("other", "10.9.2.0/24")], pods=[pod("a", "other", "10.9.1.9"), pod("b", "other", "10.9.2.9")]))
    assert (state.owner("10.9.1.9"), state.owner("10.9.2.9")) == ("x/a", "x/b")
    state.take(told(nodes=[node("there", "10.9.1.0/24")]))
    assert (state.owner("10.9.1.9"), state.owner("10.9.2.9")) == ("", "x/b")
    gone = Backlog()
    gone.nodes["there"] = None
    state.take(gone)
    assert state.owner("10.9.1.9") == "x/a"


def test_nodes_are_known_before_the_pods_that_were_told_with_them() -> None:
    state = State(CONFIG)
    state.take(told(pods=[pod("a", "other", "10.9.1.9")], nodes=[node("there", "10.9.1.0/24")]))
    assert not state.owner("10.9.1.9")


@pytest.mark.parametrize(
    ("network", "found"),
    [
        ((4, 24, 0x0A0901), {"a", "b"}),
        ((4, 26, 0x0A090100 >> 6), {"a", "b"}),
        ((4, 16, 0x0A09), {"a", "b", "c"}),
        ((4, 24, 0x0A0903), set()),
        ((6, 64, 0xFD00_0009_0000_0001), {"six"}),
        ((6, 48, 0xFD00_0009_0000), {"six"}),
    ],
)
def test_only_pods_that_may_be_in_a_network_are_looked_at_again(network: tuple[int, int, int], found: set[str]) -> None:
    shown = Shown()
    for name, address in (("a", "10.9.1.9"), ("b", "10.9.1.200"), ("c", "10.9.2.9"), ("six", "fd00:9:0:1::9"), ("odd", "no address")):
        shown.set(name, (address,))
    shown.set("gone", ("10.9.1.7",))
    shown.set("gone", ())
    assert set(shown.within(network)) == found


def test_a_policy_that_nftables_refuses_allows_nothing_until_it_is_another_one() -> None:
    heard: list[str] = []
    state, open_to_all = State(CONFIG, lambda obj, why: heard.append(why)), policy("p", ingress=[{}])
    state.take(told(pods=[pod("a", "here", "10.9.0.9")], policies=[open_to_all]))
    refused, chain = Backlog(), state.world.chain_of(("ingress", "10.9.0.9"))
    refused.refuse("x/p", open_to_all, "nftables refuses its rules: no")
    state.take(refused)
    assert heard == ["this policy allows nothing: nftables refuses its rules: no"]
    assert not any(line == "accept" for lines in state.world.chains.values() for line in lines)
    refused.policy("x/p", open_to_all)
    state.take(refused)
    assert any(line == "accept" for lines in state.world.chains.values() for line in lines)
    assert chain == state.world.chain_of(("ingress", "10.9.0.9"))


def test_of_a_pod_that_changes_while_a_transaction_runs_the_last_word_counts() -> None:
    made = told(pods=[pod("a", "here", "10.9.0.9")])
    made.pods["x/a"] = (None, ())
    made.policy("x/p", policy("p"))
    made.policy("x/p", None)
    state = State(CONFIG)
    state.take(made)
    assert not state.owner("10.9.0.9")
    assert not state.world.policies


def test_pods_that_nobody_watches_for_are_forgotten_with_what_was_to_be_told_of_them() -> None:
    state = State(CONFIG)
    state.take(told(pods=[pod("a", "here", "10.9.0.9")]))
    later = told(pods=[pod("b", "here", "10.9.0.10")])
    later.forget()
    state.take(later)
    assert (state.owner("10.9.0.9"), state.owner("10.9.0.10")) == ("", "")


def test_nodes_and_namespaces_that_go_while_nobody_watches_are_not_believed_later() -> None:
    state = State(CONFIG)
    gone = {**node("gone", "10.9.1.0/24"), "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.9"}]}}
    space = {"metadata": {"name": "x", "labels": {"team": "a"}}}
    by_node = of_cluster("p", egress=[{"action": "Accept", "to": [{"nodes": {"matchLabels": {}}}]}])
    state.take(told(nodes=[gone], namespaces=[space], policies=[by_node]))
    (peers,) = state.world.sets
    assert list(state.world.sets[peers]) == ["192.0.2.9"]
    unwatched = told(nodes=[gone], namespaces=[space])
    unwatched.forget()
    state.take(unwatched)
    state.take(told(pods=[pod("a", "other", "10.9.1.9")]))
    assert not state.world.sets[peers]
    assert not state.world.labels("x")
    assert state.owner("10.9.1.9") == "x/a"


def test_a_thousand_nodes_are_forgotten_at_once() -> None:
    state = State(CONFIG)
    nodes = [
        {**node(f"n{number}"), "status": {"addresses": [{"address": f"192.0.{number // 256}.{number % 256}"}]}} for number in range(1000)
    ]
    state.take(told(nodes=nodes))
    state.take(told(policies=[of_cluster("p", egress=[{"action": "Accept", "to": [{"nodes": {"matchLabels": {}}}]}])]))
    unwatched = Backlog()
    unwatched.forget()
    began = time.thread_time()
    state.take(unwatched)
    assert time.thread_time() - began < 0.1


def test_cluster_policies_that_are_not_carried_out_are_known_with_their_generation() -> None:
    state = State(CONFIG)
    peers = [{"pods": {"podSelector": {"matchLabels": {"n": str(n)}}}} for n in range(25)]
    named = [{"destinationNamedPort": f"p{n}"} for n in range(25)]
    spec = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}}
    large = {**spec, "ingress": [{"action": "Accept", "from": peers, "protocols": named}] * 25}
    bad = {"kind": "ClusterNetworkPolicy", "metadata": {"name": "bad", "generation": 3}, "spec": large}
    state.take(
        told(policies=[bad, {**bad, "metadata": {"name": "good"}, "spec": spec}, policy("p", ingress=[{"ports": [{"port": None}] * 3000}])])
    )
    assert set(state.exceptions) == {"bad"}
    generation, why = state.exceptions["bad"]
    assert (generation, "4000 are the most" in why) == (3, True)
    state.take(told(policies=[{**bad, "spec": spec}]))
    assert not state.exceptions


def of_cluster(name: str, generation: int = 1, **spec: Any) -> Object:
    subject = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, **spec}
    return {"kind": "ClusterNetworkPolicy", "metadata": {"name": name, "generation": generation}, "spec": subject}


def test_a_node_says_which_policies_of_the_cluster_it_carries_out() -> None:
    state = State(CONFIG)
    assert state.progress == ""
    first, second, changed = of_cluster("a"), of_cluster("b"), of_cluster("b", 2)
    state.take(told(policies=[first, second, policy("of-a-namespace")]))
    assert read(state.progress) == joined([mark(first), mark(second)])
    state.take(told(policies=[changed]))
    assert read(state.progress) == joined([mark(first), mark(changed)])
    refused = told(policies=[first])
    refused.refused["a"] = "no such file"
    state.take(refused)
    assert read(state.progress) == joined([mark(changed)])
    gone = Backlog()
    gone.policies["b"] = None
    state.take(gone)
    assert state.progress == ""
