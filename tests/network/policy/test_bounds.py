"""What a policy that cannot be carried out comes to, and that it hurts nobody else; whose address is believed."""

import re
from typing import Any

import pytest

from pilothouse.linux.nft import NftFailure
from pilothouse.model.json import Object
from pilothouse.network.policy.cluster_policy import MOST_RULES as MOST_WIDE
from pilothouse.network.policy.component import is_same
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.intake import Intake
from pilothouse.network.policy.judge import Packet, judge
from pilothouse.network.policy.network_policy import MOST_POLICIES
from pilothouse.network.policy.noted import Noted
from pilothouse.network.policy.pods import NodeFacts, Ranges, facts
from pilothouse.network.policy.quarantine import refused
from pilothouse.network.policy.rules import Policy
from pilothouse.network.policy.world import World
from tests.network.policy import random_policies
from tests.network.policy.test_world import ADDRESSES, BOTH, CONFIG
from tests.network.policy.test_world import facts as placed


class Heard:
    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, obj: Object, why: str) -> None:
        self.said.append(why)


def policy(name: str, **spec: Any) -> Object:
    whole = {"podSelector": {}, "policyTypes": ["Ingress"], **spec}
    return {"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "x"}, "spec": whole}


def wide(name: str, **spec: Any) -> Object:
    whole = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, **spec}
    return {"kind": "ClusterNetworkPolicy", "metadata": {"name": name}, "spec": whole}


def world(*policies: Policy | None) -> World:
    made = World(CONFIG)
    for pod in random_policies.pods(ADDRESSES):
        made.set_namespace(pod.namespace, {"ns": pod.namespace})
        made.set_pod(pod.key, placed(pod))
    for each in policies:
        assert each is not None
        made.set_policy(each.key, each)
    return made


def passes(made: World, port: int = 80) -> bool:
    return judge(made, CONFIG, Packet(ADDRESSES[2], ADDRESSES[0], "tcp", port)).passes


def test_a_policy_that_is_too_large_allows_nothing_and_hears_why() -> None:
    heard = Heard()
    peers = [{"ipBlock": {"cidr": f"10.0.{n}.0/24"}} for n in range(50)]
    large = policy(
        "large",
        ingress=[{"from": peers, "ports": [{"port": p} for p in range(1, 60)]}],
    )
    assert not passes(world(Intake(heard).taken(large)))
    assert "2000 are the most" in heard.said[0]


def test_a_cluster_policy_that_is_too_large_denies_what_it_speaks_of() -> None:
    heard = Heard()
    peers = [{"pods": {"podSelector": {"matchLabels": {"n": str(n)}}}} for n in range(25)]
    named = [{"destinationNamedPort": f"p{n}"} for n in range(25)]
    large = wide("large", ingress=[{"action": "Accept", "from": peers, "protocols": named}] * 25)
    assert MOST_WIDE < 25 * 25 * 25
    assert not passes(world(Intake(heard).taken(large)))
    assert f"{MOST_WIDE} are the most" in heard.said[0]


@pytest.mark.parametrize(("action", "passed"), [("Accept", True), ("Deny", False), ("Pass", False)])
def test_a_rule_with_a_peer_of_an_unknown_kind_fails_closed(action: str, passed: bool) -> None:
    """One that accepts means nobody, so that what comes after it decides; others deny everybody."""
    found = Intake(None).taken(wide("new", ingress=[{"action": action, "from": [{"planets": {}}]}]))
    assert passes(world(found)) == passed


def test_a_policy_whose_subject_cannot_be_read_holds_for_nobody_and_hears_so() -> None:
    heard = Heard()
    assert Intake(heard).taken(wide("new", subject={"planets": {}})) is None
    assert "no rules can be made of it" in heard.said[0]


def test_a_refused_policy_allows_nothing_until_it_is_another_one() -> None:
    intake, obj = Intake(None), policy("p", ingress=[{}])
    assert passes(world(intake.taken(obj)))
    intake.refuse("x/p", "the kernel refuses it")
    assert not passes(world(intake.taken(obj)))
    intake.changed("x/p")
    assert passes(world(intake.taken(obj)))


def test_a_policy_for_which_there_was_no_room_is_known_until_there_is() -> None:
    intake = Intake(None)
    for number in range(MOST_POLICIES):
        intake.taken(policy(f"p{number}", ingress=[{}]))
    late = policy("late", ingress=[{}])
    assert not passes(world(intake.taken(late)))
    assert intake.beyond("x") == ("x/late",)
    intake.forget("x/p0")
    assert passes(world(intake.taken(late)))
    assert intake.beyond("x") == ()


def test_an_address_that_two_nodes_say_is_a_nodes_until_both_are_gone() -> None:
    shut = Intake(None).taken(wide("shut", ingress=[{"action": "Deny", "from": [{"nodes": {}}]}]))
    made = world(shut)
    for name in ("before", "again"):
        made.set_node(name, NodeFacts({}, ("192.0.2.9",)))
    packet = Packet("192.0.2.9", ADDRESSES[0], "tcp", 80)
    assert not judge(made, CONFIG, packet).passes
    made.set_node("before", None)
    assert not judge(made, CONFIG, packet).passes
    made.set_node("again", None)
    assert judge(made, CONFIG, packet).passes


