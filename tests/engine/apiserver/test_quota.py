"""Quotas: what a namespace uses is known without counting it again, and is neither more nor less than what is there."""

import asyncio
import gc
import random
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from pilothouse.aio.tasks import TaskSet
from pilothouse.client.transport import MERGE_PATCH
from pilothouse.engine.apiserver.admission.quota import ResourceQuota
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.quota.tallies import Tallies
from pilothouse.engine.apiserver.quota.usage import Amounts, added, counts, in_scopes, scope_of
from pilothouse.engine.apiserver.upkeep.quota_status import QuotaStatus
from pilothouse.engine.store import room
from pilothouse.engine.store import store as store_module
from pilothouse.engine.store.record import Change
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from tests.cpu import takes_under
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, configmap, pod

QUOTAS = "/api/v1/namespaces/default/resourcequotas"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
CPU_S = 0.1
"""A create takes a millisecond; counting the pods of the test anew takes several times this."""


def quota(**hard: str) -> Object:
    return {"metadata": {"name": "q", "namespace": "n"}, "spec": {"hard": hard}}


async def filled(store: Store, number: int) -> None:
    """Put pods into the namespace `default`."""
    spec = pod("p")["spec"] | {"containers": [{"name": "c", "resources": {"requests": {"cpu": "10m"}}}] * 4}
    metadata = ({"name": f"p{n}", "namespace": "default", "uid": f"u{n}"} for n in range(number))
    await asyncio.gather(*(store.create(f"/pods/default/{each['name']}", {"metadata": each, "spec": spec}) for each in metadata))


@pytest.fixture
def uncollected() -> Iterator[None]:
    """WHY: a collection of all that the test session has made takes as long as what is measured."""
    gc.disable()
    yield
    gc.enable()


async def test_a_create_costs_the_same_however_much_there_is(api: Api, store: Store) -> None:
    await filled(store, 4_999)
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "10000", "requests.cpu": "10000"}}})
    async with asyncio.timeout(20):
        while ((await api.get(f"{QUOTAS}/q")).get("status") or {}).get("used", {}).get("pods") != "4999":
            await asyncio.sleep(0.01)
    for number in range(3):
        wanted = pod(f"new{number}", containers=[{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1m"}}}])
        with takes_under(CPU_S, time.thread_time):
            await api.post(PODS, wanted)


@pytest.mark.usefixtures("uncollected")
async def test_the_first_create_under_a_quota_lets_others_have_their_turns_while_it_counts(api: Api, store: Store) -> None:
    await filled(store, 5_000)
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "10000", "requests.cpu": "10000"}}})
    created = asyncio.ensure_future(
        api.post(PODS, pod("new", containers=[{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1m"}}}]))
    )
    longest = 0.0
    while not created.done():
        started = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - started)
    assert created.result()["metadata"]["name"] == "new"
    assert longest < CPU_S


async def test_a_quota_can_be_filled_to_its_limit(api: Api, store: Store) -> None:
    """Also by a create that comes in the very moment in which another one is committed."""
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "2"}}})
    second: list[asyncio.Task[Any]] = []

    def follow_up(change: Change) -> None:
        if change.record.value["metadata"]["name"] == "a":
            second.append(asyncio.ensure_future(api.post(CONFIGMAPS, configmap("b"))))

    store.watch("/configmaps/default/", store.revision, follow_up)
    await api.post(CONFIGMAPS, configmap("a"))
    await second[0]
    assert (await api.refused("POST", CONFIGMAPS, configmap("c"))).code == 403


async def test_a_write_that_fails_gives_back_what_it_would_have_used(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "1"}}})
    with monkeypatch.context() as full:
        full.setattr(store_module, "QUEUE_BOUND", 0)
        for _ in range(3):
            assert (await api.refused("POST", CONFIGMAPS, configmap("a"))).code == 429
    await api.post(CONFIGMAPS, configmap("a"))


