"""Writes whose admission takes its time: what is stored meanwhile counts, and a write that is given up leaves nothing behind."""

import asyncio
from typing import Any

import pytest

from pilothouse.engine.apiserver.admission.chain import Chain
from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError
from pilothouse.model.meta import is_true
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.test_crds import CRDS, definition
from tests.people import ADMIN

SERVICES = "/api/v1/namespaces/default/services"
NAMED = f"{CONFIGMAPS}/a"
DEFINITION = "/customresourcedefinitions.apiextensions.k8s.io//things.example.com"


class Doorkeeper:
    """A plugin as webhooks are: it lets writes of one name wait, and marks them."""

    holds_everybody = False

    def __init__(self, name: str) -> None:
        self._name = name
        self.is_asked = asyncio.Event()
        self.lets_pass = asyncio.Event()

    async def mutate(self, write: Write) -> None:
        if write.name == self._name and (self.holds_everybody or write.user.name == "slow"):
            self.is_asked.set()
            await self.lets_pass.wait()
            if write.value is not None:
                write.value["metadata"].setdefault("labels", {})["seen"] = "once"


def keep(chain: Chain, name: str) -> Doorkeeper:
    keeper = Doorkeeper(name)
    chain._mutating = (*chain._mutating, keeper)
    return keeper


async def waiting(api: Api, keeper: Doorkeeper, method: str, path: str, body: Any = None) -> "asyncio.Task[Any]":
    slow = api.as_user("slow", "system:masters")
    call = asyncio.create_task(slow.patch(path, body) if method == "PATCH" else slow.call(method, path, body))
    await keeper.is_asked.wait()
    return call


async def test_a_patch_is_applied_anew_to_what_is_stored_by_then(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a", x="1"))
    keeper = keep(api.server.backend.admission, "a")
    call = await waiting(api, keeper, "PATCH", NAMED, {"data": {"y": "2"}})
    await api.patch(NAMED, {"data": {"x": "3"}})
    keeper.lets_pass.set()
    changed = await call
    assert (changed["data"], changed["metadata"]["labels"]) == ({"x": "3", "y": "2"}, {"seen": "once"})


async def test_an_unconditional_replacement_is_no_conflict(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a", x="1"))
    keeper = keep(api.server.backend.admission, "a")
    call = await waiting(api, keeper, "PUT", NAMED, configmap("a", x="2"))
    await api.patch(NAMED, {"data": {"z": "3"}})
    keeper.lets_pass.set()
    assert (await call)["data"] == {"x": "2"}


async def test_a_replacement_of_a_stated_version_is_a_conflict(api: Api) -> None:
    stored = await api.post(CONFIGMAPS, configmap("a", x="1"))
    keeper = keep(api.server.backend.admission, "a")
    call = await waiting(api, keeper, "PUT", NAMED, {**stored, "data": {"x": "2"}})
    await api.patch(NAMED, {"data": {"x": "3"}})
    keeper.lets_pass.set()
    with pytest.raises(ApiError, match="has been modified"):
        await call


async def test_a_deletion_of_what_has_changed_meanwhile_is_carried_out(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    keeper = keep(api.server.backend.admission, "a")
    call = await waiting(api, keeper, "DELETE", NAMED)
    await api.patch(NAMED, {"data": {"x": "3"}})
    keeper.lets_pass.set()
    await call
    assert "a" not in await api.names(CONFIGMAPS)


async def test_nothing_is_left_behind_in_a_namespace_that_ends_meanwhile(api: Api) -> None:
    await api.post("/api/v1/namespaces", {"metadata": {"name": "short"}})
    keeper = keep(api.server.backend.admission, "a")
    call = await waiting(api, keeper, "POST", "/api/v1/namespaces/short/configmaps", configmap("a"))
    await api.delete("/api/v1/namespaces/short")
    await api.call("PUT", "/api/v1/namespaces/short/finalize", {"metadata": {"name": "short"}, "spec": {"finalizers": []}})
    keeper.lets_pass.set()
    with pytest.raises(ApiError, match='namespaces "short" not found'):
        await call
    assert await api.names("/api/v1/configmaps", fieldSelector="metadata.name=a") == []


async def test_a_write_that_is_given_up_in_admission_takes_no_port(api: Api) -> None:
    def service(name: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30500}]}}

    keeper = keep(api.server.backend.admission, "a")
    call = await waiting(api, keeper, "POST", SERVICES, service("a"))
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await api.post(SERVICES, service("b"))
    assert await api.names(SERVICES) == ["b", "kubernetes"]


async def established(store: Store) -> None:
    async with asyncio.timeout(10):
        while (record := store.get(DEFINITION)) is None or not is_true(record.value, "Established"):
            await asyncio.sleep(0.01)


async def test_a_definition_is_established_though_its_client_has_gone(api: Api, store: Store) -> None:
    call = asyncio.create_task(api.post(CRDS, definition()))
    while store.latest(DEFINITION) is None:
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await established(store)


async def test_a_definition_that_a_crash_left_half_done_is_established(store: Store, state: Any) -> None:
    async with ApiServer.open(store, Settings(state)) as server:
        await Api(server, ADMIN).post(CRDS, definition())
    record = store.get(DEFINITION)
    assert record is not None
    bare = {key: value for key, value in record.value.items() if key != "status"}
    await store.update(record.key, bare, expected=record.revision)
    async with ApiServer.open(store, Settings(state)):
        await established(store)


async def test_many_may_patch_one_object_at_a_time(api: Api) -> None:
    """Of kinds whose replacements must state a version, too: a patch states none unless it says so."""
    lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/a"
    await api.post(lease.rpartition("/")[0], {"metadata": {"name": "a"}, "spec": {}})
    patches = [api.patch(lease, {"metadata": {"labels": {f"l{number}": "x"}}}) for number in range(30)]
    await asyncio.gather(*patches)
    assert len((await api.get(lease))["metadata"]["labels"]) == 30


async def test_a_slow_patch_of_a_kind_with_stated_versions_is_no_conflict(api: Api) -> None:
    lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/a"
    await api.post(lease.rpartition("/")[0], {"metadata": {"name": "a"}, "spec": {"holderIdentity": "x"}})
    keeper = keep(api.server.backend.admission, "a")
    call = await waiting(api, keeper, "PATCH", lease, {"spec": {"leaseDurationSeconds": 5}})
    await api.patch(lease, {"spec": {"holderIdentity": "y"}})
    keeper.lets_pass.set()
    assert (await call)["spec"] == {"holderIdentity": "y", "leaseDurationSeconds": 5}
