"""What a service needs of nftables. The rule sets are files under tests/golden/services; PH_UPDATE_GOLDEN=1 writes them anew."""

import itertools
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.model.json import Object
from pilothouse.network.service.affinity import Affinity, Pick, stay
from pilothouse.network.service.book import RuleBook
from pilothouse.network.service.chains import Chains
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.plan import MOST_PORTS, NOTHING, Fragment, Health, Plan, Where, plan
from tests.network.cluster import endpoint, endpoint_slice, service

GOLDEN = Path(__file__).parents[2] / "golden" / "services"
CONFIG = ServiceProxyConfig(instance="t", node="here", local_cidrs=("10.244.0.0/24",), service_cidrs=("10.96.0.0/12",))
DUAL = ServiceProxyConfig(
    instance="t",
    node="here",
    local_cidrs=("10.244.0.0/24", "fd00:10:244::/64"),
    cluster_cidrs=("10.244.0.0/16", "fd00:10:244::/56"),
    service_cidrs=("10.96.0.0/12", "fd00:10:96::/108"),
)
ONLY_SIX = ServiceProxyConfig(instance="t", node="here", local_cidrs=("fd00:10:244::/64",), service_cidrs=("fd00:10:96::/108",))
NODE_ADDRESSES = ("127.0.0.1", "192.0.2.1", "2001:db8::1")
HTTP: Object = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
HTTP_SLICE: Object = {"name": "http", "protocol": "TCP", "port": 8080}
TWO = [endpoint("10.244.0.5"), endpoint("10.244.0.6")]


def planned(obj: Object | None, *slices: Object, config: ServiceProxyConfig = CONFIG, zone: str = "") -> Plan:
    return plan(obj, slices, config, zone)


def rules(obj: Object | None, *slices: Object, zone: str = "") -> Fragment:
    return planned(obj, *slices, zone=zone).fragments[0]


def led_to(fragment: Fragment, address: str = "10.96.0.10", port: int = 80, protocol: str = "tcp") -> set[str]:
    return {each[0] for each in fragment.targets(Where(address, protocol, port))}


def six(name: str, ports: list[Object], *endpoints: Object) -> Object:
    return endpoint_slice(name, ports, *endpoints, suffix="six") | {"addressType": "IPv6"}


