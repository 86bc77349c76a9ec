import pytest

from pilothouse.engine.apiserver.kinds.network_policies import NETWORKPOLICY as KIND
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, changed, created, named, refusals, update_refusals

EVERYBODY: Object = {"podSelector": {}}


def policy(**spec: object) -> Object:
    return named(spec={"podSelector": {}, **spec})


def ports(*given: Object) -> Object:
    return {"egress": [{"ports": list(given)}]}


def peer(given: Object) -> Object:
    return {"ingress": [{"from": [given]}]}


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, ["Ingress"]),
        ({"ingress": [{}]}, ["Ingress"]),
        ({"egress": [{}]}, ["Ingress", "Egress"]),
        ({"egress": []}, ["Ingress"]),
        ({"policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_a_policy_that_does_not_say_its_types_has_those_of_its_rules(spec: Object, types: list[str]) -> None:
    assert created(KIND, policy(**spec))["spec"]["policyTypes"] == types


def test_ports_are_of_tcp_unless_they_say_otherwise() -> None:
    made = created(KIND, policy(**ports({"port": 80}, {"protocol": "UDP"}, {"port": "x"})))
    assert [port["protocol"] for port in made["spec"]["egress"][0]["ports"]] == ["TCP", "UDP", "TCP"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (peer({"podSelector": {}, "namespaceSelector": {}}), []),
        (peer({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}), []),
        (peer({}), ["spec.ingress[0].from[0] Required"]),
        (peer({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}), ["spec.ingress[0].from[0] Forbidden"]),
        (peer({"ipBlock": {"cidr": ""}}), ["spec.ingress[0].from[0].ipBlock.cidr Required"]),
        (peer({"ipBlock": {"cidr": "10.0.0.0/40"}}), ["spec.ingress[0].from[0].ipBlock.cidr Invalid"]),
        (peer({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}), ["spec.ingress[0].from[0].ipBlock.except[0] Invalid"]),
        (peer({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}), ["spec.ingress[0].from[0].ipBlock.except[0] Invalid"]),
        (peer({"podSelector": {"matchLabels": {"a b": "c"}}}), ["spec.ingress[0].from[0].podSelector.matchLabels Invalid"]),
        (ports({"port": 80, "endPort": 90}, {"port": "http"}, {}), []),
        (ports({"port": 90, "endPort": 80}), ["spec.egress[0].ports[0].endPort Invalid"]),
        (ports({"endPort": 80}), ["spec.egress[0].ports[0].endPort Invalid"]),
        (ports({"port": "http", "endPort": 80}), ["spec.egress[0].ports[0].endPort Invalid"]),
        (ports({"port": 0}), ["spec.egress[0].ports[0].port Invalid"]),
        (ports({"port": "no_name"}), ["spec.egress[0].ports[0].port Invalid"]),
        (ports({"port": 80, "protocol": "ICMP"}), ["spec.egress[0].ports[0].protocol NotSupported"]),
        ({"policyTypes": ["Both"]}, ["spec.policyTypes[0] NotSupported"]),
        ({"policyTypes": ["Ingress", "Egress", "Ingress"]}, ["spec.policyTypes Invalid"]),
        ({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, ["spec.podSelector.matchExpressions[0].values Required"]),
    ],
)
def test_what_a_policy_may_say(spec: Object, expected: list[str]) -> None:
    assert refusals(KIND, policy(**spec)) == expected


def test_all_of_it_may_change_and_counts_as_a_generation() -> None:
    assert update_refusals(KIND, policy(), policy(**ports({"port": 80}))) == []


def test_its_row_shows_whom_it_selects() -> None:
    made = changed(created(KIND, policy(podSelector={"matchLabels": {"app": "db"}})), "metadata.creationTimestamp", "2026-05-04T11:59:00Z")
    assert KIND.cells(made, NOW) == ["it", "app=db", "60s"]
