"""What announcers read of Nodes."""

import json
import time

import pytest

from pilothouse.model.json import Object
from pilothouse.model.load_balancers import EXCLUDED, LINKS
from pilothouse.network.announce.nodes import MOST_BYTES, MOST_LINKS, MOST_NETWORKS, Nodes, places_of
from tests.engine.controllers.loadbalancer.objects import READY


def node(name: str, mac: str = "02:00:00:00:00:01", labels: Object | None = None, ready: str = "True") -> Object:
    links = json.dumps([{"name": "eth0", "mac": mac, "networks": ["192.0.2.0/24"]}])
    metadata = {"name": name, "annotations": {LINKS: links}, "labels": labels or {}}
    return {"metadata": metadata, "status": {"conditions": [{**READY, "status": ready}]}}


def mac(number: int) -> str:
    return number.to_bytes(6, "big").hex(":")


def said(text: str) -> Object:
    return {"metadata": {"name": "n", "annotations": {LINKS: text}}}


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "{}", "[1]", "null", '[{"name":"a"}]'),
        '[{"name":"a","mac":"zz","networks":[]}]',
        '[{"name":"a","mac":"02:00","networks":[]}]',
        '[{"name":"a","mac":"02:00:00:00:00:01","networks":["x"]}]',
        '[{"name":"a","mac":"02:00:00:00:00:01","networks":[[]]}]',
        '[{"name":"a","mac":"02:00:00:00:00:01","networks":null}]',
        "[" * 9000 + "]" * 9000,
        f'[{{"name":"{"a" * MOST_BYTES}","mac":"02:00:00:00:00:01","networks":[]}}]',
    ],
)
def test_links_that_are_not_understood_are_none(text: str) -> None:
    assert places_of(said(text)) == ()


def test_of_many_links_and_networks_the_first_ones_count() -> None:
    link = {"name": "a", "mac": "02:00:00:00:00:01", "networks": [f"10.0.{number}.0/24" for number in range(30)]}
    found = places_of(said(json.dumps([link] * 20)))
    assert len(found) == MOST_LINKS
    assert len(found[0].networks) == MOST_NETWORKS


def test_a_node_is_found_by_its_mac_address_until_it_has_another() -> None:
    nodes, own = Nodes([node("n1"), node("n2", mac(7))]), bytes.fromhex("020000000001")
    assert nodes.other_with(own, "n2") == "n1"
    assert nodes.other_with(own, "n1") == ""
    assert nodes.has("n1", own)
    assert nodes.put(node("n1", mac(9)))
    assert nodes.other_with(own, "n2") == ""
    assert nodes.remove("n2")
    assert nodes.other_with(bytes.fromhex("000000000007"), "n1") == ""


def test_a_node_with_the_mac_address_of_another_does_not_answer_in_its_name() -> None:
    nodes, own = Nodes([node("n1"), node("taken-over")]), bytes.fromhex("020000000001")
    assert nodes.has("n1", own)
    assert not nodes.has("n2", own)


def test_usable_nodes_are_the_same_list_until_one_changes() -> None:
    nodes = Nodes([node("n2"), node("n1"), node("n3", labels={EXCLUDED: ""}), node("n4", ready="Unknown")])
    usable = nodes.usable()
    assert [each.name for each in usable] == ["n1", "n2"]
    assert not nodes.put(node("n1"))
    assert nodes.usable() is usable
    assert nodes.put(node("n1", ready="Unknown"))
    nodes.remove("n2")
    assert [each.name for each in nodes.usable()] == ["n3"]


def test_a_node_that_comes_with_its_links_is_usable_at_once() -> None:
    nodes = Nodes([node("n1")])
    assert [each.name for each in nodes.usable()] == ["n1"]
    assert nodes.put(node("n2", mac(2)))
    assert [each.name for each in nodes.usable()] == ["n1", "n2"]
    assert nodes.remove("n1")
    assert nodes.put(node("n1"))
    assert [each.name for each in nodes.usable()] == ["n1", "n2"]


def test_a_claim_costs_the_same_however_many_nodes_there_are() -> None:
    nodes = Nodes(node(f"n{number}", mac(number)) for number in range(1000))
    began = time.thread_time()
    for number in range(1000):
        nodes.other_with(number.to_bytes(6, "big"), "n0")
    assert time.thread_time() - began < 0.5