class FakeNft:
    """Refuses transactions that have a word. outputs: what it prints for each set."""

    def __init__(self, word: str = "", outputs: dict[str, str] | None = None) -> None:
        self.word, self.outputs, self.asked = word, outputs or {}, 0
        self.commands: list[str] = []

    def run(self, commands: str) -> str:
        self.commands.append(commands)
        return next((text for name, text in self.outputs.items() if commands.endswith(f" {name}\n")), "")

    def check(self, commands: str) -> None:
        self.asked += 1
        if self.word and self.word in commands:
            raise NftFailure("no such thing")


def test_of_many_policies_those_are_found_that_the_kernel_refuses() -> None:
    intake = Intake(None)
    good = [intake.taken(policy(f"p{number}", ingress=[{"ports": [{"port": number, "protocol": "TCP"}]}])) for number in range(1, 101)]
    bad = intake.taken(policy("bad", ingress=[{"ports": [{"port": 7777, "protocol": "SCTP"}]}]))
    nft = FakeNft("sctp dport { 7777 }")
    assert refused(nft, CONFIG, world(*good, bad), can_reset=True) == {"x/bad": "no such thing"}
    assert nft.asked < 20
    assert refused(FakeNft("add table"), CONFIG, world(*good), can_reset=True) == {}


@pytest.mark.parametrize("name", ["a } ; flush ruleset", "a\nadd table inet pwned", "UPPER", "x" * 60, "é"])
def test_names_that_users_choose_reach_no_command(name: str) -> None:
    rule = {"action": "Deny", "name": name, "from": [{"namespaces": {"matchLabels": {name: name}}}]}
    found = Intake(None).taken(wide(name, ingress=[{**rule, "protocols": [{"destinationNamedPort": name}]}]))
    made = world(found)
    text = "\n".join(line for lines in made.chains.values() for line in lines)
    assert name not in text
    assert all(re.fullmatch(r"[a-z0-9-]+", each) for each in (*made.sets, *made.chains))


ELEMENT = "0x00000001 . 10.9.0.2 . 10.9.0.3 . tcp . {port} counter packets {packets} bytes 60 timeout 1m expires 59s"


def listing(*elements: tuple[int, int]) -> str:
    return f"elements = {{ {', '.join(ELEMENT.format(port=port, packets=packets) for port, packets in elements)} }}"


def test_refusals_are_those_since_the_last_look() -> None:
    nft = FakeNft(outputs={"noted": listing((80, 3), (81, 1))})
    noted = Noted(nft, BOTH)
    assert sorted(noted.fresh().values()) == [1, 3]
    assert noted.fresh() == {}
    nft.outputs["noted"] = listing((80, 5), (81, 1))
    assert list(noted.fresh().values()) == [2]
    nft.outputs["noted"] = listing((80, 1))
    assert list(noted.fresh().values()) == [1]


def test_a_set_that_somebody_fills_is_emptied_for_others() -> None:
    nft = FakeNft(outputs={"noted": listing(*((port, 1) for port in range(1, 5000)))})
    noted = Noted(nft, CONFIG)
    assert len(noted.fresh()) == 4999
    assert any(command.startswith("flush set") for command in nft.commands)
    nft.outputs["noted"] = listing((80, 1))
    assert list(noted.fresh().values()) == [1]


WIDE = NetworkPolicyConfig(
    instance="t", node="here", dns_addresses=(), local_cidrs=("10.9.0.0/24", "fd00:9::/64"), cluster_cidrs=("10.9.0.0/16", "fd00:9::/48")
)


@pytest.mark.parametrize(
    ("node", "address", "believed"),
    [
        ("there", "10.9.1.9", True),
        ("other", "10.9.1.9", False),
        ("other", "10.9.7.9", True),
        ("other", "fd00:9:0:1::9", False),
        ("there", "fd00:9:0:1::9", True),
        ("there", "fd00:9::9", False),
        ("there", "fe80::1%eth0", False),
        ("here", "fd00:9::9", True),
        ("here", "10.9.1.9", False),
        ("here", "10.9.7.9", True),
    ],
)
def test_a_node_is_not_believed_of_addresses_that_another_one_has_been_granted(node: str, address: str, believed: bool) -> None:
    ranges = Ranges()
    assert ranges.set("there", ("10.9.1.0/24", "fd00:9:0:1::/64"))
    assert not ranges.set("there", ("10.9.1.0/24", "fd00:9:0:1::/64"))
    pod = {"metadata": {"name": "p", "namespace": "x"}, "spec": {"nodeName": node}, "status": {"podIPs": [{"ip": address}]}}
    assert (facts(pod, WIDE, (), ranges) is not None) == believed
    ranges.set("there", ())
    assert (facts(pod, WIDE, (), ranges) is not None) == (address not in ("fd00:9::9", "fe80::1%eth0") or node == "here")


@pytest.mark.parametrize(
    ("annotations", "same"),
    [({"network.pilothouse.dev/dropped": "ingress: 3"}, True), ({"network.pilothouse.dev/rehearse": "true"}, False)],
)
def test_what_is_noted_at_a_policy_is_no_other_policy(annotations: Object, same: bool) -> None:
    before = policy("p", ingress=[])
    after = {**before, "metadata": {**before["metadata"], "annotations": annotations}}
    assert is_same(before, after) == same


def test_a_policy_that_was_changed_and_changed_back_is_seen_again() -> None:
    before = policy("p", ingress=[])
    assert not is_same(before, {**before, "metadata": {**before["metadata"], "generation": 3}})
