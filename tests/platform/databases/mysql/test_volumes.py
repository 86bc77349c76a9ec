"""What becomes of the data of an instance whose claims or namespace go."""

import json
from pathlib import Path
from typing import Any

from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.platform import rights
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.objects.volumes import LEFT, POLICY, REPLACED, is_replaced, left, note, patch
from pilothouse.platform.databases.resource import MYSQLS
from tests.engine.controllers.conftest import Cluster
from tests.people import client_of, platform_part
from tests.platform.databases.live import instance, nodes_of, operated, operator, says, serves

VOLUMES, CLAIMS = kinds.PERSISTENTVOLUMES, kinds.PERSISTENTVOLUMECLAIMS


def volume(policy: str = "Delete", **annotations: str) -> Object:
    reference = {"namespace": "default", "name": "data-orders-0"}
    metadata = {"name": "pv", "annotations": annotations, "labels": {labels.INSTANCE: "orders"}}
    return {"metadata": metadata, "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": reference}}


ORDERS: Object = {
    "metadata": {"name": "orders", "namespace": "default", "uid": "u1"},
    "spec": {"replicas": 3, "size": "2Gi", "parameters": {}, "deletionProtection": True},
    "status": {"primary": "orders-0", "seeded": "orders-0", "version": "10.11.18", "database": "shop"},
}
MARKS = {POLICY: "Delete", labels.UID: "u1"}


def test_protection_keeps_the_data_and_its_end_gives_the_volume_its_policy_back() -> None:
    kept = patch(ORDERS, volume(), keep=True)
    assert kept is not None
    assert (kept["spec"], kept["metadata"]["annotations"]) == ({"persistentVolumeReclaimPolicy": "Retain"}, MARKS)
    assert patch(ORDERS, volume("Retain", **MARKS), keep=True) is None
    freed = patch(ORDERS, volume("Retain", **MARKS), keep=False)
    assert freed is not None
    assert freed["spec"] == {"persistentVolumeReclaimPolicy": "Delete"}


def test_a_policy_that_protection_has_not_made_is_left_alone() -> None:
    """Be it that a class retains, or that somebody has seen to a volume before the instance is deleted."""
    mine = {labels.UID: "u1"}
    assert patch(ORDERS, volume("Retain", **mine), keep=True) is None
    assert patch(ORDERS, volume("Retain", **mine), keep=False) is None
    assert patch(ORDERS, volume("Delete", **mine), keep=False) is None
    freed = patch(ORDERS, volume("Retain", **MARKS), keep=False)
    assert freed is not None
    assert freed["metadata"]["annotations"] == {POLICY: None}


def test_a_volume_that_is_taken_up_keeps_its_policy_and_its_note_until_the_data_serve() -> None:
    there = volume("Retain", **{POLICY: "Delete", labels.UID: "u0", LEFT: "{}"})
    young = ORDERS | {"status": {}}
    taken = patch(young, there, keep=True)
    assert taken is not None
    assert taken["metadata"]["annotations"] == {labels.UID: "u1"}
    served = patch(ORDERS, there, keep=True)
    assert served is not None
    assert served["metadata"]["annotations"] == {labels.UID: "u1", LEFT: None}


def test_a_note_says_all_that_another_instance_needs() -> None:
    made = note(ORDERS, volume("Retain", **MARKS), "2026-11-30T12:00:00Z")
    assert made is not None
    there = volume("Retain", **MARKS, **made["metadata"]["annotations"])
    said = left(there)
    assert said is not None
    assert (said.instance, said.member, said.database, said.is_primary) == ("orders", "orders-0", "shop", True)
    assert said.spec == {"replicas": 3, "size": "2Gi"}
    assert note(ORDERS, there, "2026-11-30T13:00:00Z") is None
    assert patch(ORDERS, there, keep=True) is None, "it is still looked after while its claim has yet to go"
    assert left(volume("Retain", **{LEFT: json.dumps({"namespace": 1})})) is None


def test_a_volume_whose_claim_was_made_anew_is_told_from_the_one_of_today() -> None:
    claims: dict[str, Object] = {"data-orders-0": {"metadata": {"name": "data-orders-0", "uid": "c2"}}}
    old, new = volume("Retain", **MARKS), volume("Retain", **MARKS)
    old["spec"]["claimRef"]["uid"], new["spec"]["claimRef"]["uid"] = "c1", "c2"
    assert (is_replaced(old, claims), is_replaced(new, claims)) == (True, False)
    marked = patch(ORDERS, old, keep=True, replaced_at="2026-10-30T12:00:00Z")
    assert marked is not None
    old["metadata"]["annotations"] = MARKS | marked["metadata"]["annotations"]
    assert patch(ORDERS, old, keep=True, replaced_at="2026-11-30T12:00:00Z") is None
    assert (is_replaced(old, {}), is_replaced(new, {})) == (True, False), "also when all claims have gone"
    said = [left(volume("Retain", **(note(ORDERS, each, "now") or {})["metadata"]["annotations"])) for each in (old, new)]
    assert [(each.primary, each.at) for each in said if each is not None] == [("", "2026-10-30T12:00:00Z"), ("orders-0", "now")]
    freed = patch(ORDERS, old, keep=False, replaced_at="now")
    assert freed is not None
    assert freed["spec"] == {"persistentVolumeReclaimPolicy": "Delete"}
    back = patch(ORDERS, old, keep=True)
    assert back is not None, "somebody has given it to the new claim"
    assert back["metadata"]["annotations"] == {REPLACED: None}