def random_pod(name: str, dice: random.Random) -> Object:
    requests = {"requests": {"cpu": f"{dice.randrange(1, 5)}00m"}} if dice.random() < 0.7 else {}
    spec: Object = {"containers": [{"name": "c", "resources": requests}]} | ({"activeDeadlineSeconds": 5} if dice.random() < 0.5 else {})
    return {"metadata": {"name": name, "namespace": "n"}, "spec": spec, "status": {"phase": dice.choice(["Running", "Failed"])}}


SELECTIONS: tuple[Object, ...] = ({}, {"scopes": ["BestEffort"]}, {"scopes": ["NotTerminating", "NotBestEffort"]})


async def test_the_tally_is_what_a_count_gives(store: Store) -> None:
    tallies, dice = Tallies(store), random.Random(7)
    tallies.follow()
    writes = TaskSet()
    for step in range(400):
        key = f"/pods/n/p{dice.randrange(20)}"
        writes.start(changed(store, key, dice))
        await asyncio.sleep(0)
        if step % 10 == 0:
            await store.settled()
        for spec in SELECTIONS:
            matches = partial(in_scopes, {"spec": spec})
            assert shown(tallies.committed("pods", "n", matches)) == counted(store, matches, is_latest=False)
            assert shown(tallies.latest("pods", "n", matches)) == counted(store, matches, is_latest=True)


async def changed(store: Store, key: str, dice: random.Random) -> None:
    current = store.latest(key)
    if current is None:
        await store.create(key, random_pod(key[8:], dice))
    elif dice.random() < 0.5:
        await store.delete(key, expected=current.revision)
    else:
        await store.update(key, random_pod(key[8:], dice), expected=current.revision)


def shown(amounts: Amounts) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items() if amount}


def counted(store: Store, matches: Any, *, is_latest: bool) -> dict[str, str]:
    found = [store.latest(f"/pods/n/p{n}") if is_latest else store.get(f"/pods/n/p{n}") for n in range(20)]
    values = [record.value for record in found if record is not None]
    return shown(added(counts("pods", each) for each in values if matches(scope_of("pods", each))))


def asking(side: str = "requests", **amounts: str) -> Object:
    return {"name": "c", "resources": {side: {name.replace("_", "-"): amount for name, amount in amounts.items()}}}


@pytest.mark.parametrize(
    ("resource", "spec", "expected"),
    [
        (
            "pods",
            {"containers": [asking(cpu="1", ephemeral_storage="2")]},
            "cpu=1 ephemeral-storage=2 requests.cpu=1 requests.ephemeral-storage=2",
        ),
        ("pods", {"containers": [{"name": "c", "resources": {"requests": {"example.com/gpu": "1"}}}]}, "requests.example.com/gpu=1"),
        ("pods", {"containers": [asking(hugepages_2Mi="4Mi")]}, "hugepages-2Mi=4Mi requests.hugepages-2Mi=4Mi"),
        ("pods", {"containers": [{"name": "c", "resources": {"limits": {"example.com/gpu": "1", "cpu": "1"}}}]}, "limits.cpu=1"),
        (
            "pods",
            {"containers": [asking(cpu="1")], "initContainers": [asking(cpu="1") | {"restartPolicy": "Always"}, asking(cpu="3")]},
            "cpu=4 requests.cpu=4",
        ),
        (
            "pods",
            {"containers": [asking(cpu="1")], "initContainers": [asking(cpu="3"), asking(cpu="1") | {"restartPolicy": "Always"}]},
            "cpu=3 requests.cpu=3",
        ),
        ("pods", {"containers": [asking("limits", cpu="1")], "overhead": {"memory": "1"}}, "limits.cpu=1 memory=1 requests.memory=1"),
        ("services", {"type": "NodePort", "ports": [{}, {}]}, "services.nodeports=2"),
        ("services", {"type": "LoadBalancer", "ports": [{}, {}]}, "services.loadbalancers=1 services.nodeports=2"),
        (
            "services",
            {"type": "LoadBalancer", "ports": [{}, {"nodePort": 30000}], "allocateLoadBalancerNodePorts": False},
            "services.loadbalancers=1 services.nodeports=1",
        ),
        (
            "persistentvolumeclaims",
            {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}},
            "gold.storageclass.storage.k8s.io/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/requests.storage=1Gi"
            " requests.storage=1Gi",
        ),
        ("persistentvolumeclaims", {"resources": {"requests": {"storage": "1Gi"}}}, "requests.storage=1Gi"),
    ],
)
def test_what_an_object_counts_for(resource: str, spec: Object, expected: str) -> None:
    found = counts(resource, {"metadata": {"name": "x"}, "spec": spec})
    assert found.pop(f"count/{resource}") == found.pop(resource)
    assert " ".join(f"{name}={amount}" for name, amount in sorted(found.items())) == expected


