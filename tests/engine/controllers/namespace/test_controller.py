from typing import Any

from pilothouse.engine.controllers.discovery import Discovered
from pilothouse.engine.controllers.namespace.controller import in_doubt
from pilothouse.model import meta
from pilothouse.model.kinds import APISERVICES, CONFIGMAPS, NAMESPACES, PODS, SERVICEACCOUNTS
from pilothouse.model.resource import Resource
from tests.engine.controllers.conftest import Cluster, kubelet

POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "web:1"}], "nodeName": "n1"}}


async def make_team(cluster: Cluster) -> None:
    await cluster.create(NAMESPACES, {"metadata": {"name": "team"}})
    await cluster.until_one(SERVICEACCOUNTS, "default", lambda _: True, "team")


async def test_a_deleted_namespace_takes_its_content_along(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await make_team(cluster)
        await cluster.create(CONFIGMAPS, {"metadata": {"name": "settings"}}, "team")
        await cluster.create(PODS, POD, "team")
        await cluster.client.delete(NAMESPACES, "team")
        await cluster.until(NAMESPACES, lambda items: "team" not in map(meta.name, items), namespace=None)
        assert await cluster.get(CONFIGMAPS, "settings", "team") is None


async def test_what_a_pod_uses_stays_until_the_pod_is_gone(cluster: Cluster) -> None:
    await make_team(cluster)
    await cluster.create(CONFIGMAPS, {"metadata": {"name": "settings"}}, "team")
    await cluster.create(PODS, POD, "team")
    await cluster.client.delete(NAMESPACES, "team")
    shown = await cluster.until_one(NAMESPACES, "team", lambda each: meta.is_true(each, "NamespaceContentRemaining"))
    remaining = meta.condition(shown, "NamespaceContentRemaining")
    assert remaining is not None
    assert remaining["message"] == "Some resources are remaining: pods. has 1 resource instances"
    assert await cluster.get(CONFIGMAPS, "settings", "team") is not None
    await cluster.client.delete(PODS, "p", "team", grace_s=0)
    await cluster.until(NAMESPACES, lambda items: "team" not in map(meta.name, items), namespace=None)


async def test_a_finalizer_in_the_namespace_is_said_and_waited_for(cluster: Cluster) -> None:
    await cluster.create(NAMESPACES, {"metadata": {"name": "team"}})
    await cluster.create(CONFIGMAPS, {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}, "team")
    await cluster.client.delete(NAMESPACES, "team")
    await cluster.until_one(NAMESPACES, "team", lambda each: meta.is_true(each, "NamespaceFinalizersRemaining"))
    await cluster.patch(CONFIGMAPS, "held", {"metadata": {"finalizers": None}}, "team")
    await cluster.until(NAMESPACES, lambda items: "team" not in map(meta.name, items), namespace=None)


async def test_a_server_of_others_that_does_not_answer_holds_the_namespace_and_nothing_in_it(cluster: Cluster) -> None:
    spec: dict[str, Any] = {"group": "example.org", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
    spec["service"] = {"namespace": "team", "name": "gone"}
    await cluster.create(APISERVICES, {"metadata": {"name": "v1.example.org"}, "spec": spec})
    await make_team(cluster)
    await cluster.create(CONFIGMAPS, {"metadata": {"name": "settings"}}, "team")
    await cluster.client.delete(NAMESPACES, "team")
    shown = await cluster.until_one(NAMESPACES, "team", lambda each: meta.is_true(each, "NamespaceDeletionDiscoveryFailure"))
    failure = meta.condition(shown, "NamespaceDeletionDiscoveryFailure")
    assert failure is not None
    assert "stale GroupVersion discovery: example.org/v1" in failure["message"]
    await cluster.until(CONFIGMAPS, lambda items: "settings" not in map(meta.name, items), namespace="team")
    await cluster.client.delete(APISERVICES, "v1.example.org")
    await cluster.until(NAMESPACES, lambda items: "team" not in map(meta.name, items), namespace=None)


def test_a_server_that_was_known_to_have_nothing_to_delete_is_not_waited_for() -> None:
    known = [Resource("custom.metrics.k8s.io", "v1beta2", "pods/x", "MetricValueList", verbs=("get",)), Resource("a.b", "v1", "c", "C")]
    groups = frozenset({"custom.metrics.k8s.io", "a.b", "d.e"})
    found = Discovered(known, ["custom.metrics.k8s.io/v1beta2", "a.b/v1", "d.e/v1"], groups)
    assert in_doubt(found) == ["a.b/v1", "d.e/v1"]
