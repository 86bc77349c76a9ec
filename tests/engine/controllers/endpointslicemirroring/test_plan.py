from typing import Any

from pilothouse.engine.controllers.endpointslicemirroring.plan import MANAGER, MANAGER_LABEL, is_mirrored, plan
from pilothouse.model.json import Object

DATABASE: Object = {"metadata": {"name": "db", "namespace": "default"}, "spec": {"ports": [{"port": 5432}]}}


def endpoints(*subsets: Object, **metadata: Any) -> Object:
    return {"metadata": {"name": "db", "namespace": "default", "uid": "uid-db", **metadata}, "subsets": list(subsets)}


def subset(*addresses: str, port: int = 5432, unready: tuple[str, ...] = ()) -> Object:
    ready, waiting = ([{"ip": each} for each in some] for some in (addresses, unready))
    return {"addresses": ready, "notReadyAddresses": waiting, "ports": [{"name": "sql", "port": port, "protocol": "TCP"}]}


def stored(slices: list[Object]) -> list[Object]:
    """As the API server answers."""
    return [each | {"metadata": each["metadata"] | {"name": f"db-{number}", "uid": str(number)}} for number, each in enumerate(slices)]


def test_a_slice_says_what_the_endpoints_say() -> None:
    address = {"ip": "192.0.2.1", "hostname": "db-0", "nodeName": "n1", "targetRef": {"kind": "Pod", "name": "p"}}
    obj = endpoints(
        {"addresses": [address], "ports": [{"port": 5432, "appProtocol": "x"}]}, labels={"app": "db"}, annotations={"team": "a"}
    )
    (made,) = plan(obj, []).create
    assert made["addressType"] == "IPv4"
    assert made["endpoints"] == [
        {"addresses": ["192.0.2.1"], "conditions": {"ready": True}, "hostname": "db-0", "nodeName": "n1", "targetRef": address["targetRef"]}
    ]
    assert made["ports"] == [{"name": "", "port": 5432, "protocol": "TCP", "appProtocol": "x"}]
    labels = {"app": "db", "kubernetes.io/service-name": "db", MANAGER_LABEL: MANAGER}
    assert (made["metadata"]["labels"], made["metadata"]["annotations"]) == (labels, {"team": "a"})
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Endpoints", "uid-db", True)


def test_families_and_ports_have_slices_of_their_own_and_equal_subsets_share_one() -> None:
    found = plan(endpoints(subset("192.0.2.1", "2001:db8::1"), subset("192.0.2.2"), subset("192.0.2.1", port=5433)), []).create
    shown = [([each["addresses"][0] for each in made["endpoints"]], made["addressType"], made["ports"][0]["port"]) for made in found]
    assert shown == [
        (["192.0.2.1", "192.0.2.2"], "IPv4", 5432),
        (["2001:db8::1"], "IPv6", 5432),
        (["192.0.2.1"], "IPv4", 5433),
    ]


def test_addresses_that_are_not_ready_are_said_to_be_so_and_one_that_is_both_is_ready() -> None:
    (made,) = plan(endpoints(subset("192.0.2.1", unready=("192.0.2.2", "192.0.2.1"))), []).create
    assert [(each["addresses"][0], each["conditions"]["ready"]) for each in made["endpoints"]] == [
        ("192.0.2.1", True),
        ("192.0.2.2", False),
    ]


def test_nothing_is_written_when_nothing_has_changed() -> None:
    obj = endpoints(subset("192.0.2.1"), annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"})
    there = stored(plan(obj, []).create)
    again = plan(obj, there)
    assert (again.create, again.update, again.delete) == ([], [], [])
    assert "annotations" not in there[0]["metadata"]


def test_a_change_is_one_update_and_ports_that_are_gone_take_their_slice_with_them() -> None:
    there = stored(plan(endpoints(subset("192.0.2.1"), subset("192.0.2.9", port=1)), []).create)
    found = plan(endpoints(subset("192.0.2.2"), labels={"new": "label"}), there)
    assert found.create == []
    (update,) = found.update
    assert (update["metadata"]["name"], update["endpoints"][0]["addresses"]) == ("db-0", ["192.0.2.2"])
    assert update["metadata"]["labels"]["new"] == "label"
    assert [each["metadata"]["name"] for each in found.delete] == ["db-1"]


def test_of_two_slices_for_the_same_ports_the_older_one_stays() -> None:
    (made,) = plan(endpoints(subset("192.0.2.1")), []).create
    younger, older = stored([made, made])
    younger["metadata"]["creationTimestamp"], older["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    assert [each["metadata"]["name"] for each in plan(endpoints(subset("192.0.2.1")), [younger, older]).delete] == ["db-0"]


def test_a_subset_gives_a_thousand_addresses_at_most_and_what_is_no_address_none() -> None:
    many = [f"10.0.{number // 250}.{number % 250}" for number in range(1100)]
    found = plan(endpoints(subset("nonsense", *many[:-1], unready=(many[-1],))), [])
    (made,) = found.create
    assert (len(made["endpoints"]), found.skipped, found.invalid) == (1000, 100, 1)
    assert {each["conditions"]["ready"] for each in made["endpoints"]} == {True}


def test_only_endpoints_that_people_write_for_a_service_without_selector_are_mirrored() -> None:
    assert is_mirrored(endpoints(), DATABASE)
    assert not is_mirrored(endpoints(), None)
    assert not is_mirrored(endpoints(), DATABASE | {"spec": {"selector": {"app": "db"}}})
    assert not is_mirrored(endpoints(labels={"endpointslice.kubernetes.io/skip-mirror": "true"}), DATABASE)
    assert is_mirrored(endpoints(labels={"endpointslice.kubernetes.io/skip-mirror": "false"}), DATABASE)
    assert not is_mirrored(endpoints(annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}), DATABASE)
