"""Custom resources of several versions, and of schemas that change: what each version shows of what is stored."""

from pilothouse.engine.store.store import Store
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.versions.things import CRD, ONE, TWO, V1, V2, definition, redefine, thing, version, watching


async def test_each_version_shows_its_own_fields(api: Api) -> None:
    await api.post(CRDS, definition(ONE, TWO))
    await api.post(V1, thing("v1", host="a", port="1"))
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "a", "port": "1"}
    shown = await api.get(f"{V2}/t")
    assert (shown["apiVersion"], shown["spec"]) == ("example.com/v2", {"port": "1"})
    assert [item["spec"] for item in (await api.get(V2))["items"]] == [{"port": "1"}]


async def test_what_is_written_through_a_version_is_stored_as_the_storage_version_has_it(api: Api, store: Store) -> None:
    await api.post(CRDS, definition(ONE, TWO))
    await api.post(V2, thing("v2", address="a"))
    stored = store.get("/things.example.com/default/t")
    assert stored is not None
    assert (stored.value["apiVersion"], stored.value["spec"]) == ("example.com/v1", {"port": "80"})


async def test_after_a_change_of_the_storage_version_old_objects_are_read_as_what_they_are(api: Api, store: Store) -> None:
    await api.post(CRDS, definition(ONE))
    await api.post(V1, thing("v1", host="a"))
    changed = await redefine(api, ONE | {"storage": False}, TWO | {"storage": True})
    assert changed["status"]["storedVersions"] == ["v1", "v2"]
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "a"}
    await api.patch(f"{V2}/t", {"spec": {"address": "b"}})
    stored = store.get("/things.example.com/default/t")
    assert stored is not None
    assert (stored.value["apiVersion"], stored.value["spec"]) == ("example.com/v2", {"address": "b", "port": "80"})


async def test_a_new_default_shows_in_what_is_stored_without_it(api: Api) -> None:
    await api.post(CRDS, definition(ONE))
    made = await api.post(V1, thing("v1", host="a"))
    await redefine(api, version("v1", {"port": {"type": "string", "default": "80"}}, storage=True))
    shown = await api.get(f"{V1}/t")
    assert shown["spec"] == {"port": "80"}
    assert shown["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert [item["spec"] for item in (await api.get(V1))["items"]] == [{"port": "80"}]


async def test_a_version_that_is_not_served_is_not_there(api: Api) -> None:
    await api.post(CRDS, definition(ONE, TWO | {"served": False}))
    assert (await api.refused("GET", V2)).code == 404


async def test_a_selector_sees_what_the_version_shows(api: Api) -> None:
    selectable = {"selectableFields": [{"jsonPath": ".spec.port"}]}
    await api.post(CRDS, definition(ONE))
    for name, port in (("a", {}), ("b", {"port": "1"})):
        await api.post(V1, thing("v1", name, **port))
    await redefine(api, ONE | selectable, TWO | selectable)
    assert await api.names(V2, fieldSelector="spec.port=80") == ["a"]
    assert await api.names(V1, fieldSelector="spec.port=1") == ["b"]
    async with watching(api, V2, fieldSelector="spec.port=80") as events:
        assert (await anext(events)).object["metadata"]["name"] == "a"
        await api.patch(f"{V1}/b", {"spec": {"port": "80"}})
        event = await anext(events)
        assert (event.type, event.object["spec"]) == ("ADDED", {"port": "80"})
    await api.delete(V2, fieldSelector="spec.port=80")
    assert await api.names(V1) == []


async def test_pages_of_what_has_to_be_adapted_show_everything_once(api: Api) -> None:
    await api.post(CRDS, definition(ONE))
    for number in range(7):
        await api.post(V1, thing("v1", f"t{number}", host="a"))
    await redefine(api, ONE, TWO)
    seen: list[str] = []
    query = {"limit": "3"}
    while True:
        page = await api.get(V2, **query)
        seen += [item["metadata"]["name"] for item in page["items"]]
        if not (token := page["metadata"].get("continue")):
            break
        query = {"limit": "3", "continue": token}
    assert seen == [f"t{number}" for number in range(7)]


async def test_a_watch_ends_when_its_resource_becomes_another(api: Api, watcher: Api) -> None:
    await api.post(CRDS, definition(ONE))
    async with watching(watcher, V1) as events:
        await api.post(V1, thing("v1"))
        assert (await anext(events)).type == "ADDED"
        await redefine(api, ONE, TWO)
        assert [event async for event in events] == []


async def test_a_watch_goes_on_when_nothing_changes_about_its_resource(api: Api) -> None:
    await api.post(CRDS, definition(ONE))
    async with watching(api, V1) as events:
        await api.patch(CRD, {"metadata": {"labels": {"a": "b"}}})
        await api.post(V1, thing("v1"))
        assert (await anext(events)).type == "ADDED"
