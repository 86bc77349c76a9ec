"""The node watches what its pods refer to, each object by itself, and nothing for longer than a pod refers to it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pilothouse.client.client import Client
from pilothouse.client.watched import Reference, WatchedObjects
from pilothouse.engine.node.pod.referred import referred
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, SECRETS
from tests.client.fake_cluster import FakeCluster, FakeTransport

pytestmark = pytest.mark.looptime
A, B = Reference(CONFIGMAPS, "default", "a"), Reference(CONFIGMAPS, "default", "b")


@pytest.fixture
async def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def client(cluster: FakeCluster) -> Client:
    return Client(FakeTransport(cluster))


@pytest.fixture
async def told() -> list[Reference]:
    return []


@pytest.fixture
async def objects(client: Client, told: list[Reference]) -> AsyncIterator[WatchedObjects]:
    made = WatchedObjects(client, told.append)
    yield made
    await made.close()


def configmap(name: str, value: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"k": value}}


async def test_a_held_object_is_known_and_its_changes_are_told(objects: WatchedObjects, client: Client, told: list[Reference]) -> None:
    objects.hold("pod", frozenset({A}))
    await client.create(CONFIGMAPS, configmap("a", "1"))
    await asyncio.sleep(1)
    assert told == [A]
    await client.update(CONFIGMAPS, configmap("a", "2"))
    await asyncio.sleep(1)
    found = await objects.get(*A)
    assert found is not None
    assert (found["data"], set(told), len(told) > 1) == ({"k": "2"}, {A}, True)


async def test_nothing_but_single_objects_is_asked_for(objects: WatchedObjects, cluster: FakeCluster) -> None:
    objects.hold("pod", frozenset({A}))
    await asyncio.sleep(1)
    await objects.get(*B)
    assert cluster.calls
    for call in cluster.calls:
        assert ("fieldSelector", "metadata.name=a") in call.query or call.path.endswith("/configmaps/b")


async def test_a_watch_ends_with_its_last_holder(objects: WatchedObjects) -> None:
    objects.hold("one", frozenset({A, B}))
    objects.hold("two", frozenset({A}))
    assert len(objects) == 2
    objects.hold("one", frozenset({B}))
    objects.release("two")
    assert len(objects) == 1
    objects.release("one")
    objects.release("one")
    assert len(objects) == 0


def test_a_pod_refers_by_environment_volumes_and_pull_secrets() -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s1", "key": "k"}}}]
    sources = [{"configMap": {"name": "c2"}}, {"secret": {"name": "s2"}}, {"serviceAccountToken": {"path": "token"}}]
    spec = {
        "containers": [{"name": "c", "env": env, "envFrom": [{"configMapRef": {"name": "c1"}}]}],
        "volumes": [{"name": "v", "secret": {"secretName": "s3"}}, {"name": "w", "projected": {"sources": sources}}, {"name": "x"}],
        "imagePullSecrets": [{"name": "s4"}, {}],
    }
    found = referred({"metadata": {"name": "p", "namespace": "n"}, "spec": spec})
    assert {(each.resource.plural, each.name) for each in found} == {
        *(("configmaps", name) for name in ("c1", "c2")),
        *(("secrets", name) for name in ("s1", "s2", "s3", "s4")),
    }
    assert {each.resource for each in found} == {CONFIGMAPS, SECRETS}
    assert {each.namespace for each in found} == {"n"}
