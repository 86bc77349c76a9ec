"""Which UDP flows are ended after a change; the kernel's part is in tests/e2e/network."""

import socket
from collections.abc import Mapping

from pilothouse.linux.conntrack import Flow
from pilothouse.model.json import Object
from pilothouse.network.service.book import RuleBook
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.flows import StaleFlows
from pilothouse.network.service.plan import NOTHING, Fragment, plan
from tests.network.cluster import endpoint, endpoint_slice, service

CONFIG = ServiceProxyConfig(instance="t", node="here", local_cidrs=("10.244.0.0/24",), service_cidrs=("10.96.0.0/12",))
DNS: Object = {"name": "dns", "protocol": "UDP", "port": 53}


def leading(name: str, address: str, **spec: object) -> Fragment:
    return plan(service(name, DNS, **spec), [endpoint_slice(name, [DNS], endpoint(address))], CONFIG).fragments[0]


def changed(flows: StaleFlows, book: RuleBook, wanted: Mapping[str, Fragment]) -> None:
    before = {key: book.get(key) for key in wanted}
    book.put(wanted)
    for key, fragment in wanted.items():
        flows.note(before[key], fragment, book.targets, ["192.0.2.9"])


def is_stale(flows: StaleFlows, to: str, answers: str) -> bool:
    return flows.is_stale(Flow(socket.IPPROTO_UDP, (to, 53), (answers, 53), b"", b"", b""))


def test_flows_to_former_endpoints_and_those_without_translation_are_stale() -> None:
    flows, book = StaleFlows(), RuleBook(CONFIG.families[0])
    changed(flows, book, {"default/a": leading("a", "10.244.0.5")})
    assert is_stale(flows, "10.96.0.10", "10.244.0.6")
    assert is_stale(flows, "10.96.0.10", "10.96.0.10")
    assert not is_stale(flows, "10.96.0.10", "10.244.0.5")
    assert not is_stale(flows, "10.96.0.11", "10.244.0.6")
    assert bool(flows)


def test_who_claims_an_address_of_another_service_ends_none_of_its_flows() -> None:
    flows, book = StaleFlows(), RuleBook(CONFIG.families[0])
    first = leading("a", "10.244.0.5", externalIPs=["192.0.2.1"])
    changed(flows, book, {"default/a": first})
    changed(flows, book, {"default/b": leading("b", "10.244.0.6", clusterIP="10.96.0.11", externalIPs=["192.0.2.1"])})
    assert not is_stale(flows, "192.0.2.1", "10.244.0.5")
    changed(flows, book, {"default/a": NOTHING})
    assert is_stale(flows, "192.0.2.1", "10.244.0.5")
    assert not is_stale(flows, "192.0.2.1", "10.244.0.6"), "the other one has inherited it"


def test_flows_to_a_node_port_from_before_it_was_one_are_stale_at_every_address_of_the_node() -> None:
    flows, book = StaleFlows(), RuleBook(CONFIG.families[0])
    ported = plan(service("a", DNS | {"nodePort": 53}, type="NodePort"), [endpoint_slice("a", [DNS], endpoint("10.244.0.5"))], CONFIG)
    changed(flows, book, {"default/a": ported.fragments[0]})
    assert is_stale(flows, "192.0.2.9", "192.0.2.9")
    assert not is_stale(flows, "192.0.2.9", "10.244.0.5")


def test_endpoints_that_change_their_order_alone_end_no_flow() -> None:
    flows, book = StaleFlows(), RuleBook(CONFIG.families[0])
    slices = [endpoint_slice("a", [DNS], *map(endpoint, order)) for order in (("10.244.0.5", "10.244.0.6"), ("10.244.0.6", "10.244.0.5"))]
    book.put({"default/a": plan(service("a", DNS), slices[:1], CONFIG).fragments[0]})
    changed(flows, book, {"default/a": plan(service("a", DNS), slices[1:], CONFIG).fragments[0]})
    assert not flows


def test_a_node_port_at_loopback_that_leads_where_it_leads_everywhere_keeps_its_flows() -> None:
    flows, book = StaleFlows(), RuleBook(CONFIG.families[0])
    port = {**DNS, "nodePort": 30053}
    here, there = endpoint("10.244.0.5"), endpoint("10.244.9.5", node="there")
    for endpoints in ((here, there), (here,)):
        wanted = plan(service("a", port, type="NodePort"), [endpoint_slice("a", [DNS], *endpoints)], CONFIG).fragments[0]
        changed(flows, book, {"default/a": wanted})
    for answers, stale in (("10.244.0.5", False), ("10.244.9.5", True)):
        assert flows.is_stale(Flow(socket.IPPROTO_UDP, ("127.0.0.1", 30053), (answers, 53), b"", b"", b"")) == stale