def test_a_claim_counts_for_what_it_was_given_though_it_asks_for_less_again() -> None:
    status = {"allocatedResources": {"storage": "3Gi"}}
    found = counts("persistentvolumeclaims", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}, "status": status})
    assert str(found["requests.storage"]) == "3Gi"


async def test_a_quota_bounds_the_claims_of_one_class(api: Api) -> None:
    hard = {"gold.storageclass.storage.k8s.io/persistentvolumeclaims": "2", "gold.storageclass.storage.k8s.io/requests.storage": "2Gi"}
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    await api.post(CLAIMS, claim("a", "gold", "1Gi"))
    await api.post(CLAIMS, claim("other", "silver", "5Gi"))
    used = "used: gold.storageclass.storage.k8s.io/requests.storage=1Gi"
    assert used in (await api.refused("POST", CLAIMS, claim("b", "gold", "2Gi"))).message
    await api.post(CLAIMS, claim("b", "gold", "1Gi"))
    assert (await api.refused("POST", CLAIMS, claim("c", "gold", "1Mi"))).code == 403


ATTRIBUTES: Object = {"spec": {"volumeAttributesClassName": "fast"}, "status": {"currentVolumeAttributesClassName": "slow"}}


@pytest.mark.parametrize(
    ("operator", "values", "claim", "expected"),
    [
        ("Exists", [], {}, False),
        ("Exists", [], ATTRIBUTES, True),
        ("DoesNotExist", [], {}, True),
        ("In", ["fast"], ATTRIBUTES, True),
        ("In", ["slow"], ATTRIBUTES, True),
        ("In", ["other"], ATTRIBUTES, False),
        ("In", ["next"], {"status": {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "next"}}}, True),
        ("NotIn", ["fast"], {}, True),
    ],
)
def test_which_claims_a_narrowed_quota_means(operator: str, values: list[str], claim: Object, expected: bool) -> None:
    selector = {"scopeName": "VolumeAttributesClass", "operator": operator, "values": values}
    narrowed = {"spec": {"scopeSelector": {"matchExpressions": [selector]}}}
    assert in_scopes(narrowed, scope_of("persistentvolumeclaims", claim)) is expected


def test_a_quota_for_pods_means_no_claims() -> None:
    assert not in_scopes({"spec": {"scopes": ["NotTerminating"]}}, scope_of("persistentvolumeclaims", ATTRIBUTES))


async def test_a_claim_that_takes_a_class_of_attributes_later_counts_then(api: Api) -> None:
    narrowed = {"hard": {"persistentvolumeclaims": "1"}, "scopes": ["VolumeAttributesClass"]}
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": narrowed})
    for name in ("a", "b"):
        await api.post(CLAIMS, claim(name, "gold", "1Gi"))
        await api.patch(f"{CLAIMS}/{name}/status", {"status": {"phase": "Bound"}})
    change = {"spec": {"volumeAttributesClassName": "fast"}}
    await api.patch(f"{CLAIMS}/a", change)
    assert "exceeded quota: q" in (await api.refused("PATCH", f"{CLAIMS}/b", change, MERGE_PATCH)).message


def claim(name: str, storage_class: str, size: str) -> Object:
    spec = {"storageClassName": storage_class, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name}, "spec": spec}


TERM = {"topologyKey": "zone", "labelSelector": {}}


