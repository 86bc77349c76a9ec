"""What of CSI a node may read and write: as node n1, with its certificate, over TLS."""

import pytest

from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod
from tests.engine.apiserver.authz.test_nodes import SECRETS, TOKEN
from tests.engine.apiserver.https import Https
from tests.engine.apiserver.test_csi_kinds import ATTACHMENTS, DRIVERS, NODES, attachment, csi_node, named
from tests.engine.apiserver.test_storage import CLAIMS, VOLUMES, claim

MERGE = "application/merge-patch+json"


@pytest.fixture
async def node(api: Api, https: Https) -> Api:
    await api.post("/api/v1/nodes", {"metadata": {"name": "n1"}})
    return https.certified("system:node:n1", "system:nodes")


def csi_volume(**source: Object) -> Object:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "claimRef": {"namespace": "default", "name": "c"},
        "storageClassName": "",
        "csi": {"driver": "d.example.com", "volumeHandle": "h"} | source,
    }
    return named("v", spec=spec)


async def test_a_node_says_which_drivers_it_has_in_its_own_csinode_only(api: Api, node: Api) -> None:
    assert await node.post(NODES, csi_node())
    assert await node.patch(f"{NODES}/n1", {"metadata": {"labels": {"a": "b"}}})
    error = await node.refused("POST", NODES, csi_node() | {"metadata": {"name": "n2"}})
    assert (error.code, "can only access CSINode with the same name" in error.message) == (403, True)
    await api.post(NODES, csi_node() | {"metadata": {"name": "n2"}})
    assert (await node.refused("GET", f"{NODES}/n2")).code == 403


async def test_a_node_reads_its_own_attachments_only(api: Api, node: Api) -> None:
    await api.post(ATTACHMENTS, attachment(nodeName="n1"))
    await api.post(ATTACHMENTS, attachment(nodeName="n2") | {"metadata": {"name": "b"}})
    assert (await node.get(f"{ATTACHMENTS}/a"))["spec"]["nodeName"] == "n1"
    assert (await node.refused("GET", f"{ATTACHMENTS}/b")).code == 403
    assert (await node.refused("GET", ATTACHMENTS)).code == 403
    assert (await node.refused("PATCH", f"{ATTACHMENTS}/a/status", {"status": {"attached": True}}, MERGE)).code == 403


async def test_a_node_reads_the_secrets_by_which_its_pods_volumes_are_mounted(api: Api, node: Api) -> None:
    for name in ("stage", "publish", "attach"):
        await api.post(SECRETS.replace("default", "kube-system"), {"metadata": {"name": name}})
    secrets = {
        "nodeStageSecretRef": {"namespace": "kube-system", "name": "stage"},
        "nodePublishSecretRef": {"namespace": "kube-system", "name": "publish"},
        "controllerPublishSecretRef": {"namespace": "kube-system", "name": "attach"},
    }
    await api.post(VOLUMES, csi_volume(**secrets))
    await api.post(CLAIMS, claim(volumeName="v", storageClassName=""))
    there = SECRETS.replace("default", "kube-system")
    assert (await node.refused("GET", f"{there}/stage")).code == 403
    await api.post(PODS, pod("p", nodeName="n1", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]))
    assert [(await node.get(f"{there}/{name}"))["metadata"]["name"] for name in ("stage", "publish")] == ["stage", "publish"]
    assert (await node.refused("GET", f"{there}/attach")).code == 403
    await api.delete(f"{PODS}/p", gracePeriodSeconds="0")
    assert (await node.refused("GET", f"{there}/stage")).code == 403


async def test_a_node_gets_the_tokens_that_the_drivers_of_its_pods_ask_for(api: Api, node: Api) -> None:
    await api.post(DRIVERS, named(spec={"tokenRequests": [{"audience": "vault"}]}))
    await api.post(VOLUMES, csi_volume())
    await api.post(CLAIMS, claim(volumeName="v", storageClassName=""))
    made = await api.post(PODS, pod("p", nodeName="n1", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]))
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]}
    assert (await node.post(TOKEN, {"spec": {"audiences": ["vault"], "boundObjectRef": bound}}))["status"]["token"]
    assert (await node.refused("POST", TOKEN, {"spec": {"audiences": ["other"], "boundObjectRef": bound}})).code == 403


async def test_a_node_says_of_a_claim_only_how_far_it_has_grown(api: Api, node: Api) -> None:
    await api.post(CLAIMS, claim(storageClassName=""))
    await api.post(PODS, pod("p", nodeName="n1", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]))
    assert await node.patch(f"{CLAIMS}/c/status", {"status": {"capacity": {"storage": "2Gi"}}})
    error = await node.refused("PATCH", f"{CLAIMS}/c/status", {"status": {"phase": "Lost"}}, MERGE)
    assert (error.code, "other than status.quantity and status.conditions" in error.message) == (403, True)
