"""What rules a service gets. The rule sets are files under tests/golden/services; PH_UPDATE_GOLDEN=1 writes them anew."""

import os
from collections import Counter
from pathlib import Path

import pytest

from pilothouse.model.json import Object
from pilothouse.network.service.book import RuleBook
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.endpoints import endpoints_of
from pilothouse.network.service.plan import MOST_PORTS, NOTHING, Fragment, plan
from tests.network.cluster import endpoint, endpoint_slice, service

GOLDEN = Path(__file__).parents[2] / "golden" / "services"
CONFIG = ServiceProxyConfig(instance="t", node="here", local_cidr="10.244.0.0/24", service_cidr="10.96.0.0/12")
HTTP: Object = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
HTTP_SLICE: Object = {"name": "http", "protocol": "TCP", "port": 8080}
TWO = [endpoint("10.244.0.5"), endpoint("10.244.0.6")]


def rules(obj: Object, *slices: Object) -> Fragment:
    return plan(obj, slices, CONFIG)


def chain(fragment: Fragment, kind: str) -> tuple[str, ...]:
    return next(rules for name, rules in fragment.chains.items() if name.startswith(f"{kind}-"))


CASES: dict[str, tuple[Object, list[Object]]] = {
    "cluster-ip": (service("web", HTTP), [endpoint_slice("web", [HTTP_SLICE], *TWO)]),
    "no-endpoints": (service("web", HTTP), []),
    "node-port": (service("web", HTTP | {"nodePort": 30080}, type="NodePort"), [endpoint_slice("web", [HTTP_SLICE], *TWO)]),
    "affinity": (service("web", HTTP, sessionAffinity="ClientIP"), [endpoint_slice("web", [HTTP_SLICE], *TWO)]),
    "local-only": (
        service("web", HTTP | {"nodePort": 30080}, type="NodePort", externalTrafficPolicy="Local", internalTrafficPolicy="Local"),
        [endpoint_slice("web", [HTTP_SLICE], endpoint("10.244.0.5"), endpoint("10.244.1.6", node="there"))],
    ),
    "load-balancer": (
        service("web", HTTP, type="LoadBalancer", loadBalancerSourceRanges=["192.0.2.0/24"], externalIPs=["198.51.100.7"])
        | {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}},
        [endpoint_slice("web", [HTTP_SLICE], *TWO)],
    ),
    "dns": (
        service("dns", {"name": "dns", "protocol": "UDP", "port": 53}, {"name": "dns-tcp", "protocol": "TCP", "port": 53}),
        [
            endpoint_slice(
                "dns", [{"name": "dns", "protocol": "UDP", "port": 53}, {"name": "dns-tcp", "port": 53}], endpoint("10.244.0.1", node="")
            )
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_service_gets_the_rules_of_its_golden_file(case: str) -> None:
    book = RuleBook(CONFIG)
    book.change({"default/web": rules(CASES[case][0], *CASES[case][1])})
    path = GOLDEN / f"{case}.nft"
    if os.environ.get("PH_UPDATE_GOLDEN"):
        path.write_text(book.whole())
    assert book.whole() == path.read_text()


def test_a_change_of_endpoints_rewrites_one_chain_and_no_shared_map() -> None:
    book = RuleBook(CONFIG)
    book.change({"default/web": rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], *TWO))})
    commands = book.change({"default/web": rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], TWO[0]))})
    name = "s-85208ae6-default/web/tcp/80"
    assert commands.splitlines() == [
        f"flush chain ip pilothouse-t-svc {name}",
        f"add rule ip pilothouse-t-svc {name} meta l4proto tcp dnat to 10.244.0.5:8080",
        "delete element ip pilothouse-t-svc self { 10.244.0.6 . 10.244.0.6 }",
    ]


def test_nothing_changed_is_no_transaction() -> None:
    book = RuleBook(CONFIG)
    fragment = rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], *TWO))
    book.change({"default/web": fragment})
    assert book.change({"default/web": fragment}) == ""


def test_a_service_that_goes_takes_everything_with_it() -> None:
    book = RuleBook(CONFIG)
    empty = book.whole()
    book.change({"default/web": rules(CASES["affinity"][0], *CASES["affinity"][1])})
    book.change({"default/web": NOTHING})
    assert book.whole() == empty
    assert book.addresses == frozenset()


def test_clients_that_were_known_are_remembered_by_the_table_that_replaces_another() -> None:
    book = RuleBook(CONFIG)
    assert not book.has_affinity
    fragment = rules(CASES["affinity"][0], *CASES["affinity"][1])
    book.change({"default/web": fragment})
    first, second = fragment.sets
    commands = book.whole({first: {"10.244.0.9": 60, "10.244.0.10": 0}, second: {"10.244.0.11": 999_999}, "a-gone": {"10.244.0.12": 60}})
    assert [line for line in commands.splitlines() if "expires" in line] == [
        f"add element ip pilothouse-t-svc {first} {{ 10.244.0.9 expires 60s }}"
    ]
    assert book.has_affinity


