from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import APISERVICES, CONFIGMAPS, CRDS, SECRETS
from pilothouse.model.resource import Resource
from tests.engine.controllers.conftest import Cluster


def names(items: list[Object]) -> set[str]:
    return {meta.name(each) for each in items} - {"kube-root-ca.crt"}


async def owned(cluster: Cluster, name: str, owner: Object, kind: str = "ConfigMap", api: str = "v1", **reference: Any) -> Object:
    given = {"apiVersion": api, "kind": kind, "name": meta.name(owner), "uid": meta.uid(owner)} | reference
    return await cluster.create(CONFIGMAPS, {"metadata": {"name": name, "ownerReferences": [given]}})


async def family(cluster: Cluster, **reference: Any) -> Object:
    """grandparent owns parent owns child."""
    grandparent = await cluster.create(CONFIGMAPS, {"metadata": {"name": "grandparent"}})
    parent = await owned(cluster, "parent", grandparent, **reference)
    await owned(cluster, "child", parent, **reference)
    return grandparent


async def test_a_background_deletion_takes_all_descendants(cluster: Cluster) -> None:
    await family(cluster)
    await cluster.client.delete(CONFIGMAPS, "grandparent", "default", propagation="Background")
    await cluster.until(CONFIGMAPS, lambda items: not names(items))


async def test_a_foreground_deletion_keeps_the_owner_until_its_dependents_are_gone(cluster: Cluster) -> None:
    await family(cluster, blockOwnerDeletion=True)
    await cluster.patch(CONFIGMAPS, "child", {"metadata": {"finalizers": ["example.com/hold"]}})
    await cluster.client.delete(CONFIGMAPS, "grandparent", "default", propagation="Foreground")
    await cluster.until_one(CONFIGMAPS, "child", meta.is_deleting)
    assert names(await cluster.items(CONFIGMAPS)) == {"grandparent", "parent", "child"}
    await cluster.patch(CONFIGMAPS, "child", {"metadata": {"finalizers": None}})
    await cluster.until(CONFIGMAPS, lambda items: not names(items))


async def test_a_circle_of_owners_goes_when_one_of_them_is_deleted_in_the_foreground(cluster: Cluster) -> None:
    made = {name: await cluster.create(CONFIGMAPS, {"metadata": {"name": name}}) for name in ("a", "b", "c")}
    for name, owner in (("a", "c"), ("b", "a"), ("c", "b")):
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": meta.uid(made[owner]), "blockOwnerDeletion": True}
        await cluster.patch(CONFIGMAPS, name, {"metadata": {"ownerReferences": [reference]}})
    await cluster.client.delete(CONFIGMAPS, "a", "default", propagation="Foreground")
    await cluster.until(CONFIGMAPS, lambda items: not names(items))


async def test_an_orphan_deletion_leaves_the_dependents_without_owner(cluster: Cluster) -> None:
    await family(cluster)
    await cluster.client.delete(CONFIGMAPS, "grandparent", "default", propagation="Orphan")
    await cluster.until_one(CONFIGMAPS, "parent", lambda each: not meta.owner_references(each))
    await cluster.until(CONFIGMAPS, lambda items: names(items) == {"parent", "child"})


async def test_an_object_with_a_second_owner_stays_and_loses_only_the_first(cluster: Cluster) -> None:
    one = await cluster.create(CONFIGMAPS, {"metadata": {"name": "one"}})
    two = await cluster.create(SECRETS, {"metadata": {"name": "two"}})
    references = [
        {"apiVersion": "v1", "kind": kind, "name": meta.name(each), "uid": meta.uid(each)}
        for kind, each in (("ConfigMap", one), ("Secret", two))
    ]
    await cluster.create(CONFIGMAPS, {"metadata": {"name": "child", "ownerReferences": references}})
    await cluster.client.delete(CONFIGMAPS, "one", "default")
    await cluster.until_one(CONFIGMAPS, "child", lambda each: [ref["name"] for ref in meta.owner_references(each)] == ["two"])


async def test_an_object_whose_owner_never_was_is_deleted(cluster: Cluster) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000000"}}
    await owned(cluster, "child", ghost)
    await cluster.until(CONFIGMAPS, lambda items: not names(items))


async def test_an_owner_of_a_kind_that_is_not_served_protects(cluster: Cluster) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000000"}}
    await owned(cluster, "kept", ghost, "Widget", "example.com/v1")
    await owned(cluster, "dropped", ghost)
    await cluster.until(CONFIGMAPS, lambda items: names(items) == {"kept"})


async def test_custom_kinds_are_collected_as_soon_as_they_are_served(cluster: Cluster) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    await cluster.create(CRDS, definition)
    await cluster.until_one(CRDS, "widgets.example.com", lambda each: meta.is_true(each, "Established"))
    widgets = Resource("example.com", "v1", "widgets", "Widget", custom=True)
    widget = await cluster.create(widgets, {"metadata": {"name": "w"}})
    await owned(cluster, "child", widget, "Widget", "example.com/v1")
    await cluster.client.delete(widgets, "w", "default")
    await cluster.until(CONFIGMAPS, lambda items: not names(items))


async def test_a_server_of_others_that_does_not_answer_holds_up_no_collection(cluster: Cluster) -> None:
    spec: dict[str, Any] = {"group": "example.org", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
    spec["service"] = {"namespace": "default", "name": "gone"}
    await cluster.create(APISERVICES, {"metadata": {"name": "v1.example.org"}, "spec": spec})
    await family(cluster)
    await cluster.client.delete(CONFIGMAPS, "parent", "default", propagation="Background")
    await cluster.until(CONFIGMAPS, lambda items: not {"parent", "child"} & set(map(meta.name, items)))