@pytest.mark.parametrize(
    ("scope", "spec", "expected"),
    [
        ("BestEffort", {"containers": [asking(ephemeral_storage="1")]}, True),
        ("BestEffort", {"containers": [asking(cpu="0")]}, True),
        ("NotBestEffort", {"containers": [asking("limits", memory="1")]}, True),
        ("CrossNamespacePodAffinity", {}, False),
        ("CrossNamespacePodAffinity", {"affinity": {"podAffinity": {REQUIRED: [TERM]}}}, False),
        ("CrossNamespacePodAffinity", {"affinity": {"podAffinity": {REQUIRED: [TERM | {"namespaces": ["a"]}]}}}, True),
        ("CrossNamespacePodAffinity", {"affinity": {"podAntiAffinity": {REQUIRED: [TERM | {"namespaceSelector": {}}]}}}, True),
    ],
)
def test_which_pods_a_narrowed_quota_means(scope: str, spec: Object, expected: bool) -> None:
    assert in_scopes({"spec": {"scopes": [scope]}}, scope_of("pods", {"spec": spec})) is expected


async def test_a_quota_names_the_containers_that_say_too_little(api: Api) -> None:
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "5"}}})
    wanted = pod("p", containers=[{"name": name, "image": "i"} for name in ("b", "a")])
    assert (await api.refused("POST", PODS, wanted)).message.endswith("failed quota: q: must specify requests.cpu for: a,b")


@pytest.mark.parametrize("refuses", ["busy", "full", "too large"])
async def test_a_quotas_status_goes_on_after_a_store_that_refused_it(store: Store, monkeypatch: pytest.MonkeyPatch, refuses: str) -> None:
    await store.create("/resourcequotas/n/q", quota(pods="5"))
    bounds = {"busy": (store_module, "QUEUE_BOUND"), "full": (store._room, "quota_bytes"), "too large": (room, "OBJECT_BYTES")}
    status = asyncio.ensure_future(QuotaStatus(store, ResourceQuota(Objects(store), Tallies(store))).run())
    with monkeypatch.context() as refusing:
        refusing.setattr(*bounds[refuses], 0)
        await asyncio.sleep(0.1)
        assert used(store) is None
    async with asyncio.timeout(5):
        while used(store) is None:
            await asyncio.sleep(0.01)
    status.cancel()
    await asyncio.wait([status])


def used(store: Store) -> Object | None:
    found = store.get("/resourcequotas/n/q")
    return None if found is None else (found.value.get("status") or {}).get("used")


async def test_a_quota_whose_status_does_not_fit_holds_up_no_other(api: Api) -> None:
    kinds = [f"requests.{'a' * 50}.{'b' * 60}.{'c' * 60}/{'d' * 50}{number}" for number in range(2_500)]
    await api.post(QUOTAS, {"metadata": {"name": "large"}, "spec": {"hard": dict.fromkeys(kinds, "1")}})
    await asyncio.sleep(0.2)
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "5"}}})
    async with asyncio.timeout(5):
        while not (await api.get(f"{QUOTAS}/q")).get("status"):
            await asyncio.sleep(0.01)
    assert not (await api.get(f"{QUOTAS}/large")).get("status")


async def test_a_quota_of_a_class_of_attributes_counts_the_claims_that_name_it(api: Api) -> None:
    expression = {"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["gold"]}
    spec = {"hard": {"persistentvolumeclaims": "1"}, "scopeSelector": {"matchExpressions": [expression]}}
    await api.post(QUOTAS, {"metadata": {"name": "q"}, "spec": spec})

    def claim(name: str, of_class: str | None) -> Object:
        wanted: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
        return {"metadata": {"name": name}, "spec": wanted | ({"volumeAttributesClassName": of_class} if of_class else {})}

    for name, of_class in (("plain", None), ("silver", "silver"), ("first", "gold")):
        await api.post(CLAIMS, claim(name, of_class))
    assert "exceeded quota: q" in (await api.refused("POST", CLAIMS, claim("second", "gold"))).message
    await api.patch(f"{CLAIMS}/silver/status", {"status": {"phase": "Bound"}})
    changed = {"spec": {"volumeAttributesClassName": "gold"}}
    error = await api.refused("PATCH", f"{CLAIMS}/silver", changed, "application/merge-patch+json")
    assert "exceeded quota: q" in error.message