def test_an_address_in_two_services_is_routed_to_until_both_have_let_it_go() -> None:
    book = RuleBook(CONFIG)
    first, second = service("a", HTTP, clusterIP="10.96.0.1"), service("b", HTTP, clusterIP="10.96.0.2")
    pods = endpoint("10.244.0.5")
    book.change(
        {
            "default/a": rules(first, endpoint_slice("a", [HTTP_SLICE], pods)),
            "default/b": rules(second, endpoint_slice("b", [HTTP_SLICE], pods)),
        }
    )
    assert "self" not in book.change({"default/a": rules(first)})
    assert book.addresses == {"10.244.0.5"}
    assert "delete element ip pilothouse-t-svc self" in book.change({"default/b": rules(second)})


def test_of_two_services_that_claim_the_same_the_first_has_it_and_the_other_inherits() -> None:
    book = RuleBook(CONFIG)
    first = rules(service("a", HTTP, clusterIP="10.96.0.1", externalIPs=["192.0.2.1"]))
    second = rules(service("b", HTTP, clusterIP="10.96.0.2", externalIPs=["192.0.2.1"]))
    book.change({"default/a": first})
    commands = book.change({"default/b": second})
    assert "192.0.2.1" not in commands
    commands = book.change({"default/a": NOTHING})
    assert "delete element ip pilothouse-t-svc frontends { 10.96.0.1 . tcp . 80, 192.0.2.1 . tcp . 80 }" in commands
    assert "frontends { 192.0.2.1 . tcp . 80 : goto s-" in commands
    assert "default/b/tcp/80 }" in commands


def test_no_service_takes_addresses_of_other_services_or_pods_by_naming_them() -> None:
    named = ["10.96.0.10", "10.244.0.7", "192.0.2.1", "2001:db8::1"]
    taken = service("taker", HTTP, type="LoadBalancer", clusterIP="10.96.0.99", externalIPs=named)
    taken["status"] = {"loadBalancer": {"ingress": [{"ip": "10.96.0.11"}, {"ip": "203.0.113.9"}]}}
    found = rules(taken)
    assert {key.split(" . ")[0] for _, key in found.elements} == {"10.96.0.99", "192.0.2.1", "203.0.113.9"}
    assert found.refused == ("10.244.0.7", "10.96.0.10", "10.96.0.11")


def many_ports(count: int) -> tuple[list[Object], list[Object]]:
    """Of a service, and of its slices."""
    names = [f"p{number}" for number in range(count)]
    offered = [{"name": name, "protocol": "TCP", "port": number + 1} for number, name in enumerate(names)]
    return [{**port, "targetPort": port["port"]} for port in offered], offered


def test_endpoints_are_read_once_whatever_the_number_of_ports() -> None:
    """Each port looked through all endpoints and all ports of each slice: seconds of the node's event loop for one service."""
    ports, offered = many_ports(300)
    read: Counter[str] = Counter()

    class Counted(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            read[key] += 1
            return super().get(key, default)

    slice_ = endpoint_slice("web", [Counted(port) for port in offered], *(Counted(endpoint(f"10.244.0.{n}")) for n in range(20)))
    found = rules(service("web", *ports), slice_)
    assert len(found.chains) == 300
    assert max(read.values()) <= 3 * 300


def test_a_service_with_more_ports_or_targets_than_a_node_can_take_is_refused_with_its_numbers() -> None:
    ports, offered = many_ports(MOST_PORTS + 1)
    with pytest.raises(ValueError, match=f"it has {MOST_PORTS + 1} ports, and {MOST_PORTS} are the most"):
        rules(service("web", *ports))
    some = [endpoint_slice("web", offered, *(endpoint(f"10.244.{m}.{n}") for n in range(100)), suffix=str(m)) for m in range(6)]
    with pytest.raises(ValueError, match="its 100 ports lead to 60000 places, and 50000 are the most"):
        rules(service("web", *ports[:100]), *some)
    assert len(rules(service("web", *ports[:80]), *some).chains) == 80


def test_endpoints_that_are_not_ready_get_no_traffic() -> None:
    slice_ = endpoint_slice("web", [HTTP_SLICE], endpoint("10.244.0.5", ready=False), endpoint("10.244.0.6", ready=None))
    assert [found.address for found in endpoints_of(HTTP, [slice_])] == ["10.244.0.6"]


def test_terminating_endpoints_serve_only_when_no_other_is_ready() -> None:
    going = endpoint("10.244.0.5", ready=False, serving=True, terminating=True)
    dead = endpoint("10.244.0.7", ready=False, serving=False, terminating=True)
    assert [found.address for found in endpoints_of(HTTP, [endpoint_slice("web", [HTTP_SLICE], going, dead)])] == ["10.244.0.5"]
    both = endpoint_slice("web", [HTTP_SLICE], going, endpoint("10.244.0.6"))
    assert [found.address for found in endpoints_of(HTTP, [both])] == ["10.244.0.6"]


def test_an_endpoint_in_two_slices_counts_once() -> None:
    slices = [endpoint_slice("web", [HTTP_SLICE], endpoint("10.244.0.5"), suffix=suffix) for suffix in ("a", "b")]
    assert len(endpoints_of(HTTP, slices)) == 1


def test_slices_of_other_ports_and_families_are_not_meant() -> None:
    other = endpoint_slice("web", [HTTP_SLICE | {"name": "metrics"}], endpoint("10.244.0.5"))
    six = endpoint_slice("web", [HTTP_SLICE], endpoint("fd00::1")) | {"addressType": "IPv6"}
    assert endpoints_of(HTTP, [other, six]) == ()


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"type": "ExternalName", "clusterIP": ""}, {"clusterIP": ""}])
def test_services_without_an_address_get_no_rules(spec: Object) -> None:
    assert rules(service("web", HTTP, **spec)) == NOTHING


