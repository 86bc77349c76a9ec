from dataclasses import replace
from typing import Any

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.inside import Inside
from pilothouse.cli.why.look import look
from pilothouse.cli.why.scene import Scene
from pilothouse.client.client import Client
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PERSISTENTVOLUMECLAIMS, PODS
from tests.cli.shop import NOW, POD, metadata, note, pod, terminated, unready, waiting
from tests.client.fake_cluster import FakeCluster, FakeTransport

NOT_MADE = '0/1 nodes are available: 1 node(s) could not make the volume of persistentvolumeclaim "data".'
NO_ROOM = 'failed to provision volume with StorageClass "local": 5 TiB are more than the 60 GiB that are left; ask for less, or make room'


def claim(**spec: Any) -> Object:
    return {"kind": "PersistentVolumeClaim", "metadata": metadata("data", "claim-uid"), "spec": spec, "status": {"phase": "Pending"}}


def waiting_pod(message: str = "", **spec: Any) -> Object:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}] if message else []
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    status = {"phase": "Pending", "conditions": conditions}
    return {"kind": "Pod", "metadata": metadata("db", "pod-uid"), "spec": {"containers": [], "volumes": volumes, **spec}, "status": status}


def seen(pod: Object, reason: str = "ProvisioningFailed", message: str = NO_ROOM) -> Scene:
    return Scene(kind="Pod", name="db", now=NOW, pods=[pod], claims=[claim()], notes=[note(claim(), reason, message)])


@pytest.mark.parametrize("message", ["", NOT_MADE])
def test_a_pod_that_waits_for_a_volume_says_why_there_is_none(message: str) -> None:
    found = explain(seen(waiting_pod(message)))
    assert found.chain == ("claim data gets no volume: 5 TiB are more than the 60 GiB that are left", "pod db gets no node")
    assert found.next_step == "ask for less, or make room"


def test_a_class_that_is_not_there_is_named() -> None:
    immediate = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    found = explain(seen(waiting_pod(immediate), message='storageclass.storage.k8s.io "gp3" not found'))
    assert found.chain[0] == "storage class gp3 does not exist"
    assert "`ph kubectl get storageclass`" in found.next_step


def test_what_has_no_way_out_in_it_leads_to_the_claim() -> None:
    found = explain(seen(waiting_pod(), "FailedBinding", "no persistent volumes available for this claim and no storage class is set"))
    assert found.next_step == "`ph kubectl describe pvc data -n default` says more"


def test_a_pod_that_waits_for_something_else_does_not_blame_its_claim() -> None:
    assert "gets no volume" not in explain(seen(waiting_pod("0/1 nodes are available: 1 Insufficient cpu."))).sentence
    assert "gets no volume" not in explain(seen(waiting_pod(nodeName="n1"))).sentence
    assert "gets no volume" not in explain(seen(waiting_pod(), "WaitForFirstConsumer", "waiting for first consumer")).sentence


@pytest.mark.parametrize(("spec", "is_told"), [({}, True), ({"volumeName": "disk"}, False)])
async def test_claims_without_a_volume_are_read_with_what_was_said_of_them(spec: Object, is_told: bool) -> None:
    client = Client(FakeTransport(FakeCluster()))
    await client.create(PODS, waiting_pod(), "default")
    await client.create(PERSISTENTVOLUMECLAIMS, claim(**spec), "default")
    about = {"kind": "PersistentVolumeClaim", "name": "data", "namespace": "default"}
    said = {"metadata": {"name": "e"}, "involvedObject": about, "reason": "ProvisioningFailed", "message": NO_ROOM, "type": "Warning"}
    await client.create(EVENTS, said, "default")
    scene = await look(client, "Pod", "db", "default", NOW, [])
    assert ("gets no volume" in explain(scene).sentence) is is_told


def crashed(*claims: str) -> Scene:
    volumes = [{"name": f"v{n}", "persistentVolumeClaim": {"claimName": claim}} for n, claim in enumerate(claims)]
    mounts = [{"name": f"v{n}", "mountPath": f"/v{n}"} for n in range(len(claims))]
    seeded = pod(waiting("CrashLoopBackOff"), restarts=3, last=terminated(1))
    seeded["spec"] |= {"volumes": volumes, "containers": [seeded["spec"]["containers"][0] | {"volumeMounts": mounts}]}
    lines = ["Traceback (most recent call last):", "OSError: [Errno 28] No space left on device: '/v0/x'"]
    return replace(unready(seeded), inside={POD: Inside(lines=lines)})


def test_a_full_volume_is_named_with_the_way_to_give_it_more_room() -> None:
    found = explain(crashed("shop-data"))
    assert found.chain[0] == "volume v0 is full"
    assert "No space left on device" in found.chain[1]
    assert found.next_step.startswith("give it more room with `ph deploy ... --volume v0:/v0:SIZE`")
    assert found.state == "OutOfRoom"


def test_of_several_volumes_none_is_said_to_be_the_full_one() -> None:
    assert explain(crashed("a", "b")).chain[0] == "one of the volumes a, b may be full"
    assert "full" not in explain(crashed()).sentence


def test_a_deploy_need_not_wait_for_a_volume_that_nobody_makes() -> None:
    assert explain(seen(waiting_pod())).certain_after_s == 15
    assert explain(seen(waiting_pod(), "ExternalProvisioning", "waiting for a volume to be created")).certain_after_s is None
