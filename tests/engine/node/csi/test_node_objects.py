"""What is said of a node's drivers in the API."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi.driver import Driver
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.drivers import Drivers, Registered
from pilothouse.engine.node.csi.node_objects import NODE_ID, NodeObjects, entries, node_patch, steps
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


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


def test_a_limit_that_has_changed_is_written_at_once() -> None:
    before, now = (entries((), [registered("a", max_volumes=limit)]) for limit in (3, 5))
    assert steps(before, now) == [now]


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


@dataclass
class Api:
    """Objects by kind and name. What is written is kept."""

    objects: dict[tuple[str, str], Object]
    updates: list[Object] = field(default_factory=list)

    async def get_or_none(self, resource: Resource, name: str) -> Object | None:
        return self.objects.get((resource.plural, name))

    async def get(self, resource: Resource, name: str) -> Object:
        return self.objects[resource.plural, name]

    async def create(self, resource: Resource, obj: Object) -> Object:
        return await self.update(resource, obj)

    async def update(self, resource: Resource, obj: Object) -> Object:
        self.updates.append(obj)
        self.objects[resource.plural, obj["metadata"]["name"]] = obj
        return obj

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        return self.objects[resource.plural, name]


class Limited:
    """A driver that takes another number of volumes each time it is asked."""

    name = "a.test"
    limit = 1

    async def call(self, method: object, request: object, timeout_s: float) -> csi.NodeGetInfoResponse:
        self.limit += 1
        return csi.NodeGetInfoResponse(node_id="id", max_volumes_per_node=self.limit)


@pytest.mark.looptime
async def test_a_driver_whose_limit_may_change_is_asked_as_often_as_its_object_says(tmp_path: Path) -> None:
    config = NodeConfig(home=tmp_path, node_name="n", instance="i")
    about = {"metadata": {"name": "a.test"}, "spec": {"nodeAllocatableUpdatePeriodSeconds": 20}}
    api = Api({("nodes", "n"): {"metadata": {"name": "n", "uid": "u"}}, ("csidrivers", "a.test"): about})
    drivers, loop = Drivers(config), asyncio.get_running_loop()
    drivers.add(Registered(cast("Driver", Limited()), Path("/r"), True, frozenset(), "id", 1))
    task = loop.create_task(NodeObjects(cast("Client", api), config, drivers, loop.time).run())
    await asyncio.sleep(50)
    task.cancel()
    await asyncio.wait([task])
    limits = [each["spec"]["drivers"][0]["allocatable"]["count"] for each in api.updates]
    assert limits == [1, 2, 3]