def test_a_service_of_another_proxy_gets_no_rules() -> None:
    labelled = service("web", HTTP)
    labelled["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "other"}
    assert rules(labelled) == NOTHING


def test_only_this_nodes_pods_keep_their_address_towards_endpoints_elsewhere() -> None:
    fragment = rules(service("db", HTTP), endpoint_slice("db", [HTTP_SLICE], endpoint("192.0.2.50", node="")))
    assert chain(fragment, "s") == (
        "ip saddr != 10.244.0.0/24 meta mark set meta mark or 0x4000",
        "meta l4proto tcp dnat to 192.0.2.50:8080",
    )


def test_the_longest_names_fit_into_a_chain_name() -> None:
    fragment = rules(service("n" * 63, HTTP, namespace="m" * 63))
    assert all(len(name) <= 100 for name in fragment.chains)


def test_a_source_range_with_host_bits_means_its_network() -> None:
    ranged = service("web", HTTP, type="LoadBalancer", loadBalancerSourceRanges=[" 192.0.2.9/24"], externalIPs=["198.51.100.7"])
    assert "192.0.2.0/24" in " ".join(chain(rules(ranged, endpoint_slice("web", [HTTP_SLICE], *TWO)), "f"))


def test_nobody_waits_for_a_terminating_endpoint_that_is_the_last_resort() -> None:
    book = RuleBook(CONFIG)
    leaving = endpoint("10.244.0.5", ready=False, serving=True, terminating=True)
    book.change({"default/web": rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], endpoint("10.244.0.5")))})
    assert book.addresses == {"10.244.0.5"}
    fragment = rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], leaving))
    book.change({"default/web": fragment})
    assert "10.244.0.5" in str(fragment.chains)
    assert book.addresses == frozenset()


def test_nobody_waits_for_a_terminating_endpoint_of_a_service_that_takes_them_in_any_state() -> None:
    book = RuleBook(CONFIG)
    leaving = endpoint("10.244.0.5", ready=True, serving=True, terminating=True)
    book.change({"default/web": rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], leaving, endpoint("10.244.0.6")))})
    assert book.addresses == {"10.244.0.6"}


def hinted(address: str, *nodes: str) -> Object:
    return endpoint(address, node=nodes[0]) | {"hints": {"forNodes": [{"name": name} for name in nodes]}}


@pytest.mark.parametrize(
    ("endpoints", "led_to"),
    [
        ([hinted("10.244.0.5", "here"), hinted("10.244.1.6", "there")], {"10.244.0.5"}),
        ([hinted("10.244.1.6", "there"), hinted("10.244.2.7", "yonder")], {"10.244.1.6", "10.244.2.7"}),
        ([hinted("10.244.0.5", "here"), endpoint("10.244.1.6", node="there")], {"10.244.0.5", "10.244.1.6"}),
    ],
)
def test_traffic_stays_on_the_node_when_all_endpoints_say_whom_they_are_for(endpoints: list[Object], led_to: set[str]) -> None:
    found = rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], *endpoints))
    text = " ".join(chain(found, "s"))
    assert {each["addresses"][0] for each in endpoints if each["addresses"][0] in text} == led_to
    assert found.addresses == {each["addresses"][0] for each in endpoints}