BOTH = {"clusterIPs": ["10.96.0.10", "fd00:10:96::a"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
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
    "dual-stack": (
        service("web", HTTP | {"nodePort": 30080}, type="NodePort", externalTrafficPolicy="Local", **BOTH),
        [
            endpoint_slice("web", [HTTP_SLICE], *TWO),
            six("web", [HTTP_SLICE], endpoint("fd00:10:244::5"), endpoint("fd00:10:244:0:1::6", node="there")),
        ],
    ),
    "affinity-of-ipv6": (
        service("web", HTTP, sessionAffinity="ClientIP", clusterIP="fd00:10:96::a"),
        [six("web", [HTTP_SLICE], endpoint("fd00:10:244::5"))],
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


def config_of(case: str) -> ServiceProxyConfig:
    return {"dual-stack": DUAL, "affinity-of-ipv6": ONLY_SIX}.get(case, CONFIG)


@pytest.mark.parametrize("case", CASES)
def test_a_service_gets_the_rules_of_its_golden_file(case: str) -> None:
    found = planned(CASES[case][0], *CASES[case][1], config=config_of(case))
    text = ""
    for family, fragment in zip(config_of(case).families, found.fragments, strict=True):
        book = RuleBook(family)
        book.change({"default/web": fragment})
        text += book.whole(NODE_ADDRESSES)
    path = GOLDEN / f"{case}.nft"
    if os.environ.get("PH_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_no_service_takes_addresses_of_other_services_or_pods_by_naming_them() -> None:
    named = ["10.96.0.10", "10.244.0.7", "192.0.2.1", "2001:db8::1"]
    taken = service("taker", HTTP, type="LoadBalancer", clusterIP="10.96.0.99", externalIPs=named)
    taken["status"] = {"loadBalancer": {"ingress": [{"ip": "10.96.0.11"}, {"ip": "203.0.113.9"}]}}
    found = planned(taken)
    assert {where.address for where in found.fragments[0].frontends} == {"10.96.0.99", "192.0.2.1", "203.0.113.9"}
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
    assert len(found.frontends) == 300
    assert max(read.values()) <= 3 * 300


def test_a_service_with_more_ports_or_targets_than_a_node_can_take_is_refused_with_its_numbers() -> None:
    ports, offered = many_ports(MOST_PORTS + 1)
    with pytest.raises(ValueError, match=f"it has {MOST_PORTS + 1} ports, and {MOST_PORTS} are the most"):
        rules(service("web", *ports))
    some = [endpoint_slice("web", offered, *(endpoint(f"10.244.{m}.{n}") for n in range(100)), suffix=str(m)) for m in range(6)]
    with pytest.raises(ValueError, match="its 100 ports lead to 60000 places, and 50000 are the most"):
        rules(service("web", *ports[:100]), *some)
    assert len(rules(service("web", *ports[:80]), *some).frontends) == 80
    ranged = service(
        "web", *ports[:11], type="LoadBalancer", loadBalancerSourceRanges=[f"10.{n // 250}.{n % 250}.1/32" for n in range(1000)]
    )
    ranged["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    with pytest.raises(ValueError, match="its loadBalancerSourceRanges are 11000 entries over all ports and addresses, and 10000 are"):
        rules(ranged)


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"type": "ExternalName", "clusterIP": ""}, {"clusterIP": ""}])
def test_services_without_an_address_get_no_rules(spec: Object) -> None:
    assert rules(service("web", HTTP, **spec)) == NOTHING


def test_a_service_of_another_proxy_gets_no_rules() -> None:
    labelled = service("web", HTTP)
    labelled["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "other"}
    assert rules(labelled) == NOTHING


def test_only_this_nodes_pods_keep_their_address_towards_endpoints_elsewhere() -> None:
    fragment = rules(service("db", HTTP), endpoint_slice("db", [HTTP_SLICE], endpoint("192.0.2.50", node="")))
    assert fragment.chains["pick-1"][0] == "ip saddr != 10.244.0.0/24 meta mark set meta mark or 0x4000"


def test_the_longest_names_fit_into_a_chain_name() -> None:
    into: Chains = {}
    for is_local, is_node_port in itertools.product((False, True), repeat=2):
        stay(into, CONFIG.families[0], Affinity(86_400, "clients-15"), Pick(32_767, 32_768, is_local, is_node_port))
    assert all(len(name) <= 100 for name in into)


def test_source_ranges_with_host_bits_mean_their_networks_and_may_overlap() -> None:
    ranged = service("web", HTTP, type="LoadBalancer", loadBalancerSourceRanges=[" 192.0.2.9/24", "192.0.2.128/25"])
    ranged["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    found = rules(ranged, endpoint_slice("web", [HTTP_SLICE], *TWO))
    assert found.frontends[Where("203.0.113.9", "tcp", 80)].networks == ("192.0.2.0/24",)
    (name,) = (name for name in found.chains if name.startswith("f-"))
    assert found.chains[name] == ("ip daddr . meta l4proto . th dport . ip saddr != @allowed drop", "goto pick-2")


def test_source_ranges_of_the_annotation_count_where_the_field_says_nothing() -> None:
    ranged = service("web", HTTP, type="LoadBalancer")
    ranged["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    ranged["metadata"]["annotations"] = {"service.beta.kubernetes.io/load-balancer-source-ranges": "192.0.2.0/24, 198.51.100.0/24"}
    found = rules(ranged, endpoint_slice("web", [HTTP_SLICE], *TWO))
    assert found.frontends[Where("203.0.113.9", "tcp", 80)].networks == ("192.0.2.0/24", "198.51.100.0/24")


def test_source_ranges_of_the_other_family_let_nobody_in() -> None:
    ranged = service("web", HTTP, type="LoadBalancer", loadBalancerSourceRanges=["192.0.2.0/24"], **BOTH)
    ranged["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}, {"ip": "2001:db8::9"}]}}
    four, other = planned(ranged, config=DUAL).fragments
    assert other.frontends[Where("2001:db8::9", "tcp", 80)].verdict == "drop"
    assert four.frontends[Where("203.0.113.9", "tcp", 80)].verdict.startswith("goto f-")


def test_an_address_behind_a_proxy_in_front_is_left_to_it() -> None:
    balanced = service("web", HTTP, type="LoadBalancer")
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9", "ipMode": "Proxy"}, {"ip": "203.0.113.8", "ipMode": "VIP"}]}}
    assert {where.address for where in rules(balanced).frontends} == {"10.96.0.10", "203.0.113.8"}


def test_a_service_of_one_family_has_no_node_port_in_the_other() -> None:
    four, other = planned(service("web", HTTP | {"nodePort": 30080}, type="NodePort"), config=DUAL).fragments
    assert Where("", "tcp", 30080) in four.frontends
    assert other == NOTHING


@pytest.mark.parametrize(
    ("policy", "endpoints", "led"),
    [
        ("Local", [endpoint("10.244.0.5"), endpoint("10.244.1.6", node="there")], {"10.244.0.5"}),
        ("Cluster", [endpoint("10.244.0.5"), endpoint("10.244.1.6", node="there")], {"10.244.0.5", "10.244.1.6"}),
        ("Local", [endpoint("10.244.1.6", node="there")], set()),
    ],
)
def test_internal_traffic_stays_on_the_node_when_it_is_to(policy: str, endpoints: list[Object], led: set[str]) -> None:
    found = planned(service("web", HTTP, internalTrafficPolicy=policy), endpoint_slice("web", [HTTP_SLICE], *endpoints))
    assert led_to(found.fragments[0]) == led
    assert found.local_only == (set() if led else {"internal"})
    verdict = found.fragments[0].frontends[Where("10.96.0.10", "tcp", 80)].verdict
    assert verdict == (f"goto pick-{len(led)}" if led else "drop")


def balanced(*endpoints: Object, **spec: object) -> Plan:
    asked = service("web", HTTP, type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=31000, **spec)
    return planned(asked, endpoint_slice("web", [HTTP_SLICE], *endpoints))


LEAVING = {"ready": False, "serving": True, "terminating": True}


def test_health_checks_count_the_endpoints_of_this_node_that_take_new_connections() -> None:
    there, leaving = endpoint("10.244.1.6", node="there"), endpoint("10.244.0.7", **LEAVING)
    assert balanced(*TWO, there, leaving).health == Health(31000, 2)
    assert balanced(there, leaving).health == Health(31000, 0)
    assert planned(service("web", HTTP, type="LoadBalancer", healthCheckNodePort=31000)).health is None


def test_a_terminating_endpoint_of_this_node_serves_those_from_outside_while_others_serve_the_rest() -> None:
    """KEP-1669: each traffic policy falls back by itself."""
    found = balanced(endpoint("10.244.0.7", **LEAVING), endpoint("10.244.1.6", node="there"), externalIPs=["198.51.100.7"]).fragments[0]
    assert led_to(found) == {"10.244.1.6"}
    assert led_to(found, "198.51.100.7") == {"10.244.1.6", "10.244.0.7"}
    (rules_,) = (rules for name, rules in found.chains.items() if name.startswith("x-"))
    assert rules_ == ("ip saddr 10.244.0.0/24 goto pick-1", "iif 0 goto pick-1", "goto pick-local-1")


def test_ports_of_sctp_are_left_out_where_the_kernel_does_not_track_them_and_this_is_told() -> None:
    both = service("web", HTTP, {"name": "s", "protocol": "SCTP", "port": 80})
    assert {where.protocol for where in rules(both).frontends} == {"tcp", "sctp"}
    without = plan(both, [], CONFIG, "", ("tcp", "udp"))
    assert ({where.protocol for where in without.fragments[0].frontends}, without.sctp) == ({"tcp"}, True)


@pytest.mark.parametrize(
    "broken",
    [
        service("web", HTTP | {"port": 65536}),
        service("web", HTTP | {"port": "80; flush ruleset"}),
        service("web", HTTP, clusterIP="10.96.0.1; flush ruleset"),
        service("web", HTTP, sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 86401}}),
        service("web", HTTP, type="LoadBalancer", loadBalancerSourceRanges=["0.0.0.0/0 } accept"]),
    ],
)
def test_what_the_api_does_not_allow_never_reaches_nftables(broken: Object) -> None:
    with pytest.raises((ValueError, TypeError)):
        plan(broken, [], CONFIG)


@pytest.mark.parametrize("spec", [{}, {"externalTrafficPolicy": "Local"}, {"sessionAffinity": "ClientIP"}])
@pytest.mark.parametrize(
    ("endpoints", "led"),
    [
        (TWO, None),
        ([], None),
        ([TWO[0], endpoint("10.244.1.9", node="there")], {("10.244.0.5", 8080)}),
        ([endpoint("10.244.1.9", node="there")], set()),
        ([endpoint("192.0.2.9", node=""), endpoint("10.244.0.7", node="")], {("10.244.0.7", 8080)}),
        (
            [endpoint("10.244.1.9", node="there"), endpoint("10.244.0.5", ready=False, serving=True, terminating=True)],
            {("10.244.0.5", 8080)},
        ),
    ],
)
def test_a_node_port_at_loopback_leads_to_this_nodes_endpoints(
    spec: Object, endpoints: list[Object], led: set[tuple[str, int]] | None
) -> None:
    """None: as at the node's other addresses."""
    found = rules(service("web", HTTP | {"nodePort": 30080}, type="NodePort", **spec), endpoint_slice("web", [HTTP_SLICE], *endpoints))
    where = Where("127.0.0.1", "tcp", 30080)
    assert (found.targets(where) if where in found.frontends else None) == led
    if led == set():
        assert found.frontends[where].verdict == "goto refuse"


def test_no_node_port_is_led_from_loopback_where_it_does_not_answer() -> None:
    config = replace(CONFIG, node_port_addresses=("192.0.2.0/24",))
    far = endpoint_slice("web", [HTTP_SLICE], endpoint("10.244.1.9", node="there"))
    fragment = planned(service("web", HTTP | {"nodePort": 30080}, type="NodePort"), far, config=config).fragments[0]
    assert {where.address for where in fragment.frontends} == {"10.96.0.10", ""}


@pytest.mark.parametrize("names", [{"name": "a b; flush ruleset"}, {"name": "web", "namespace": "a b; flush ruleset"}])
@pytest.mark.parametrize("affinity", ["None", "ClientIP"])
def test_names_of_services_are_not_told_to_nftables(names: dict[str, str], affinity: str) -> None:
    book = RuleBook(CONFIG.families[0])
    book.put({"default/web": planned(service(**names, ports=[HTTP], sessionAffinity=affinity), *CASES["affinity"][1]).fragments[0]})
    assert "flush" not in book.whole(NODE_ADDRESSES)


def hinted(address: str, node: str, nodes: list[str], zones: list[str]) -> Object:
    hints: Object = {"forNodes": [{"name": name} for name in nodes], "forZones": [{"name": name} for name in zones]}
    return endpoint(address, node=node) | {"hints": {kind: names for kind, names in hints.items() if names}}


NEAR, FAR = "10.244.0.5", "10.244.1.6"


@pytest.mark.parametrize(
    ("endpoints", "zone", "led"),
    [
        ([hinted(NEAR, "here", ["here"], []), hinted(FAR, "there", ["there"], [])], "", {NEAR}),
        ([hinted(NEAR, "yon", ["yon"], []), hinted(FAR, "there", ["there"], [])], "", {NEAR, FAR}),
        ([hinted(NEAR, "here", ["here"], []), hinted(FAR, "there", [], [])], "", {NEAR, FAR}),
        ([hinted(NEAR, "here", [], ["a"]), hinted(FAR, "there", [], ["b"])], "a", {NEAR}),
        ([hinted(NEAR, "here", [], ["a"]), hinted(FAR, "there", [], ["b"])], "b", {FAR}),
        ([hinted(NEAR, "here", [], ["a"]), hinted(FAR, "there", [], ["b"])], "c", {NEAR, FAR}),
        ([hinted(NEAR, "here", [], ["a"]), hinted(FAR, "there", [], ["b"])], "", {NEAR, FAR}),
        ([hinted(NEAR, "here", [], ["a"]), hinted(FAR, "there", [], [])], "a", {NEAR, FAR}),
        ([hinted(NEAR, "yon", ["yon"], ["a"]), hinted(FAR, "there", ["there"], ["b"])], "b", {FAR}),
        ([hinted(NEAR, "here", [], ["a", "b"]), hinted(FAR, "there", [], ["b"])], "b", {NEAR, FAR}),
    ],
)
def test_traffic_stays_on_the_node_or_in_the_zone_that_hints_mean(endpoints: list[Object], zone: str, led: set[str]) -> None:
    assert led_to(rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], *endpoints), zone=zone)) == led


def test_hints_of_endpoints_that_are_not_ready_count_for_nothing() -> None:
    ready, waiting = hinted(NEAR, "here", [], ["a"]), hinted(FAR, "there", [], []) | {"conditions": {"ready": False}}
    assert led_to(rules(service("web", HTTP), endpoint_slice("web", [HTTP_SLICE], ready, waiting), zone="a")) == {NEAR}
