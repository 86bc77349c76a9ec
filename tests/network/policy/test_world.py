"""What the world asks for, judged by reading its chains as the kernel would."""

import ipaddress
import re
from collections.abc import Iterable
from random import Random

import pytest

from pilothouse.model.json import Object
from pilothouse.network.policy.book import Book
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.pods import PodFacts
from pilothouse.network.policy.pods import facts as read
from pilothouse.network.policy.policy import MOST_RULES, parse, size
from pilothouse.network.policy.world import World
from tests.network.policy import random_policies
from tests.network.policy.judge import Pod, allows

CONFIG = NetworkPolicyConfig(instance="t", node="here", dns_address="10.9.0.1", local_cidr="10.9.0.0/24", cluster_cidr="10.9.0.0/16")
ADDRESSES = [f"10.9.0.{number}" for number in range(2, 8)]
_PART = re.compile(
    r"ip daddr \. meta l4proto \. th dport @(?P<portset>\S+)"
    r"|ip (?P<field>[sd]addr) (?P<not>!= )?(?:@(?P<set>\S+)|\{ (?P<list>[^}]*) \}|(?P<network>[\d./]+))"
    r"|meta l4proto (?P<protocol>\w+)"
    r"|(?P<dport>\w+) dport (?:\{ (?P<ports>[^}]*) \}|(?P<port>\d+))"
)


def facts(pod: Pod, node: str = "here") -> PodFacts:
    return PodFacts(pod.key, pod.namespace, pod.labels, node, pod.address, pod.ports, (False, True, ""))


def passes(world: World, source: Pod, target: Pod, protocol: str, port: int) -> bool:
    if source.address == target.address:
        return True
    packet = (source.address, target.address, protocol, port)
    for where in (("egress", source.address), ("ingress", target.address)):
        chain = world.verdicts.get(where)
        if chain is not None and not any(_accepts(world, line.removeprefix("jump "), packet) for line in world.chains[chain][:-1]):
            return False
    return True


def _accepts(world: World, chain: str, packet: tuple[str, str, str, int]) -> bool:
    return any(_holds(world, line, packet) for line in world.chains[chain])


def _holds(world: World, line: str, packet: tuple[str, str, str, int]) -> bool:
    rest = line.removesuffix("accept").strip()
    found = list(_PART.finditer(rest))
    assert "".join(match[0] for match in found).replace(" ", "") == rest.replace(" ", ""), line
    return all(_part(world, match, packet) for match in found)


def _part(world: World, match: "re.Match[str]", packet: tuple[str, str, str, int]) -> bool:
    source, target, protocol, port = packet
    if match["portset"]:
        return f"{target} . {protocol} . {port}" in world.sets[match["portset"]]
    if match["protocol"]:
        return protocol == match["protocol"]
    if match["dport"]:
        spans = [span.partition("-") for span in (match["ports"] or match["port"]).split(", ")]
        return protocol == match["dport"] and any(int(first) <= port <= int(last or first) for first, _, last in spans)
    address = source if match["field"] == "saddr" else target
    if match["set"]:
        return address in world.sets[match["set"]]
    networks = (match["list"] or match["network"]).split(", ")
    return (match["not"] is None) == any(ipaddress.ip_address(address) in ipaddress.ip_network(each) for each in networks)


def check(world: World, policies: Iterable[Object], spaces: dict[str, object], pods: list[Pod]) -> None:
    for source in pods:
        for target in pods:
            for protocol, port in random_policies.PORTS:
                wanted = allows(policies, spaces, source, target, protocol, port)  # type: ignore[arg-type]
                assert passes(world, source, target, protocol, port) == wanted, (source.key, target.key, protocol, port, list(policies))


