"""What the world asks for, judged by reading its chains as the kernel would."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.policy_refusals import REHEARSE
from pilothouse.network.policy.book import Book
from pilothouse.network.policy.cluster_policy import parse as parse_wide
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.judge import Packet, judge
from pilothouse.network.policy.network_policy import MOST_RULES, parse, size
from pilothouse.network.policy.pods import PodFacts
from pilothouse.network.policy.pods import facts as read
from pilothouse.network.policy.world import World
from tests.network.policy import random_policies
from tests.network.policy.judge import Pod, allows
from tests.network.policy.kernel_reader import Reader

CONFIG = NetworkPolicyConfig(
    instance="t", node="here", dns_addresses=("10.9.0.1",), local_cidrs=("10.9.0.0/24",), cluster_cidrs=("10.9.0.0/16",)
)
SIX = NetworkPolicyConfig(
    instance="t", node="here", dns_addresses=("fd00:9::1",), local_cidrs=("fd00:9::/64",), cluster_cidrs=("fd00:9::/48",)
)
BOTH = NetworkPolicyConfig(
    instance="t",
    node="here",
    dns_addresses=("10.9.0.1", "fd00:9::1"),
    local_cidrs=("10.9.0.0/24", "fd00:9::/64"),
    cluster_cidrs=("10.9.0.0/16", "fd00:9::/48"),
)
ADDRESSES = [f"10.9.0.{number}" for number in range(2, 8)]
ADDRESSES_6 = [f"fd00:9::{number}" for number in range(2, 8)]


def facts(pod: Pod, node: str = "here") -> PodFacts:
    return PodFacts(pod.key, pod.namespace, pod.labels, node, pod.addresses, pod.ports, (False, True, ""))


def passes(world: World, source: Pod, target: Pod, protocol: str, port: int) -> bool:
    if source.address == target.address:
        return True
    reader, packet = Reader(world.chains, world.sets), (source.address, target.address, protocol, port)
    chains = [world.chain_of(where) for where in (("egress", source.address), ("ingress", target.address))]
    return all(reader.passes(chain, packet) for chain in chains if chain is not None)


@dataclass
class Case:
    """A cluster by chance; `enforced` are the policies that are not in rehearsal."""

    world: World
    config: NetworkPolicyConfig
    pods: list[Pod]
    spaces: dict[str, Mapping[str, str]]
    policies: list[Object]
    of_cluster: list[Object]

    def probes(self) -> Iterator[tuple[Pod, Pod, str, int]]:
        for source in self.pods:
            for target in self.pods:
                for number in range(len(source.addresses)):
                    for protocol, port in random_policies.PORTS:
                        yield source.at(source.addresses[number]), target.at(target.addresses[number]), protocol, port

    def allows(self, source: Pod, target: Pod, protocol: str, port: int, *, rehearsed: bool = False) -> bool:
        """rehearsed: as if those in rehearsal were carried out."""
        policies, of_cluster = ([p for p in every if rehearsed or not meta.annotations(p)] for every in (self.policies, self.of_cluster))
        return allows(policies, self.spaces, source, target, protocol, port, of_cluster)


def case(seed: int, config: NetworkPolicyConfig, *, of_cluster: bool = False, rehearsals: bool = False) -> Case:
    rng = Random(seed)
    lists = {CONFIG: (ADDRESSES, None), SIX: (ADDRESSES_6, None), BOTH: (ADDRESSES, ADDRESSES_6)}
    own, others = lists[config]
    world, pods = World(config), random_policies.pods(own, others)
    spaces = random_policies.spaces(rng)
    for name, labels in spaces.items():
        world.set_namespace(name, labels)
    for pod in pods:
        world.set_pod(pod.key, facts(pod))
    known = [*own, *(others or ())]
    policies = [random_policies.policy(rng, f"p{number}", known) for number in range(rng.randrange(1, 5))]
    wide = [random_policies.cluster_policy(rng, f"c{number}", known) for number in range(rng.randrange(1, 5) if of_cluster else 0)]
    for policy in (*policies, *wide):
        if rehearsals and rng.random() < 0.5:
            policy["metadata"]["annotations"] = {REHEARSE: "true"}
        world.set_policy(meta.key(policy), (parse_wide if policy in wide else parse)(policy))
    return Case(world, config, pods, spaces, policies, wide)


@pytest.mark.parametrize("config", [CONFIG, SIX, BOTH], ids=["ipv4", "ipv6", "both"])
@pytest.mark.parametrize("seed", range(25))
def test_random_policies_mean_what_their_specification_says(seed: int, config: NetworkPolicyConfig) -> None:
    here = case(seed, config)
    for source, target, protocol, port in here.probes():
        wanted = here.allows(source, target, protocol, port)
        assert passes(here.world, source, target, protocol, port) == wanted, (source, target, protocol, port, here.policies)


@pytest.mark.parametrize("config", [CONFIG, BOTH], ids=["ipv4", "both"])
@pytest.mark.parametrize("seed", range(40))
def test_random_tiers_of_policies_mean_what_their_specification_says(seed: int, config: NetworkPolicyConfig) -> None:
    here = case(seed + 1000, config, of_cluster=True, rehearsals=seed % 2 == 0)
    for source, target, protocol, port in here.probes():
        wanted = here.allows(source, target, protocol, port)
        why = (source, target, protocol, port, here.policies, here.of_cluster)
        assert passes(here.world, source, target, protocol, port) == wanted, why
        packet = Packet(source.address, target.address, protocol, port)
        assert judge(here.world, here.config, packet).passes == wanted, why


@pytest.mark.parametrize("seed", range(30))
def test_what_is_in_rehearsal_is_noted_where_it_would_refuse_what_passes(seed: int) -> None:
    """NetworkPolicies alone: of tiers a rehearsal counts what it denies itself, whatever others would make of that."""
    here = case(seed + 2000, CONFIG, rehearsals=True)
    for source, target, protocol, port in here.probes():
        if source == target or not here.allows(source, target, protocol, port):
            continue
        reader, packet = Reader(here.world.chains, here.world.sets), (source.address, target.address, protocol, port)
        for where in (("egress", source.address), ("ingress", target.address)):
            if (chain := here.world.chain_of(where)) is not None:
                assert reader.passes(chain, packet)
        would = here.allows(source, target, protocol, port, rehearsed=True)
        assert (not reader.noted) == would, (source, target, protocol, port, here.policies)
        assert all(here.world.culprits[number].is_rehearsed for number in reader.noted)
        assert bool(judge(here.world, CONFIG, Packet(*packet)).would) != would


@pytest.mark.parametrize("seed", range(20))
def test_what_is_refused_is_noted_under_those_who_refuse_it(seed: int) -> None:
    here = case(seed + 3000, CONFIG, of_cluster=True)
    for source, target, protocol, port in here.probes():
        packet = (source.address, target.address, protocol, port)
        found = judge(here.world, CONFIG, Packet(*packet))
        if found.passes:
            continue
        reader = Reader(here.world.chains, here.world.sets)
        where = ("egress", source.address) if found.direction == "egress" else ("ingress", target.address)
        assert not reader.passes(here.world.chain_of(where) or "", packet)
        culprit = here.world.culprits[reader.noted[-1]]
        assert (culprit.policies, culprit.direction) == (found.policies, found.direction)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_order_of_changes_the_world_is_that_of_its_last_state(seed: int) -> None:
    rng = Random(seed)
    world, book, pods = World(CONFIG), Book(CONFIG), random_policies.pods(ADDRESSES)
    spaces: dict[str, Mapping[str, str]] = {}
    policies: dict[str, Object | None] = {}
    there: dict[str, Pod | None] = {}
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
            now = there[pod.key]
            world.set_pod(pod.key, facts(now) if now else None)
        else:
            name = rng.choice(random_policies.SPACES)
            spaces[name] = random_policies.spaces(rng)[name]
            world.set_namespace(name, spaces[name])
        book.change(world, world.take_changed())
    fresh, whole = World(CONFIG), Book(CONFIG)
    for name, labelled in spaces.items():
        fresh.set_namespace(name, labelled)
    for key, last in policies.items():
        fresh.set_policy(key, parse(last) if last else None)
    for key, latest in there.items():
        fresh.set_pod(key, facts(latest) if latest else None)
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
    old = PodFacts(a.key, a.namespace, a.labels, "here", (a.address,), (), (False, False, "2026-01-01T00:00:00Z"))
    world.set_pod(a.key, old)
    assert ("ingress", a.address) in world.verdicts
    new = PodFacts(b.key, b.namespace, b.labels, "here", (a.address,), (), (False, True, "2026-01-01T00:00:01Z"))
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
        world.set_pod(f"x/q{number}", PodFacts(f"x/q{number}", "x", labels, "here", (f"10.9.0.{100 + number}",), (), (False, True, "")))
    assert pods
    assert sum(map(len, world.chains.values())) == 20 * 1 + 20 * (19 + 3)


class Asked(dict[str, str]):
    """Labels that count how often a selector asks them."""

    times = 0

    def get(self, key: str, default: Any = None) -> Any:
        Asked.times += 1
        return super().get(key, default)


def test_a_pod_with_labels_that_are_known_asks_no_selector_and_touches_its_own_address_alone() -> None:
    world, book = World(CONFIG), Book(CONFIG)
    for number in range(50):
        peer = {
            "namespaceSelector": {},
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": [f"z{number}"]}]},
        }
        world.set_policy(f"x/p{number}", parse(_policy(f"p{number}", {"matchLabels": {"no": "body"}}, [{"from": [peer]}])))
    world.set_policy("x/mine", parse(_policy("mine", {}, [{"from": [peer]}])))

    def come(number: int) -> None:
        address = f"10.9.1.{number}"
        world.set_pod(f"x/q{number}", PodFacts(f"x/q{number}", "x", Asked(app="web"), "there", (address,), (), (False, True, "")))

    for number in range(1, 100):
        come(number)
    book.whole(world)
    world.take_changed()
    Asked.times = 0
    come(100)
    changed = world.take_changed()
    assert Asked.times == 0
    assert len(changed.sets) == 50
    assert all(touched == {"10.9.1.100"} for touched in changed.sets.values())
    assert book.change(world, changed).count("10.9.1.") == 50


PORTS: list[Object] = [{"protocol": "TCP", "port": 80}, {"protocol": "TCP", "port": 90}]


@pytest.mark.parametrize(
    ("node", "address", "known"),
    [
        ("here", "10.9.0.9", True),
        ("there", "10.9.1.9", True),
        ("there", "10.9.0.9", False),
        ("here", "10.9.1.9", True),
        ("here", "192.0.2.1", False),
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
    shown, leased = read(old | {"status": {"podIP": "10.9.0.9"}}, CONFIG), read(new, CONFIG, ("10.9.0.9",))
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
