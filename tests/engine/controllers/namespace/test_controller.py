from pilothouse.model import meta
from pilothouse.model.kinds import CONFIGMAPS, NAMESPACES, PODS, SERVICEACCOUNTS
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
