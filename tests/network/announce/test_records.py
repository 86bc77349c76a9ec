"""Which nodes say that they answer for which Service."""

import time
from typing import Any

from pilothouse.model.json import Object
from pilothouse.network.announce.records import Holders, difference, name_of

WEB = "default/web"


def record(node: str, service: str = WEB, made: str = "2026-11-30T07:00:00Z", **more: Any) -> Object:
    namespace, _, name = service.partition("/")
    status = {"interfaces": [{"name": "eth0"}], "node": node, "serviceName": name, "serviceNamespace": namespace}
    return {"metadata": {"name": name_of(service, node), "creationTimestamp": made, **more}, "spec": {}, "status": status}


def test_two_nodes_with_an_address_of_one_service_each_leave_each_other_s_record() -> None:
    records, living = [record("n1"), record("n2")], {"n1", "n2"}
    assert difference(records, "n1", {WEB: ["eth0"]}, living) == ({}, [])
    assert difference(records, "n2", {WEB: ["eth0"]}, living) == ({}, [])


def test_the_record_of_a_node_that_does_not_answer_goes_with_its_address() -> None:
    records = [record("n1"), record("n2"), record("n1", "default/other")]
    assert difference(records, "n2", {WEB: ["eth0"]}, {"n2"}) == ({}, [name_of(WEB, "n1")])


def test_a_node_takes_back_what_it_has_no_more() -> None:
    puts, surplus = difference([record("n1"), record("n2")], "n1", {"default/other": ["eth0"]}, {"n1", "n2"})
    assert list(puts) == [name_of("default/other", "n1")]
    assert surplus == [name_of(WEB, "n1")]


def test_of_two_nodes_the_one_that_has_said_so_last_comes_first() -> None:
    holders = Holders()
    early, late = record("n1"), record("n2", made="2026-11-30T08:00:00Z")
    for each in (late, early):
        holders.changed(None, each)
    assert holders.of(WEB) == ("n2", "n1")
    holders.changed(late, record("n2", made="2026-11-30T06:00:00Z"))
    assert holders.of(WEB) == ("n1", "n2")
    holders.changed(early, None)
    assert holders.all() == {WEB: ("n2",)}


def test_a_record_that_another_service_has_now_counts_for_that_one_alone() -> None:
    holders, old = Holders(), record("n1")
    holders.changed(None, old)
    holders.changed(old, {**record("n1", "default/other"), "metadata": old["metadata"]})
    assert holders.all() == {"default/other": ("n1",)}


def test_who_holds_what_is_looked_up_however_many_services_there_are() -> None:
    holders = Holders()
    for number in range(10_000):
        holders.changed(None, record("n1", f"default/s{number}"))
    began = time.thread_time()
    for _ in range(20):
        holders.all()
    assert time.thread_time() - began < 0.1