async def bind(cluster: Cluster, namespace: str, policy: str = "Delete", *mark: str) -> None:
    """Plays the cluster's provisioner. mark: an annotation that the volume has, and its value."""
    claim = await cluster.until_one(CLAIMS, "data-orders-0", lambda found: True, namespace=namespace)
    reference = {"namespace": namespace, "name": "data-orders-0", "uid": meta.uid(claim)}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
        "persistentVolumeReclaimPolicy": policy,
        "claimRef": reference,
    }
    await cluster.client.create(VOLUMES, {"metadata": {"name": "pv", "annotations": dict([mark] if mark else [])}, "spec": spec})
    await cluster.client.patch(CLAIMS, "data-orders-0", {"spec": {"volumeName": "pv"}}, namespace=namespace)


async def policy(cluster: Cluster, wanted: str) -> Object:
    return await cluster.until_one(VOLUMES, "pv", lambda found: found["spec"]["persistentVolumeReclaimPolicy"] == wanted)


async def test_volumes_of_a_protected_instance_outlive_its_namespace(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(kinds.NAMESPACES, {"metadata": {"name": "shop"}})
        await cluster.create(MYSQLS, instance(), "shop")
        await bind(cluster, "shop")
        await cluster.until_one(MYSQLS, "orders", serves, namespace="shop")
        await policy(cluster, "Retain")
        await cluster.client.delete(kinds.NAMESPACES, "shop")
        await cluster.until(kinds.NAMESPACES, lambda items: "shop" not in map(meta.name, items), namespace=None)
        said = left(await policy(cluster, "Retain"))
        assert said is not None
        assert (said.namespace, said.instance, said.primary, said.is_primary) == ("shop", "orders", "orders-0", True)


async def test_an_instance_without_protection_leaves_nothing(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance(finalBackup=False))
        await bind(cluster, "default")
        await cluster.until_one(MYSQLS, "orders", serves)
        await policy(cluster, "Retain")
        await cluster.client.delete(MYSQLS, "orders", "default")
        await cluster.patch(MYSQLS, "orders", {"spec": {"deletionProtection": False}})
        await cluster.until(CLAIMS, lambda items: not items)
        found = await policy(cluster, "Delete")
        assert LEFT not in meta.annotations(found)


async def test_the_first_database_is_that_of_the_data_which_it_takes_up(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        nodes.holds = lambda name: True
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(kinds.PODS, "orders-0", lambda pod: True)
        said = dict.fromkeys(("at", "version", "uid", "member", "primary"), "")
        text = json.dumps(said | {"namespace": "shop", "instance": "old", "database": "shop", "spec": {}})
        await bind(cluster, "default", "Retain", LEFT, text)
        await cluster.until_one(MYSQLS, "orders", lambda obj: (obj.get("status") or {}).get("database") == "shop")
        nodes.holds = lambda name: False
        pod = await cluster.get(kinds.PODS, "orders-0")
        assert pod is not None
        await cluster.patch(kinds.PODS, "orders-0", {"metadata": {"annotations": {"looked-at": "again"}}})
        await cluster.until_one(MYSQLS, "orders", serves)
        assert nodes.agents["orders-0"].wanted["databases"][0]["name"] == "shop"
        found = await cluster.until_one(VOLUMES, "pv", lambda found: LEFT not in meta.annotations(found))
        assert POLICY not in meta.annotations(found)


class Refusing:
    """A transport for which volumes may be watched and not changed."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def call(self, call: Any) -> object:
        if call.method == "PATCH" and call.path.startswith("/api/v1/persistentvolumes"):
            raise Forbidden("volumes are the administrators'")
        return await self._inner.call(call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_volumes_that_may_not_be_changed_are_named_and_stop_neither_members_nor_the_word_of_a_deletion(tmp_path: Path) -> None:
    async with nodes_of(tmp_path) as (server, cluster, nodes):
        transport: Any = Refusing(client_of(server, platform_part(rights.DATABASES)).transport)
        async with operator(server, nodes, Client(transport, field_manager="databases")):
            nodes.holds = lambda name: True
            await cluster.create(MYSQLS, instance(finalBackup=False))
            await bind(cluster, "default")
            nodes.holds = lambda name: False
            await cluster.until_one(kinds.PODS, "orders-0", lambda pod: True)
            await cluster.patch(kinds.PODS, "orders-0", {"metadata": {"annotations": {"looked-at": "again"}}})
            found = await cluster.until_one(MYSQLS, "orders", lambda obj: serves(obj) and says("Accepted", "Refused")(obj))
            assert "volumes are the administrators'" in (meta.condition(found, "Accepted") or {})["message"]
            await cluster.patch(MYSQLS, "orders", {"spec": {"deletionProtection": False}})
            await cluster.client.delete(MYSQLS, "orders", "default")
            await cluster.until_one(MYSQLS, "orders", lambda obj: says("Deleting", "Removing")(obj) and says("Accepted", "Refused")(obj))
