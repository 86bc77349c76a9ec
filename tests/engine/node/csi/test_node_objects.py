"""What is said of a node's drivers in the API."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pilothouse.engine.csi.driver import Driver
from pilothouse.engine.node.csi.drivers import Registered
from pilothouse.engine.node.csi.node_objects import NODE_ID, entries, node_patch, steps


def registered(name: str, node_id: str = "id", **more: Any) -> Registered:
    return Registered(cast("Driver", SimpleNamespace(name=name)), Path("/r"), True, frozenset(), node_id, **more)


def test_a_driver_has_its_id_its_keys_of_topology_and_how_many_volumes_it_takes() -> None:
    assert entries((), [registered("b"), registered("a", topology={"zone": "z", "rack": "r"}, max_volumes=3)]) == [
        {"name": "a", "nodeID": "id", "topologyKeys": ["rack", "zone"], "allocatable": {"count": 3}},
        {"name": "b", "nodeID": "id"},
    ]


def test_nothing_is_written_where_nothing_has_changed() -> None:
    shown = [{"name": "a", "nodeID": "id", "topologyKeys": None}]
    assert steps(shown, entries((), [registered("a")])) == []


def test_an_entry_that_is_another_now_goes_before_it_comes() -> None:
    before = entries((), [registered("a", "old"), registered("b")])
    now = entries((), [registered("a", "new"), registered("b")])
    assert steps(before, now) == [[{"name": "b", "nodeID": "id"}], now]


def test_labels_that_stand_already_are_left_alone() -> None:
    node = {"metadata": {"name": "n", "labels": {"zone": "mine"}, "annotations": {NODE_ID: '{"a":"id"}'}}}
    assert node_patch(node, [registered("a", topology={"zone": "yours", "rack": "r"})]) == {"labels": {"rack": "r"}}


def test_a_driver_that_has_gone_is_no_longer_said_to_be_there() -> None:
    node = {"metadata": {"name": "n", "annotations": {NODE_ID: '{"a":"id","gone":"id"}'}}}
    assert node_patch(node, [registered("a")]) == {"annotations": {NODE_ID: '{"a":"id"}'}}
    assert node_patch(node, []) == {"annotations": {NODE_ID: None}}
    assert node_patch(node, [registered("a")], lambda name: True) == {}


def test_an_annotation_that_somebody_has_damaged_is_written_anew() -> None:
    node = {"metadata": {"name": "n", "annotations": {NODE_ID: "{"}}}
    assert node_patch(node, [registered("a")]) == {"annotations": {NODE_ID: '{"a":"id"}'}}
