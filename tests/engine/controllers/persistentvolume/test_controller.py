"""Claims and volumes find each other in a cluster with all controllers, each with its own rights."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.identity import CONTROLLER_MANAGER, SCHEDULER
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.boot.control import SERVED
from pilothouse.engine.scheduler.plugins.volume_binding import plugin
from pilothouse.engine.scheduler.plugins.volume_binding.failures import Failures
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.model import meta
from pilothouse.model.errors import Conflict, Forbidden, InsufficientStorage, Invalid
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, SERVICEACCOUNTS, STORAGECLASSES
from pilothouse.model.volumes import CLAIM_PROTECTION, SELECTED_NODE
from tests.engine.controllers.conftest import Cluster, controlled, held
from tests.engine.controllers.persistentvolume.objects import IMMEDIATE, FakeNodes, claim, fresh, node, on_host, volume
from tests.people import client_of

CLAIMS, VOLUMES = PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes()


@pytest.fixture
async def cluster(server: ApiServer, nodes: FakeNodes) -> AsyncIterator[Cluster]:
    async with held(controlled(server, node_volumes=nodes)) as found:
        await found.until_one(SERVICEACCOUNTS, "default", lambda _: True)
        yield found


def is_in(phase: str) -> Any:
    return lambda obj: (obj.get("status") or {}).get("phase") == phase


async def said(cluster: Cluster, reason: str, namespace: str = "default") -> str:
    found: str = await cluster.until(
        EVENTS, lambda items: next((each["message"] for each in items if each["reason"] == reason), None), reason, namespace
    )
    return found


async def gone(cluster: Cluster, *names: str) -> None:
    await cluster.until(VOLUMES, lambda items: not {meta.name(each) for each in items} & set(names) or None, "gone", None)


def using(name: str, claim_name: str, node: str | None = None, **spec: Any) -> Object:
    found: Object = {
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}],
    }
    return {"metadata": {"name": name}, "spec": found | ({"nodeName": node} if node else {}) | spec}


async def test_a_claim_is_bound_to_a_volume_that_suits_and_what_is_retained_stays_when_it_goes(cluster: Cluster) -> None:
    await cluster.create(CLAIMS, fresh(claim(size="1Gi")))
    assert "no storage class is set" in await said(cluster, "FailedBinding")
    await cluster.create(VOLUMES, fresh(volume("small", "1Mi")))
    await cluster.create(VOLUMES, fresh(volume("disk", "2Gi")))
    bound = await cluster.until_one(CLAIMS, "data", is_in("Bound"))
    assert bound["spec"]["volumeName"] == "disk"
    assert bound["status"] == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}}
    held_by = (await cluster.until_one(VOLUMES, "disk", is_in("Bound")))["spec"]["claimRef"]
    assert (held_by["name"], held_by["uid"]) == ("data", meta.uid(bound))
    await cluster.until_one(VOLUMES, "small", is_in("Available"))
    await cluster.client.delete(CLAIMS, "data", "default")
    assert "claimRef" in (await cluster.until_one(VOLUMES, "disk", is_in("Released")))["spec"]
    # It is nobody's to take before an administrator has let it go.
    await cluster.client.delete(VOLUMES, "disk")
    await gone(cluster, "disk")


async def test_a_claim_that_loses_its_volume_says_so(cluster: Cluster) -> None:
    await cluster.create(VOLUMES, fresh(volume()))
    await cluster.create(CLAIMS, fresh(claim()))
    await cluster.until_one(CLAIMS, "data", is_in("Bound"))
    # A volume that is bound stays, until somebody takes its protection by force.
    await cluster.client.delete(VOLUMES, "disk")
    await cluster.patch(VOLUMES, "disk", {"metadata": {"finalizers": None}})
    await cluster.until_one(CLAIMS, "data", is_in("Lost"))
    assert "Data on the volume is lost" in await said(cluster, "ClaimLost")


async def test_a_claim_that_a_pod_uses_stays_until_the_pod_is_gone(cluster: Cluster) -> None:
    await cluster.create(NODES, node())
    made = await cluster.create(CLAIMS, fresh(claim()))
    assert CLAIM_PROTECTION in meta.finalizers(made)
    await cluster.create(PODS, using("web", "data", "n1"))
    await cluster.client.delete(CLAIMS, "data", "default")
    await cluster.create(CLAIMS, fresh(claim("other")))
    await cluster.client.delete(CLAIMS, "other", "default")
    await cluster.until(CLAIMS, lambda items: [meta.name(each) for each in items] == ["data"], "only the used one")
    await cluster.client.delete(PODS, "web", "default", grace_s=0)
    await cluster.until(CLAIMS, lambda items: True if not items else None, "none")


async def test_a_volume_is_made_for_a_claim_grows_with_it_and_goes_with_it(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(NODES, node())
    await cluster.create(STORAGECLASSES, IMMEDIATE | {"allowVolumeExpansion": True})
    await cluster.create(CLAIMS, fresh(claim(size="16Mi", storage_class="now")))
    bound = await cluster.until_one(CLAIMS, "data", is_in("Bound"))
    name = f"pvc-{meta.uid(bound)}"
    assert nodes.volumes == {("n1", name): 16 * 2**20}
    made = await cluster.get(VOLUMES, name) or {}
    assert made["spec"]["nodeAffinity"] == on_host("n1")
    assert (made["spec"]["capacity"], made["spec"]["persistentVolumeReclaimPolicy"]) == ({"storage": "16Mi"}, "Delete")

    nodes.is_busy = True
    await cluster.patch(CLAIMS, "data", {"spec": {"resources": {"requests": {"storage": "32Mi"}}}})
    waiting = await cluster.until_one(CLAIMS, "data", lambda each: meta.is_true(each, "FileSystemResizePending"))
    assert waiting["status"]["capacity"] == {"storage": "16Mi"}
    nodes.is_busy = False
    # Whatever happens to the claim has it looked at again.
    await cluster.patch(CLAIMS, "data", {"metadata": {"labels": {"x": "y"}}})
    await cluster.until_one(
        CLAIMS, "data", lambda each: each["status"]["capacity"] == {"storage": "32Mi"} and not each["status"].get("conditions")
    )
    assert (await cluster.get(VOLUMES, name) or {})["spec"]["capacity"] == {"storage": "32Mi"}
    with pytest.raises(Invalid, match=r"field can not be less than status.capacity"):
        await cluster.patch(CLAIMS, "data", {"spec": {"resources": {"requests": {"storage": "16Mi"}}}})

    nodes.in_use[name] = Conflict("still in use")
    await cluster.client.delete(CLAIMS, "data", "default")
    await cluster.until_one(VOLUMES, name, is_in("Released"))
    assert nodes.volumes
    nodes.in_use.clear()
    await gone(cluster, name)
    assert not nodes.volumes


async def test_a_claim_of_a_class_that_does_not_expand_stays_as_large_as_it_is(cluster: Cluster) -> None:
    await cluster.create(VOLUMES, fresh(volume()))
    await cluster.create(CLAIMS, fresh(claim()))
    await cluster.until_one(CLAIMS, "data", is_in("Bound"))
    with pytest.raises(Forbidden, match="only dynamically provisioned pvc can be resized"):
        await cluster.patch(CLAIMS, "data", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})


async def test_a_node_that_fails_is_named_and_nothing_is_left_of_the_attempt(cluster: Cluster, nodes: FakeNodes) -> None:
    nodes.refuses["n1"] = InsufficientStorage("16 MiB are more than the 3 MiB that the disk has left")
    await cluster.create(NODES, node())
    await cluster.create(NODES, node("n2", "none"))
    await cluster.create(STORAGECLASSES, IMMEDIATE)
    await cluster.create(CLAIMS, fresh(claim(storage_class="now")))
    assert "16 MiB are more than the 3 MiB" in await said(cluster, "ProvisioningFailed")
    nodes.refuses.clear()
    await cluster.until_one(CLAIMS, "data", is_in("Bound"))


async def test_claims_of_unknown_provisioners_wait_for_somebody_else(cluster: Cluster) -> None:
    await cluster.create(STORAGECLASSES, {"metadata": {"name": "far"}, "provisioner": "example.com/far"})
    await cluster.create(CLAIMS, fresh(claim(storage_class="far")))
    assert "external provisioner 'example.com/far'" in await said(cluster, "ExternalProvisioning")
    found = await cluster.get(CLAIMS, "data") or {}
    assert meta.annotations(found)["volume.kubernetes.io/storage-provisioner"] == "example.com/far"


async def test_a_claim_gets_the_default_class_when_there_is_one(cluster: Cluster) -> None:
    await cluster.patch(STORAGECLASSES, "local", {"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "false"}}})
    made = await cluster.create(CLAIMS, fresh(claim(storage_class=None)))
    assert "storageClassName" not in made["spec"]
    await cluster.patch(STORAGECLASSES, "local", {"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}})
    await cluster.until_one(CLAIMS, "data", lambda each: each["spec"].get("storageClassName") == "local")


async def test_the_claim_of_an_ephemeral_volume_is_its_pods_and_goes_with_it(cluster: Cluster) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": fresh(claim())["spec"]}
    ephemeral = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}
    await cluster.create(PODS, using("web", "other", volumes=[ephemeral]))
    made = await cluster.until_one(CLAIMS, "web-scratch", lambda _: True)
    assert (meta.labels(made), (meta.controller_of(made) or {})["name"]) == ({"a": "b"}, "web")
    await cluster.client.delete(PODS, "web", "default", grace_s=0)
    await cluster.until(CLAIMS, lambda items: True if not items else None, "the claim is gone")


async def placing(server: ApiServer, cluster: Cluster, scene: Any) -> None:
    client = client_of(server, SCHEDULER)
    informers = Informers(client_of(server, CONTROLLER_MANAGER))
    recorder = Recorder(client, None, "default-scheduler")
    scheduler = Scheduler(client, informers, recorder, served=SERVED)
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        await tasks.start(informers.run)
        await tasks.start(scheduler.run)
        await scene()
        tasks.cancel()


def placed(name: str) -> Any:
    return lambda pod: pod["spec"].get("nodeName") == name


def refused(why: str) -> Any:
    return lambda pod: why in (meta.condition(pod, "PodScheduled") or {}).get("message", "")


async def test_a_pod_chooses_the_node_of_its_new_volume_and_the_next_one_follows_it(
    server: ApiServer, cluster: Cluster, nodes: FakeNodes
) -> None:
    async def scene() -> None:
        await cluster.create(NODES, node("n1"))
        await cluster.create(NODES, node("n2"))
        nodes.refuses["n1"] = InsufficientStorage("full")
        await cluster.create(PODS, using("first", "data"))
        await cluster.until_one(PODS, "first", refused('persistentvolumeclaim "data" not found'))
        await cluster.create(CLAIMS, fresh(claim(storage_class="local")))
        # n1 comes first by name and has no room: the claim is given back, and told another node in the end.
        nodes.refuses.clear()
        pod = await cluster.until_one(PODS, "first", lambda each: each["spec"].get("nodeName"))
        found = await cluster.get(CLAIMS, "data") or {}
        assert meta.annotations(found)[SELECTED_NODE] == pod["spec"]["nodeName"]
        assert found["status"]["phase"] == "Bound"
        await cluster.create(PODS, using("second", "data"))
        await cluster.until_one(PODS, "second", placed(pod["spec"]["nodeName"]))

    await placing(server, cluster, scene)


async def test_nodes_without_room_are_asked_and_then_left_alone_for_a_while(
    server: ApiServer, cluster: Cluster, nodes: FakeNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        await cluster.create(NODES, node("n1"))
        await cluster.create(NODES, node("n2"))
        nodes.refuses = {name: InsufficientStorage("full") for name in ("n1", "n2")}
        await cluster.create(CLAIMS, fresh(claim(storage_class="local")))
        await cluster.create(PODS, using("web", "data"))
        why = '0/2 nodes are available: 2 node(s) could not make the volume of persistentvolumeclaim "data"'
        await cluster.until_one(PODS, "web", refused(why))
        assert set(nodes.asked) == {"n1", "n2"}
        # One that the provisioner knew by an older version is asked for once more.
        assert max(Counter(nodes.asked).values()) <= 2
        asked = list(nodes.asked)
        nodes.refuses.clear()
        # What wakes a pod with claims does not have a node asked before its time.
        await cluster.create(CLAIMS, fresh(claim("other")))
        await cluster.create(PODS, using("idle", "nothing"))
        await cluster.until_one(PODS, "idle", refused("not found"))
        assert nodes.asked == asked
        assert len(failures) == 2
        for forget in failures:
            forget()
        await cluster.until_one(PODS, "web", lambda each: each["spec"].get("nodeName"))

    failures: list[Any] = []
    note = Failures.note

    def noted(self: Failures, claim_uid: str, name: str) -> None:
        note(self, claim_uid, name)
        failures.append(lambda: self._forget((claim_uid, name)))

    monkeypatch.setattr(Failures, "note", noted)
    await placing(server, cluster, scene)


async def test_a_pod_whose_volume_has_no_room_on_the_only_node_is_told_so(server: ApiServer, cluster: Cluster, nodes: FakeNodes) -> None:
    async def scene() -> None:
        await cluster.create(NODES, node("n1"))
        nodes.refuses["n1"] = InsufficientStorage("full")
        await cluster.create(CLAIMS, fresh(claim(storage_class="local")))
        await cluster.create(PODS, using("web", "data"))
        why = '0/1 nodes are available: 1 node(s) could not make the volume of persistentvolumeclaim "data".'
        await cluster.until_one(PODS, "web", refused(why))
        assert await said(cluster, "FailedScheduling") == why

    await placing(server, cluster, scene)


async def test_a_volume_is_made_nowhere_but_where_its_pod_may_go(server: ApiServer, cluster: Cluster, nodes: FakeNodes) -> None:
    async def scene() -> None:
        await cluster.create(NODES, node("n1"))
        await cluster.create(NODES, node("n2"))
        nodes.refuses["n2"] = InsufficientStorage("full")
        await cluster.create(CLAIMS, fresh(claim(storage_class="local")))
        await cluster.create(PODS, using("web", "data", nodeSelector={"kubernetes.io/hostname": "n2"}))
        await cluster.until_one(PODS, "web", refused('1 node(s) could not make the volume of persistentvolumeclaim "data"'))
        assert set(nodes.asked) == {"n2"}
        assert not nodes.volumes

    await placing(server, cluster, scene)


async def test_a_pod_goes_to_where_its_volume_is_or_nowhere(server: ApiServer, cluster: Cluster) -> None:
    async def scene() -> None:
        await cluster.create(NODES, node("n1"))
        await cluster.create(VOLUMES, fresh(volume(nodeAffinity=on_host("n2"))))
        await cluster.create(CLAIMS, fresh(claim(accessModes=["ReadWriteOnce"])))
        await cluster.until_one(CLAIMS, "data", is_in("Bound"))
        await cluster.create(PODS, using("web", "data"))
        await cluster.until_one(PODS, "web", refused("1 node(s) didn't match PersistentVolume's node affinity"))
        await cluster.create(NODES, node("n2"))
        await cluster.until_one(PODS, "web", placed("n2"))

    await placing(server, cluster, scene)


async def test_a_claim_for_one_pod_is_for_one_pod(server: ApiServer, cluster: Cluster) -> None:
    async def scene() -> None:
        await cluster.create(NODES, node("n1"))
        await cluster.create(VOLUMES, fresh(volume(accessModes=["ReadWriteOncePod"])))
        await cluster.create(CLAIMS, fresh(claim(accessModes=["ReadWriteOncePod"])))
        await cluster.create(PODS, using("first", "data"))
        await cluster.until_one(PODS, "first", placed("n1"))
        await cluster.create(PODS, using("second", "data"))
        await cluster.until_one(PODS, "second", refused("ReadWriteOncePod access mode"))
        await cluster.client.delete(PODS, "first", "default", grace_s=0)
        await cluster.until_one(PODS, "second", placed("n1"))

    await placing(server, cluster, scene)


async def test_a_volume_of_a_class_that_waits_is_chosen_with_the_node(server: ApiServer, cluster: Cluster) -> None:
    async def scene() -> None:
        waits = {"metadata": {"name": "disks"}, "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
        await cluster.create(STORAGECLASSES, waits)
        await cluster.create(NODES, node("n1"))
        await cluster.create(NODES, node("n2"))
        await cluster.create(CLAIMS, fresh(claim(storage_class="disks")))
        await cluster.create(PODS, using("web", "data"))
        await cluster.until_one(PODS, "web", refused("2 node(s) didn't find available persistent volumes to bind"))
        await cluster.create(VOLUMES, fresh(volume(storageClassName="disks", nodeAffinity=on_host("n2"))))
        await cluster.until_one(PODS, "web", placed("n2"))

    await placing(server, cluster, scene)


async def test_a_provisioner_that_never_comes_holds_no_other_pod_up(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "BIND_S", 0.02)

    async def scene() -> None:
        elsewhere = {"metadata": {"name": "elsewhere"}, "provisioner": "example.com/disks", "volumeBindingMode": "WaitForFirstConsumer"}
        await cluster.create(STORAGECLASSES, elsewhere)
        await cluster.create(NODES, node("n1"))
        for number in range(20):
            await cluster.create(CLAIMS, fresh(claim(f"data-{number}", storage_class="elsewhere")))
            await cluster.create(PODS, using(f"waits-{number}", f"data-{number}"))
        await cluster.create(PODS, {"metadata": {"name": "plain"}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}})
        await cluster.until_one(PODS, "plain", placed("n1"))
        asked = await cluster.until_one(CLAIMS, "data-19", lambda each: meta.annotations(each).get(SELECTED_NODE) == "n1")
        waiting = await cluster.get(PODS, "waits-19") or {}
        assert meta.condition(waiting, "PodScheduled") is None, "that its volume is being made is no failure"
        made = volume("pvc-19", storageClassName="elsewhere")
        made["spec"]["claimRef"] = {"namespace": "default", "name": "data-19", "uid": meta.uid(asked)}
        await cluster.create(VOLUMES, fresh(made))
        await cluster.until_one(PODS, "waits-19", placed("n1"))

    await placing(server, cluster, scene)