@pytest.mark.parametrize("seed", range(60))
def test_random_policies_mean_what_their_specification_says(seed: int) -> None:
    rng = Random(seed)
    world, pods = World(CONFIG), random_policies.pods(ADDRESSES)
    spaces = random_policies.spaces(rng)
    for name, labels in spaces.items():
        world.set_namespace(name, labels)
    for pod in pods:
        world.set_pod(pod.key, facts(pod))
    policies = [random_policies.policy(rng, f"p{number}", ADDRESSES) for number in range(rng.randrange(1, 5))]
    for policy in policies:
        world.set_policy(f"{policy['metadata']['namespace']}/{policy['metadata']['name']}", parse(policy))
    check(world, policies, spaces, pods)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_order_of_changes_the_world_is_that_of_its_last_state(seed: int) -> None:
    rng = Random(seed)
    world, book, pods = World(CONFIG), Book(CONFIG.table), random_policies.pods(ADDRESSES)
    spaces, policies, there = {}, {}, {}
    for _ in range(60):
        kind = rng.randrange(3)
        if kind == 0:
            policy = random_policies.policy(rng, f"p{rng.randrange(4)}", ADDRESSES)
            key = f"{policy['metadata']['namespace']}/{policy['metadata']['name']}"
            policies[key] = None if rng.random() < 0.3 else policy
            world.set_policy(key, parse(policy) if policies[key] else None)
        elif kind == 1:
            pod = rng.choice(pods)
            labels = {"pod": rng.choice(random_policies.NAMES)}
            there[pod.key] = None if rng.random() < 0.2 else Pod(pod.name, pod.namespace, labels, rng.choice(ADDRESSES), pod.ports)
            world.set_pod(pod.key, facts(there[pod.key]) if there[pod.key] else None)  # type: ignore[arg-type]
        else:
            name = rng.choice(random_policies.SPACES)
            spaces[name] = random_policies.spaces(rng)[name]
            world.set_namespace(name, spaces[name])
        book.change(world, world.take_changed())
    fresh, whole = World(CONFIG), Book(CONFIG.table)
    for name, labels in spaces.items():
        fresh.set_namespace(name, labels)
    for key, policy in policies.items():
        fresh.set_policy(key, parse(policy) if policy else None)
    for key, pod in there.items():
        fresh.set_pod(key, facts(pod) if pod else None)
    whole.whole(fresh)
    assert (world.sets, world.chains, world.verdicts) == (fresh.sets, fresh.chains, fresh.verdicts)
    assert (book._sets, book._chains, book._verdicts) == (whole._sets, whole._chains, whole._verdicts)


def test_a_pod_of_another_node_is_a_peer_but_not_judged_here() -> None:
    world, (a, b, *_) = World(CONFIG), random_policies.pods(ADDRESSES)
    world.set_pod(a.key, facts(a))
    world.set_pod(b.key, facts(b, "there"))
    world.set_policy("x/only-a", parse(_policy("only-a", {}, [{"from": [{"podSelector": {"matchLabels": {"pod": "b"}}}]}])))
    assert set(world.verdicts) == {("ingress", a.address)}
    (members,) = world.sets.values()
    assert set(members) == {b.address}


def test_of_two_pods_that_show_one_address_the_one_that_stays_has_it() -> None:
    world, (a, b, *_) = World(CONFIG), random_policies.pods(ADDRESSES)
    world.set_policy("x/a", parse(_policy("a", {"matchLabels": {"pod": "a"}}, [])))
    old = PodFacts(a.key, a.namespace, a.labels, "here", a.address, (), (False, False, "2026-01-01T00:00:00Z"))
    world.set_pod(a.key, old)
    assert ("ingress", a.address) in world.verdicts
    new = PodFacts(b.key, b.namespace, b.labels, "here", a.address, (), (False, True, "2026-01-01T00:00:01Z"))
    world.set_pod(b.key, new)
    assert not world.verdicts
    world.set_pod(b.key, None)
    assert ("ingress", a.address) in world.verdicts


