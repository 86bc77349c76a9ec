"""How zones share the endpoints of a Service (topology-mode: Auto)."""

from collections import Counter
from typing import Any

import pytest

from pilothouse.engine.controllers.endpoints import facts
from pilothouse.engine.controllers.endpointslice import hints, plan
from tests.engine.controllers.objects import pod, service


def endpoint(uid: str, zone: str | None, ready: bool = True) -> dict[str, Any]:
    return {"conditions": {"ready": ready}, "targetRef": {"uid": uid}} | ({"zone": zone} if zone else {})


def in_zones(**counts: int) -> list[dict[str, Any]]:
    return [endpoint(f"{zone}{number}", zone) for zone, count in counts.items() for number in range(count)]


def node(name: str, zone: str = "", cpu: str = "4", ready: str = "True") -> dict[str, Any]:
    found = {hints.ZONE_LABEL: zone} if zone else {}
    status = {"allocatable": {"cpu": cpu}, "conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": name, "labels": found}, "status": status}


HALVES = {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(
    ("counts", "shares", "expected"),
    [
        ({"a": 3, "b": 3}, HALVES, {"a": 3, "b": 3}),
        ({"a": 4, "b": 2}, HALVES, {"a": 3, "b": 3}),
        ({"a": 6, "b": 0}, HALVES, {"a": 3, "b": 3}),
        ({"a": 10, "b": 0, "c": 2}, {"a": 0.25, "b": 0.5, "c": 0.25}, {"a": 3, "b": 6, "c": 3}),
        ({"a": 2, "b": 2, "gone": 2}, HALVES, {"a": 3, "b": 3}),
    ],
)
def test_zones_get_endpoints_by_their_cpus(counts: dict[str, int], shares: dict[str, float], expected: dict[str, int]) -> None:
    chosen, why = hints.automatic(in_zones(**counts), {}, shares)
    assert (Counter(chosen.values()), why) == (expected, "")


@pytest.mark.parametrize(
    ("endpoints", "shares", "why"),
    [
        (in_zones(a=2, b=2), {}, hints.FEW_NODES),
        (in_zones(a=1), HALVES, "Insufficient number of endpoints (1 endpoints, 2 zones)"),
        (in_zones(a=2, b=1), HALVES, "without exceeding overload threshold (3 endpoints, 2 zones)"),
        ([*in_zones(a=3, b=2), endpoint("x", None)], HALVES, hints.NO_ZONE),
    ],
)
def test_where_zones_cannot_share_nobody_is_meant_for_anybody(endpoints: list[dict[str, Any]], shares: dict[str, float], why: str) -> None:
    chosen, said = hints.automatic(endpoints, {}, shares)
    assert (chosen, why in said) == ({}, True), said


def test_what_an_endpoint_is_meant_for_stays_while_it_can() -> None:
    endpoints = in_zones(a=5, b=5)
    crossed = {each["targetRef"]["uid"]: {"a": "b", "b": "a"}[each["zone"]] for each in endpoints}
    assert hints.automatic(endpoints, crossed, HALVES)[0] == crossed
    more = [*endpoints, endpoint("new", "a")]
    chosen, _ = hints.automatic(more, crossed, HALVES)
    assert chosen == crossed | {"new": "a"}


def test_a_zone_that_has_too_few_is_given_some_though_nothing_is_new() -> None:
    endpoints = in_zones(a=10)
    before = {each["targetRef"]["uid"]: "a" if number < 6 else "b" for number, each in enumerate(endpoints)}
    chosen, _ = hints.automatic(endpoints, before, {"a": 0.2, "b": 0.4, "c": 0.4})
    assert Counter(chosen.values()) == {"a": 2, "b": 4, "c": 4}


def test_shares_are_of_ready_nodes_beside_the_control_plane() -> None:
    nodes = [node("n1", "a", "2"), node("n2", "b", "5"), node("n3", "b", "1"), node("n4", "c", ready="False")]
    assert hints.shares(nodes) == {"a": 0.25, "b": 0.75}
    assert hints.shares([node("n1", "a"), node("n2")]) == {}
    assert hints.shares([node("n1", "a"), node("n2", "a")]) == {}
    assert hints.shares([node("n1", "a"), node("n2", "b", "0")]) == {}


def test_a_control_plane_gets_no_traffic_meant_for_it() -> None:
    master = {"metadata": {"name": "m", "labels": {hints.ZONE_LABEL: "c", "node-role.kubernetes.io/control-plane": ""}}}
    assert hints.shares([node("n1", "a"), node("n2", "b"), master]) == HALVES


def test_a_plan_says_for_which_zone_each_endpoint_is_and_writes_no_slice_again() -> None:
    wanted = service()
    wanted["metadata"]["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    pods = [pod(str(n), ip=f"10.1.0.{n + 1}", ready_s=1, node="n1" if n < 4 else "n2") for n in range(6)]
    zones = {"n1": "a", "n2": "b"}

    def planned(slices: list[dict[str, Any]], shares: dict[str, float]) -> plan.Plan:
        return plan.plan(wanted, facts.chosen(wanted, pods), slices, zones.get, shares)

    found = planned([], HALVES)
    (made,) = found.create
    assert found.hints == {"IPv4": ""}
    assert Counter(each["hints"]["forZones"][0]["name"] for each in made["endpoints"]) == {"a": 3, "b": 3}
    made["metadata"] |= {"name": "web-0", "uid": "s0"}
    again = planned([made], HALVES)
    assert (again.create, again.update, again.delete) == ([], [], [])
    without = planned([made], {})
    assert not any("hints" in each for each in without.update[0]["endpoints"])
    assert without.hints == {"IPv4": hints.FEW_NODES}
