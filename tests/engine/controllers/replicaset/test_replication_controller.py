from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS, REPLICATIONCONTROLLERS
from tests.engine.controllers.conftest import Cluster, kubelet
from tests.engine.controllers.replicaset.test_controller import many, web


def controller(replicas: int) -> Object:
    return {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "template": web(1)["spec"]["template"]}}


async def test_it_keeps_its_pods_as_a_replica_set_does(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(REPLICATIONCONTROLLERS, controller(2))
        pods = await cluster.until(PODS, lambda items: items if len(items) == 2 else None)
        reference = meta.controller_of(pods[0])
        assert reference is not None
        assert (reference["apiVersion"], reference["kind"]) == ("v1", "ReplicationController")
        shown = await cluster.until_one(REPLICATIONCONTROLLERS, "web", lambda each: each["status"].get("availableReplicas") == 2)
        assert "terminatingReplicas" not in shown["status"]
        scale = {"spec": {"replicas": 1}}
        path = f"{REPLICATIONCONTROLLERS.path('default', 'web')}/scale"
        assert (await cluster.client.call("GET", path))["status"] == {"replicas": 2, "selector": "app=web"}
        await cluster.client.patch(REPLICATIONCONTROLLERS, "web", scale, namespace="default", subresource="scale")
        await cluster.until(PODS, many(1))


async def test_its_pods_outlive_it_unless_said_and_another_adopts_them(cluster: Cluster) -> None:
    await cluster.create(REPLICATIONCONTROLLERS, controller(1))
    (pod,) = await cluster.until(PODS, lambda items: items)
    await cluster.client.delete(REPLICATIONCONTROLLERS, "web", "default")
    await cluster.until_one(PODS, meta.name(pod), lambda each: meta.controller_of(each) is None)
    await cluster.until(REPLICATIONCONTROLLERS, lambda items: not items)
    await cluster.create(REPLICATIONCONTROLLERS, controller(1) | {"metadata": {"name": "heir"}})
    await cluster.until_one(PODS, meta.name(pod), lambda each: (meta.controller_of(each) or {}).get("name") == "heir")
    assert len(await cluster.items(PODS)) == 1