@pytest.mark.parametrize(
    ("peer", "ports", "reached"),
    [
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}, [{"protocol": "UDP", "port": 53}], {"udp"}),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}, [], {"udp", "tcp"}),
        ({"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}, [], set()),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}, [{"protocol": "TCP", "port": 80}], set()),
    ],
)
def test_who_may_reach_the_dns_pods_of_other_clusters_reaches_the_nodes_server(
    peer: Object, ports: list[Object], reached: set[str]
) -> None:
    world, (a, *_) = World(CONFIG), random_policies.pods(ADDRESSES)
    world.set_pod(a.key, facts(a))
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [peer], "ports": ports}]}
    world.set_policy("x/out", parse({"metadata": {"name": "out", "namespace": "x"}, "spec": spec}))
    lines = [line for lines in world.chains.values() for line in lines]
    assert {line.split()[3] for line in lines if line.startswith("ip daddr 10.9.0.1 ")} == reached


def _policy(name: str, selector: Object, ingress: list[Object]) -> Object:
    return {"metadata": {"name": name, "namespace": "x"}, "spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": ingress}}


def test_a_policy_is_written_once_however_many_pods_it_holds_for() -> None:
    world, pods = World(CONFIG), random_policies.pods(ADDRESSES)
    for number in range(20):
        world.set_policy(f"x/p{number}", parse(_policy(f"p{number}", {"matchLabels": {f"l{number}": "1"}}, [{"ports": PORTS}])))
    for number in range(20):
        labels = {f"l{other}": "1" for other in range(20) if other != number}
        world.set_pod(f"x/q{number}", PodFacts(f"x/q{number}", "x", labels, "here", f"10.9.0.{100 + number}", (), (False, True, "")))
    assert pods
    assert sum(map(len, world.chains.values())) == 20 * 1 + 20 * (19 + 1)


PORTS: list[Object] = [{"protocol": "TCP", "port": 80}, {"protocol": "TCP", "port": 90}]


@pytest.mark.parametrize(
    ("node", "address", "known"),
    [
        ("here", "10.9.0.9", True),
        ("there", "10.9.1.9", True),
        ("there", "10.9.0.9", False),
        ("here", "10.9.1.9", False),
        ("there", "192.0.2.1", False),
        ("there", "10.9.1.9 }\nadd table ip pwned", False),
        ("there", "fd00::1", False),
    ],
)
def test_what_a_node_says_of_its_pods_is_not_believed_beyond_its_network(node: str, address: str, known: bool) -> None:
    pod = {"metadata": {"name": "p", "namespace": "x"}, "spec": {"nodeName": node}, "status": {"podIP": address}}
    assert (read(pod, CONFIG) is not None) == known


def test_an_address_that_this_node_has_given_beats_what_a_status_says() -> None:
    old = {"metadata": {"name": "a", "namespace": "x", "creationTimestamp": "2026-02-01T00:00:00Z"}, "spec": {"nodeName": "here"}}
    new = {"metadata": {"name": "b", "namespace": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"nodeName": "here"}}
    shown, leased = read(old | {"status": {"podIP": "10.9.0.9"}}, CONFIG), read(new, CONFIG, "10.9.0.9")
    assert shown is not None
    assert leased is not None
    assert leased.order > shown.order


def test_labels_of_the_namespace_of_dns_count_as_they_are() -> None:
    world, (a, *_) = World(CONFIG), random_policies.pods(ADDRESSES)
    world.set_pod(a.key, facts(a))
    to = [{"namespaceSelector": {"matchLabels": {"name": "kube-system"}}}]
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": to}]}
    world.set_policy("x/out", parse({"metadata": {"name": "out", "namespace": "x"}, "spec": spec}))
    assert not any("10.9.0.1 " in line for lines in world.chains.values() for line in lines)
    world.set_namespace("kube-system", {"name": "kube-system"})
    assert any("10.9.0.1 " in line for lines in world.chains.values() for line in lines)


def test_exceptions_count_among_what_a_policy_makes() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": [f"10.0.{n // 256}.{n % 256}/32" for n in range(3000)]}}
    assert size(_policy("large", {}, [{"from": [block]}])) > MOST_RULES
