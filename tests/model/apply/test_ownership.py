"""Whose fields are whose after updates and applies, on pods, services, config maps and a custom kind."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.apply import ApplyError, Conflicts, Manager, Managers, OneVersion, apply, at_once, decode, encode, field_set, tracked
from pilothouse.model.apply.compare import compare
from pilothouse.model.apply.fieldset import FieldSet
from pilothouse.model.apply.merge import merge
from pilothouse.model.json import Object
from pilothouse.model.schema import Catalog, CustomSchema, from_crd
from pilothouse.model.schema.node import Node

CATALOG = Catalog.load(None)
POD, SERVICE, CONFIG_MAP = (CATALOG.schema(f"io.k8s.api.core.v1.{kind}").node for kind in ("Pod", "Service", "ConfigMap"))
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"
A, B, C = Manager("a", "Apply", ""), Manager("b", "Apply", ""), Manager("c", "Update", "v1")


def custom(**properties: Any) -> Node:
    return CustomSchema(from_crd({"type": "object", "properties": properties}).node, CATALOG.object_meta()).whole


class Stored:
    """An object with its managers, as a server keeps them."""

    def __init__(self, node: Node) -> None:
        self.versions = OneVersion("v1", node)
        self.value: Object | None = None
        self.managers: Managers = {}

    def update(self, value: Object, manager: Manager = C, now: str = NOW, ignored: FieldSet | None = None) -> None:
        self.managers = at_once(tracked(self.value, value, self.managers, manager, self.versions, now=now, ignored=ignored or {}))
        self.value = value

    def apply(self, config: Object, manager: Manager = A, *, force: bool = False, now: str = NOW) -> bool:
        """Whether anything has changed."""
        outcome = at_once(apply(self.value, config, self.managers, manager, self.versions, now=now, force=force, ignored={}))
        self.managers = outcome.managers
        if outcome.value is not None:
            self.value = outcome.value
        return outcome.value is not None

    def fields(self, manager: Manager) -> Any:
        return self.managers[manager].fields if manager in self.managers else None


def config_map(**data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}


def test_an_apply_owns_what_it_sets_and_a_creation_all_that_it_makes() -> None:
    applied, created = Stored(CONFIG_MAP), Stored(CONFIG_MAP)
    applied.apply(config_map(k="v"))
    created.update(config_map(k="v"))
    assert applied.fields(A) == {"f:data": {"f:k": {}}}
    assert created.fields(C) == {"f:data": {".": {}, "f:k": {}}}


def test_the_same_again_changes_nothing() -> None:
    stored = Stored(CONFIG_MAP)
    assert stored.apply(config_map(k="v"))
    assert not stored.apply(config_map(k="v"), now=LATER)
    assert stored.managers[A].time == NOW


def test_a_write_takes_nothing_from_others_where_it_writes_nothing() -> None:
    stored = Stored(CONFIG_MAP)
    stored.apply(config_map(k="v", l="v"))
    stored.update(config_map(k="other", m="v"), ignored=field_set("data"))
    assert stored.fields(A) == {"f:data": {"f:k": {}, "f:l": {}}}
    assert stored.fields(C) is None


def test_what_is_not_applied_any_more_goes_unless_another_owns_it() -> None:
    stored = Stored(CONFIG_MAP)
    stored.apply(config_map(k="v", l="w"))
    stored.apply(config_map(k="v"), B)
    stored.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}})
    assert stored.value is not None
    assert stored.value["data"] == {"k": "v"}
    assert (stored.fields(A), stored.fields(B)) == (None, {"f:data": {"f:k": {}}})
    stored.apply({"metadata": {"name": "m"}}, B)
    assert "data" not in stored.value or not stored.value["data"]


def test_another_value_is_a_conflict_until_it_is_forced() -> None:
    stored = Stored(CONFIG_MAP)
    stored.apply(config_map(k="v", l="1"))
    with pytest.raises(Conflicts) as caught:
        stored.apply(config_map(k="w", l="2", m="3"), B)
    assert caught.value.by == {A: [".data.k", ".data.l"]}
    stored.apply(config_map(k="w"), B, force=True)
    assert stored.value is not None
    assert stored.value["data"] == {"k": "w", "l": "1"}
    assert (stored.fields(A), stored.fields(B)) == ({"f:data": {"f:l": {}}}, {"f:data": {"f:k": {}}})


def test_the_same_value_is_shared() -> None:
    stored = Stored(CONFIG_MAP)
    stored.apply(config_map(k="v"))
    stored.apply(config_map(k="v"), B)
    assert stored.fields(A) == stored.fields(B) == {"f:data": {"f:k": {}}}


def test_an_update_takes_what_it_changes() -> None:
    stored = Stored(CONFIG_MAP)
    stored.apply(config_map(k="v", l="w"))
    stored.update(config_map(k="x", l="w"), now=LATER)
    assert (stored.fields(A), stored.fields(C)) == ({"f:data": {"f:l": {}}}, {"f:data": {"f:k": {}}})
    stored.update(config_map(l="w"), now="2026-01-01T00:00:02Z")
    assert stored.fields(C) is None


def test_what_was_there_before_the_first_apply_has_an_owner() -> None:
    stored = Stored(CONFIG_MAP)
    stored.value = config_map(k="v")
    stored.update(config_map(k="v", l="w"))
    assert stored.managers == {}
    with pytest.raises(Conflicts) as caught:
        stored.apply(config_map(k="x"))
    assert [manager.name for manager in caught.value.by] == ["before-first-apply"]


def service(*ports: Object) -> Object:
    return {"metadata": {"name": "s"}, "spec": {"ports": list(ports)}}


def test_elements_of_a_list_are_known_by_their_keys_and_defaults() -> None:
    stored = Stored(SERVICE)
    stored.apply(service({"name": "web", "port": 80}))
    stored.apply(service({"name": "tls", "port": 443, "protocol": "TCP"}), B)
    assert stored.value is not None
    assert [port["port"] for port in stored.value["spec"]["ports"]] == [80, 443]
    assert stored.fields(A) == {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}}}}
    stored.apply(service())
    assert [port["port"] for port in stored.value["spec"]["ports"]] == [443]


def test_an_element_that_another_has_added_to_stays() -> None:
    stored = Stored(POD)
    stored.apply({"spec": {"containers": [{"name": "app", "image": "x"}]}})
    stored.apply({"spec": {"containers": [{"name": "app", "env": [{"name": "K", "value": "v"}]}]}}, B)
    stored.apply({"spec": {}})
    assert stored.value == {"spec": {"containers": [{"name": "app", "env": [{"name": "K", "value": "v"}]}]}}


def test_sets_and_atomic_fields() -> None:
    stored = Stored(POD)
    stored.apply({"metadata": {"finalizers": ["a.io/x"]}, "spec": {"tolerations": [{"key": "k"}]}})
    stored.apply({"metadata": {"finalizers": ["b.io/y"]}}, B)
    assert stored.value is not None
    assert stored.value["metadata"]["finalizers"] == ["a.io/x", "b.io/y"]
    assert stored.fields(A) == {"f:metadata": {"f:finalizers": {'v:"a.io/x"': {}}}, "f:spec": {"f:tolerations": {}}}
    with pytest.raises(Conflicts):
        stored.apply({"spec": {"tolerations": [{"key": "k"}, {"key": "l"}]}}, B)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"nope": 1}, ".nope: field not declared in schema"),
        ({"spec": {"nope": 1}}, ".spec.nope: field not declared in schema"),
        ({"spec": ["x"]}, ".spec: expected map, got a list"),
        ({"spec": {"selector": {"a": 1}}}, ".spec.selector.a: expected string, got 1"),
        (service({"port": 1, "name": "a"}, {"port": 1, "name": "b"}), '.spec.ports: duplicate entries for key [port=1,protocol="TCP"]'),
        (service({"name": "a"}), '.spec.ports: element 0: associative list with keys has an element that omits key field "port"'),
    ],
)
def test_a_configuration_of_another_shape_is_refused(config: Object, message: str) -> None:
    with pytest.raises(ApplyError) as caught:
        Stored(SERVICE).apply(config)
    assert caught.value.message.startswith(message)


def test_fields_without_a_schema_are_owned_one_by_one_in_a_custom_kind() -> None:
    stored = Stored(custom(spec={"type": "object", "x-kubernetes-preserve-unknown-fields": True}))
    stored.apply({"spec": {"a": {"b": 1}, "l": [1, 2]}})
    assert stored.fields(A) == {"f:spec": {"f:a": {".": {}, "f:b": {}}, "f:l": {}}} or stored.fields(A)
    stored.apply({"spec": {"a": {"c": 2}}}, B)
    assert stored.value == {"spec": {"a": {"b": 1, "c": 2}, "l": [1, 2]}}


@pytest.mark.parametrize(
    ("live", "config", "wanted"),
    [
        ("abc", "ca", "bca"),
        ("abc", "xb", "axbc"),
        ("ab", "ba", "ba"),
        ("", "ab", "ab"),
        ("ab", "", "ab"),
        ("abcd", "dxb", "acdxb"),
    ],
)
def test_merged_lists_keep_the_order_of_the_configuration(live: str, config: str, wanted: str) -> None:
    node = custom(l={"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"})
    assert "".join(merge({"l": list(live)}, {"l": list(config)}, node)["l"]) == wanted


def test_more_than_ten_updaters_share_an_entry() -> None:
    stored = Stored(CONFIG_MAP)
    for number in range(15):
        data = {f"k{each}": "v" for each in range(number + 1)}
        stored.update(config_map(**data), Manager(f"m{number}", "Update", "v1"), f"2026-01-01T00:00:{number:02}Z")
    assert len(stored.managers) == 10
    assert set(stored.fields(Manager("ancient-changes", "Update", "v1"))["f:data"]) >= {"f:k0", "f:k5"}


def test_entries_are_stored_sorted_and_read_again() -> None:
    stored = Stored(CONFIG_MAP)
    stored.update(config_map(k="v"))
    stored.apply(config_map(l="v"), B, now=LATER)
    entries = encode(stored.managers)
    assert [entry["manager"] for entry in entries] == ["b", "c"]
    assert decode(entries) == stored.managers
    assert decode([{"operation": "Apply", "fieldsV1": {"nonsense": {}}}]) is None


def test_a_manager_without_a_name_is_stored_without_one() -> None:
    stored = Stored(CONFIG_MAP)
    stored.update(config_map(k="v"), Manager("", "Update", "v1"))
    entries = encode(stored.managers)
    assert "manager" not in entries[0]
    assert decode(entries) == stored.managers


VALUES = st.recursive(st.integers(0, 2), lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3), max_leaves=6)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
OPEN = custom(spec={"type": "object", "x-kubernetes-preserve-unknown-fields": True})


@given(OBJECTS, OBJECTS)
def test_an_applied_configuration_is_in_the_object_and_stays_so(first: Object, second: Object) -> None:
    stored = Stored(OPEN)
    stored.apply({"spec": first})
    stored.apply({"spec": second}, B, force=True)
    assert stored.value is not None
    assert compare(merge(stored.value, {"spec": second}, OPEN), stored.value, OPEN) == ({}, {}, {})
    assert not stored.apply({"spec": second}, B, force=True, now=LATER)


PORTS = st.lists(st.fixed_dictionaries({"port": st.integers(1, 2)}, optional={"name": st.just("n")}), max_size=3)


@given(OBJECTS, PORTS)
def test_a_creation_adds_the_fields_that_an_update_of_something_else_would(labels: Object, ports: list[Object]) -> None:
    new = {"metadata": {"labels": labels, "finalizers": ["a", "b"]}, "spec": {"ports": ports, "selector": labels or None}}
    beside: Object = {"status": {"loadBalancer": {}}}
    assert compare({}, new, SERVICE) == compare(beside, new | beside, SERVICE)


@given(OBJECTS, OBJECTS)
def test_a_manager_alone_has_exactly_what_it_applied_last(first: Object, second: Object) -> None:
    stored = Stored(OPEN)
    stored.apply({"spec": {"keep": 1, **first}})
    stored.apply({"spec": {"keep": 1, **second}})
    assert stored.value == {"spec": {"keep": 1, **second}}


def test_managers_of_many_made_up_versions_cost_no_comparison_each() -> None:
    """A client may state managers as it likes, and everybody's next update is held against them."""
    data = {f"k{number}": "v" for number in range(2_000)}

    def seconds(managers: int) -> float:
        stored = Stored(CONFIG_MAP)
        stored.update(config_map(**data))
        entries = [
            {"manager": f"m{n}", "operation": "Apply", "apiVersion": f"v{n}", "fieldsV1": {"f:data": {f"f:k{n}": {}}}}
            for n in range(managers)
        ]
        stored.managers = decode(entries) or {}
        began_at = time.thread_time()
        stored.update(config_map(**data, another="v"))
        assert len(stored.managers) == managers + 1
        return time.thread_time() - began_at

    few = min(seconds(10) for _ in range(3))
    assert min(seconds(400) for _ in range(3)) < 15 * few
