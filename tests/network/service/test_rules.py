"""From objects to transactions: what is written, what is left out and who hears of it. nftables is a fake that takes or refuses."""

from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.linux.nft import NftFailure
from pilothouse.model.json import Object
from pilothouse.network.service import kernel
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.plan import Health
from pilothouse.network.service.rules import Change, Outcome, ProxyFailure, Rules
from tests.network.cluster import endpoint, endpoint_slice, service

CONFIG = ServiceProxyConfig(instance="t", node="here", local_cidrs=("10.244.0.0/24",), service_cidrs=("10.96.0.0/12",))
HTTP: Object = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
OFFERED: Object = {"name": "http", "protocol": "TCP", "port": 8080}
ONE, TWO = "10.244.0.5", "10.244.0.6"


class FakeNft:
    """Refuses every transaction with one of the words in it."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.ran: list[str] = []

    def run(self, commands: str) -> str:
        self.check(commands)
        self.ran.append(commands)
        return ""

    def check(self, commands: str) -> None:
        for word in self.refused:
            if word in commands:
                raise NftFailure(f"{word}: not taken")


@pytest.fixture
def nft() -> FakeNft:
    return FakeNft()


@pytest.fixture
def rules(nft: FakeNft, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rules]:
    monkeypatch.setattr(kernel, "translates_sctp", lambda: False)
    made = Rules(CONFIG, nft)
    made.write()
    nft.ran.clear()
    yield made
    made.close()


def change(name: str, *addresses: str, port: Object = HTTP, **spec: Any) -> Change:
    slices = [endpoint_slice(name, [{**OFFERED, "protocol": port["protocol"]}], *map(endpoint, addresses))]
    return Change(f"default/{name}", service(name, port, **spec), slices)


def applied(rules: Rules, *changes: Change) -> Outcome:
    rules.take(changes, "")
    return rules.write()


def reasons(outcome: Outcome) -> list[tuple[str, str]]:
    return [(remark.key, remark.reason) for remark in outcome.remarks]


def test_the_last_resort_is_left_once_more_when_another_endpoint_is_there(rules: Rules) -> None:
    applied(rules, change("a", ONE))
    ending = endpoint_slice("a", [OFFERED], endpoint(ONE, ready=False, serving=True, terminating=True))
    assert applied(rules, Change("default/a", service("a", HTTP), [ending])).left == {ONE}
    both = endpoint_slice("a", [OFFERED], endpoint(ONE, ready=False, serving=True, terminating=True), endpoint(TWO))
    then = applied(rules, Change("default/a", service("a", HTTP), [both]))
    assert (then.routed, then.left) == ({TWO}, {ONE})
    assert applied(rules, change("a", TWO)).left == set()


def test_a_change_does_not_copy_what_is_known_of_the_addresses_of_all_services(rules: Rules) -> None:
    applied(rules, change("a", ONE), change("b", TWO, clusterIP="10.96.0.2"))
    kept = rules._reported, rules._led
    applied(rules, change("a", TWO))
    assert (rules._reported is kept[0], rules._led is kept[1]) == (True, True)


def test_addresses_are_told_when_traffic_goes_to_them_and_when_it_goes_there_no_more(rules: Rules) -> None:
    first = applied(rules, change("a", ONE), change("b", ONE, TWO, clusterIP="10.96.0.2"))
    assert (first.routed, first.left) == ({ONE, TWO}, set())
    second = applied(rules, change("a", TWO), change("b", ONE, clusterIP="10.96.0.2"))
    assert (second.routed, second.left) == (set(), set())
    gone = applied(rules, Change("default/a", None, []), Change("default/b", None, []))
    assert (gone.routed, gone.left) == (set(), {ONE, TWO})


def test_nothing_that_matters_is_no_transaction(rules: Rules, nft: FakeNft) -> None:
    applied(rules, change("a", ONE))
    nft.ran.clear()
    assert applied(rules, change("a", ONE)).done
    assert nft.ran == []


def test_a_service_that_nftables_refuses_is_left_out_and_the_others_of_its_transaction_go_on(rules: Rules, nft: FakeNft) -> None:
    nft.refused = {"10.96.0.66"}
    refused = applied(rules, change("good", ONE), change("bad", TWO, clusterIP="10.96.0.66"))
    assert (refused.done, refused.wait, refused.routed) == (False, False, set())
    assert reasons(refused) == [("default/bad", "ServiceNotRouted")]
    assert "10.96.0.66: not taken" in refused.remarks[0].message
    written = rules.write()
    assert (written.done, written.routed) == (True, {ONE})
    assert ONE in nft.ran[-1]
    assert TWO not in nft.ran[-1]


def test_a_service_that_was_left_out_comes_back_when_it_is_mended(rules: Rules, nft: FakeNft) -> None:
    nft.refused = {"10.96.0.66"}
    applied(rules, change("bad", TWO, clusterIP="10.96.0.66"))
    rules.write()
    assert applied(rules, change("bad", TWO, clusterIP="10.96.0.67")).routed == {TWO}


def test_a_table_that_is_gone_is_written_as_a_whole_and_nobody_is_to_blame(rules: Rules, nft: FakeNft) -> None:
    applied(rules, change("a", ONE))
    nft.refused = {"add element ip pilothouse-t-svc endpoints"}
    nft.check = lambda commands: None  # type: ignore[method-assign]
    nft.run = _refusing_once(nft)  # type: ignore[method-assign]
    failed = applied(rules, change("a", ONE, TWO))
    assert (failed.done, failed.wait, failed.remarks) == (False, False, [])
    assert rules.write().routed == {TWO}
    assert nft.ran[-1].startswith("add table ip pilothouse-t-svc\ndelete table")


def _refusing_once(nft: FakeNft) -> Any:
    def run(commands: str) -> str:
        if nft.refused:
            nft.refused.clear()
            raise NftFailure("No such file or directory")
        nft.ran.append(commands)
        return ""

    return run


def test_whole_tables_that_fail_for_no_services_sake_are_waited_for(rules: Rules, nft: FakeNft) -> None:
    nft.refused = {"add table"}
    failed = rules.write_whole()
    assert (failed.done, failed.wait, failed.remarks) == (False, True, [])


def test_a_service_that_no_rules_can_be_made_of_is_named(rules: Rules) -> None:
    outcome = applied(rules, change("bad", clusterIP="10.96.0.300"), change("good", ONE))
    assert (reasons(outcome), outcome.done, outcome.routed) == ([("default/bad", "ServiceNotRouted")], True, {ONE})


def test_a_service_that_names_addresses_of_the_cluster_hears_of_it_once(rules: Rules) -> None:
    named = change("taker", externalIPs=["10.96.0.10", "192.0.2.1"])
    (remark,) = applied(rules, named).remarks
    assert (remark.reason, "10.96.0.10:" in remark.message, "192.0.2.1" in remark.message) == ("ExternalIPNotRouted", True, False)
    assert applied(rules, named).remarks == []


def test_a_service_with_ports_of_sctp_hears_once_that_the_kernel_does_not_track_them(rules: Rules) -> None:
    sctp = change("s", ONE, port={"name": "http", "protocol": "SCTP", "port": 80})
    outcome = applied(rules, sctp)
    assert (reasons(outcome), outcome.routed) == ([("default/s", "ProtocolNotRouted")], set())
    assert "CONFIG_NF_CT_PROTO_SCTP" in outcome.remarks[0].message
    assert applied(rules, sctp).remarks == []


def test_health_checks_are_told_while_there_are_any_and_once_when_there_are_no_more(rules: Rules) -> None:
    balanced = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
    assert applied(rules, change("a", ONE, **balanced)).health == {"default/a": Health(31000, 1)}
    assert applied(rules, change("a", ONE)).health == {"default/a": None}
    assert applied(rules, change("a", ONE)).health == {}


def test_what_finds_no_endpoint_on_this_node_is_counted(rules: Rules) -> None:
    there = [endpoint_slice("a", [OFFERED], endpoint("10.244.1.5", node="there"))]
    local = service("a", HTTP, type="LoadBalancer", internalTrafficPolicy="Local", externalTrafficPolicy="Local", externalIPs=["192.0.2.1"])
    rules.take([Change("default/a", local, there)], "")
    rules.write()
    assert dict(rules.local_only) == {"internal": 1, "external": 1}
    applied(rules, Change("default/a", None, []))
    assert not +rules.local_only
    assert rules.elements == 0


def test_a_kernel_that_lacks_something_is_told_in_one_sentence() -> None:
    nft = FakeNft()
    nft.refused = {"numgen"}
    with pytest.raises(ProxyFailure, match=r"services need numgen \(CONFIG_NFT_NUMGEN\), which this kernel does not offer"):
        Rules(CONFIG, nft)


def test_the_zone_counts_for_services_that_are_planned_after_it_is_known(rules: Rules) -> None:
    hinted = [endpoint(address) | {"hints": {"forZones": [{"name": zone}]}} for address, zone in ((ONE, "a"), (TWO, "b"))]
    change_ = Change("default/web", service("web", HTTP), [endpoint_slice("web", [OFFERED], *hinted)])
    rules.take([change_], "")
    assert rules.write().routed == {ONE, TWO}
    rules.take([change_], "b")
    assert rules.write().left == {ONE}
