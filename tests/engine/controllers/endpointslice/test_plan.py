from typing import Any

import pytest

from pilothouse.engine.controllers.endpoints import facts
from pilothouse.engine.controllers.endpoints import plan as endpoints_plan
from pilothouse.engine.controllers.endpointslice import plan
from tests.engine.controllers.objects import pod, service


def planned(wanted: dict[str, Any], pods: list[dict[str, Any]], slices: list[dict[str, Any]] | None = None) -> plan.Plan:
    return plan.plan(wanted, facts.chosen(wanted, pods), slices or [], {"n1": "here"}.get, {})


def stored(slices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Slices as the server gives them back: with names."""
    return [each | {"metadata": each["metadata"] | {"name": f"web-{n}", "uid": f"s{n}"}} for n, each in enumerate(slices)]


def conditions(found: plan.Plan) -> dict[str, Any]:
    (endpoint,) = (found.create + found.update)[0]["endpoints"]
    shown: dict[str, Any] = endpoint["conditions"]
    return shown


def test_a_ready_pod_is_an_endpoint_with_address_node_zone_and_reference() -> None:
    (made,) = planned(service(), [pod("a", ip="10.1.0.1", ready_s=1)]).create
    assert made["endpoints"] == [
        {
            "addresses": ["10.1.0.1"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": "uid-a"},
            "nodeName": "n1",
            "zone": "here",
        }
    ]
    assert made["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert made["metadata"]["labels"] == {plan.SERVICE_LABEL: "web", plan.MANAGER_LABEL: plan.MANAGER}


def test_an_ending_pod_leaves_ready_at_once_but_still_serves() -> None:
    found = planned(service(), [pod("a", ip="10.1.0.1", ready_s=1, deleting=True)])
    assert conditions(found) == {"ready": False, "serving": True, "terminating": True}


def test_an_unready_pod_is_listed_as_such() -> None:
    assert conditions(planned(service(), [pod("a", ip="10.1.0.1")])) == {"ready": False, "serving": False, "terminating": False}


def test_a_service_may_publish_addresses_that_are_not_ready() -> None:
    found = planned(service(publishNotReadyAddresses=True), [pod("a", ip="10.1.0.1", deleting=True)])
    assert conditions(found) == {"ready": True, "serving": False, "terminating": True}


def test_finished_pods_pods_without_address_and_others_pods_are_no_endpoints() -> None:
    pods = [pod("done", ip="10.1.0.1", phase="Succeeded"), pod("young"), pod("other", ip="10.1.0.2", labels={"app": "db"})]
    (placeholder,) = planned(service(), pods).create
    assert placeholder["endpoints"] == []


def test_the_placeholder_is_filled_not_replaced() -> None:
    (placeholder,) = stored(planned(service(), []).create)
    found = planned(service(), [pod("a", ip="10.1.0.1")], [placeholder])
    assert len(found.create) + len(found.update) == 1


def test_nothing_is_written_when_nothing_changes() -> None:
    pods = [pod("a", ip="10.1.0.1", ready_s=1), pod("b", ip="10.1.0.2")]
    slices = stored(planned(service(), pods).create)
    assert planned(service(), pods[::-1], slices) == plan.Plan()


def test_one_pods_change_is_one_slices_update() -> None:
    pods = [pod(str(n), ip=f"10.1.{n // 200}.{n % 200}", ready_s=1) for n in range(250)]
    slices = stored(planned(service(), pods).create)
    assert [len(each["endpoints"]) for each in slices] == [100, 100, 50]
    found = planned(service(), [*pods[:120], pod("120", ip="10.1.0.120"), *pods[121:]], slices)
    assert (len(found.create), len(found.update), len(found.delete)) == (0, 1, 0)


def test_a_named_target_port_is_each_pods_own() -> None:
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    one = pod("a", ip="10.1.0.1", ports=[{"name": "web", "containerPort": 8001}])
    two = pod("b", ip="10.1.0.2", ports=[{"name": "web", "containerPort": 8002}])
    found = planned(service(ports=ports), [one, two])
    assert sorted(each["ports"][0]["port"] for each in found.create) == [8001, 8002]


def test_a_headless_service_is_labelled_and_may_have_no_ports() -> None:
    (made,) = planned(service(clusterIP="None", ports=[]), [pod("a", ip="10.1.0.1")]).create
    assert made["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert len(made["endpoints"]) == 1


def test_a_pod_of_the_services_subdomain_keeps_its_host_name() -> None:
    named = pod("a", ip="10.1.0.1")
    named["spec"] |= {"hostname": "db-0", "subdomain": "web"}
    (made,) = planned(service(), [named]).create
    assert made["endpoints"][0]["hostname"] == "db-0"


def test_addresses_of_each_family_get_slices_of_their_own() -> None:
    both = pod("a", ip="10.1.0.1")
    both["status"]["podIPs"].append({"ip": "fd00::1"})
    found = planned(service(ipFamilies=["IPv4", "IPv6"]), [both])
    assert {each["addressType"]: each["endpoints"][0]["addresses"] for each in found.create} == {"IPv4": ["10.1.0.1"], "IPv6": ["fd00::1"]}


def test_slices_of_a_family_the_service_left_are_deleted() -> None:
    (old,) = stored(planned(service(), [pod("a", ip="10.1.0.1")]).create)
    assert planned(service(ipFamilies=["IPv6"]), [], [old]).delete == [old]


def test_a_service_without_a_selector_selects_nothing() -> None:
    assert not facts.selector(service(selector=None))
    assert not facts.selector(service(type="ExternalName"))


@pytest.mark.parametrize(
    ("distribution", "hints"),
    [
        ("PreferSameNode", {"forZones": [{"name": "here"}], "forNodes": [{"name": "n1"}]}),
        ("PreferSameZone", {"forZones": [{"name": "here"}]}),
        ("PreferClose", {"forZones": [{"name": "here"}]}),
    ],
)
def test_a_ready_endpoint_is_meant_for_its_own_zone_and_node(distribution: str, hints: dict[str, Any]) -> None:
    wanted = service(trafficDistribution=distribution)
    pods = [pod("a", ip="10.1.0.1", ready_s=1), pod("b", ip="10.1.0.2")]
    (made,) = planned(wanted, pods).create
    assert [each.get("hints") for each in made["endpoints"]] == [hints, None]
    (changed,) = planned(service(), pods, stored([made])).update
    assert not any("hints" in each for each in changed["endpoints"])


def test_an_endpoint_on_a_node_without_zone_is_meant_for_its_node_alone() -> None:
    (made,) = planned(service(trafficDistribution="PreferSameNode"), [pod("a", ip="10.1.0.1", ready_s=1, node="n2")]).create
    assert made["endpoints"][0]["hints"] == {"forNodes": [{"name": "n2"}]}


def test_ports_are_worked_out_once_for_all_pods_that_have_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service may have thousands of ports, and thousands of pods."""
    asked: list[str] = []
    ports = facts.ports

    def counted(of: dict[str, Any], each: dict[str, Any]) -> list[dict[str, Any]]:
        asked.append(each["metadata"]["name"])
        return ports(of, each)

    monkeypatch.setattr(facts, "ports", counted)
    wanted = service()
    wanted["spec"]["ports"] = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    named = [[{"name": "http", "containerPort": number}] for number in (8080, 8081)]
    pods = [pod(f"{n}", ip=f"10.1.0.{n}", ready_s=1, ports=named[n % 2]) for n in range(10)]
    made = planned(wanted, pods).create
    assert sorted((len(each["endpoints"]), each["ports"][0]["port"]) for each in made) == [(5, 8080), (5, 8081)]
    assert len(asked) == 2
    asked.clear()
    assert len(endpoints_plan.build(wanted, pods, None)["subsets"]) == 2
    assert len(asked) == 2
