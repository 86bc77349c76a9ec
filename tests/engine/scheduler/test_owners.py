"""From which pods one is spread by default."""

from typing import Any

import pytest

from pilothouse.client.informer import Informer
from pilothouse.engine.scheduler.plugins.pod_topology_spread.owners import Owners
from pilothouse.engine.scheduler.snapshot.shape import Shapes
from pilothouse.model.json import Object
from pilothouse.model.kinds import REPLICASETS, SERVICES
from tests.engine.scheduler.objects import pod


def cached(resource: Any, *objects: Object) -> Informer:
    informer = Informer(None, resource)  # type: ignore[arg-type]
    for number, each in enumerate(objects):
        informer._put(
            f"{each['metadata']['namespace']}/{each['metadata']['name']}",
            each | {"metadata": each["metadata"] | {"resourceVersion": str(number)}},
        )
    return informer


def named(name: str, selector: Any, namespace: str = "ns") -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"selector": selector}}


def owned(owner: str) -> Object:
    made = pod(labels={"app": "web", "hash": "1"})
    reference = {"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": owner, "uid": "u", "controller": True}
    return made | {"metadata": made["metadata"] | {"ownerReferences": [reference]}}


@pytest.mark.parametrize(
    ("services", "wanted", "selector"),
    [
        ([], pod(labels={"app": "web"}), None),
        ([named("web", {"app": "web"})], pod(labels={"app": "web"}), "app=web"),
        ([named("web", {"app": "web"}, "other"), named("all", {}), named("db", {"app": "db"})], pod(labels={"app": "web"}), None),
        ([], owned("web"), "app=web,hash=1"),
        ([named("one", {"hash": "1"}), named("web", {"app": "web"})], owned("web"), "app=web,hash=1"),
        ([], owned("gone"), None),
    ],
)
def test_pods_are_alike_that_all_their_services_and_their_owner_select(services: Any, wanted: Object, selector: str | None) -> None:
    sets = cached(REPLICASETS, named("web", {"matchLabels": {"app": "web", "hash": "1"}}))
    found = Owners(cached(SERVICES, *services), {"ReplicaSet": sets}).selector(Shapes().of(wanted))
    assert (None if found is None else str(found[1])) == selector


def test_a_service_that_comes_later_counts() -> None:
    services = cached(SERVICES)
    owners, shape = Owners(services, {}), Shapes().of(pod(labels={"app": "web"}))
    assert owners.selector(shape) is None
    made = named("web", {"app": "web"})
    services._put("ns/web", made | {"metadata": made["metadata"] | {"resourceVersion": "9"}})
    assert owners.selector(shape) is not None
