"""Custom resources of several versions, and of schemas that change: what each version shows of what is stored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.client.transport import APPLY_PATCH, Call, WatchEvent
from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError, Conflict, Expired
from pilothouse.model.json import Object
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.turns import take_turns
from tests.engine.apiserver.webhooks.listener import Listener, listening

V1, V2 = (f"/apis/example.com/{version}/namespaces/default/things" for version in ("v1", "v2"))
CRD = f"{CRDS}/things.example.com"
TEXT = {"type": "string"}


def version(name: str, properties: Object, *, storage: bool = False, **more: Any) -> Object:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


ONE = version("v1", {"host": TEXT, "port": TEXT}, storage=True)
TWO = version("v2", {"address": TEXT, "port": {"type": "string", "default": "80"}})


def definition(*versions: Object, conversion: Object | None = None) -> Object:
    spec = {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": list(versions)}
    return {"metadata": {"name": "things.example.com"}, "spec": spec | ({"conversion": conversion} if conversion else {})}


def thing(of: str, name: str = "t", **spec: str) -> Object:
    return {"apiVersion": f"example.com/{of}", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


async def redefine(api: Api, *versions: Object, conversion: Object | None = None) -> Object:
    current = await api.get(CRD)
    made: Object = await api.put(CRD, current | {"spec": current["spec"] | definition(*versions, conversion=conversion)["spec"]})
    return made


@asynccontextmanager
async def watching(api: Api, path: str, **query: str) -> AsyncIterator[AsyncIterator[WatchEvent]]:
    async with asyncio.timeout(10), api.transport.watch(Call("GET", path, (("watch", "1"), *query.items()))) as events:
        yield events


@pytest.fixture(params=["in process", "over https"])
def watcher(request: pytest.FixtureRequest, api: Api, https: Https) -> Api:
    """Who watches, in either way."""
    return api if request.param == "in process" else https.certified("watcher", ADMINS)


# Without conversion


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


# With a webhook


def convert(document: Any) -> Any:
    """v1's `host` is v2's `address`."""
    request = document["request"]
    converted = [_converted(each, request["desiredAPIVersion"]) for each in request["objects"]]
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}
    return {"apiVersion": document["apiVersion"], "kind": "ConversionReview", "response": response}


def _converted(obj: Object, wanted: str) -> Object:
    spec = dict(obj.get("spec") or {})
    before, after = ("host", "address") if wanted.endswith("v2") else ("address", "host")
    if before in spec:
        spec[after] = spec.pop(before)
    return obj | {"apiVersion": wanted, "spec": spec}


@pytest.fixture
async def listener(authority: CertificateAuthority) -> AsyncIterator[Listener]:
    async with listening(authority) as listener:
        listener.answer = convert
        yield listener


def webhook(listener: Listener, *versions: str) -> Object:
    return {"strategy": "Webhook", "webhook": {"clientConfig": listener.config(), "conversionReviewVersions": list(versions) or ["v1"]}}


@pytest.fixture
async def converted(api: Api, listener: Listener) -> Listener:
    """The definition's webhook; one thing is stored as v1."""
    await api.post(CRDS, definition(ONE, TWO, conversion=webhook(listener)))
    await api.post(V1, thing("v1", host="a"))
    return listener


async def test_an_object_is_converted_for_who_reads_another_version(api: Api, converted: Listener) -> None:
    assert (await api.get(f"{V2}/t"))["spec"] == {"address": "a", "port": "80"}
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "a"}
    (review,) = converted.asked
    assert (review["apiVersion"], review["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
    assert review["request"]["desiredAPIVersion"] == "example.com/v2"
    assert [(each["apiVersion"], each["kind"], each["spec"]) for each in review["request"]["objects"]] == [
        ("example.com/v1", "Thing", {"host": "a"})
    ]


async def test_what_is_written_is_converted_to_the_storage_version(api: Api, converted: Listener, store: Store) -> None:
    made = await api.post(V2, thing("v2", "u", address="b"))
    assert (made["apiVersion"], made["spec"]) == ("example.com/v2", {"address": "b", "port": "80"})
    stored = store.get("/things.example.com/default/u")
    assert stored is not None
    assert (stored.value["apiVersion"], stored.value["spec"]) == ("example.com/v1", {"host": "b", "port": "80"})
    assert (await api.get(f"{V1}/u"))["spec"] == {"host": "b", "port": "80"}


async def test_updates_patches_and_applies_speak_of_their_own_version(api: Api, converted: Listener) -> None:
    assert (await api.patch(f"{V2}/t", {"spec": {"address": "b"}}))["spec"] == {"address": "b", "port": "80"}
    current = await api.get(f"{V2}/t")
    assert (await api.put(f"{V2}/t", current | {"spec": {"address": "c"}}))["spec"] == {"address": "c", "port": "80"}
    config = thing("v2", address="d")
    applied = await api.patch(f"{V2}/t", config, "application/apply-patch+yaml", fieldManager="me", force="true")
    assert applied["spec"] == {"address": "d", "port": "80"}
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "d", "port": "80"}
    assert (await api.delete(f"{V2}/t"))["status"] == "Success"


async def test_a_page_of_a_list_is_converted_in_one_call(api: Api, converted: Listener) -> None:
    for name in ("u", "v"):
        await api.post(V1, thing("v1", name, host=name))
    assert [item["spec"]["address"] for item in (await api.get(V2))["items"]] == ["a", "u", "v"]
    assert [len(review["request"]["objects"]) for review in converted.asked] == [3]
    await api.get(V2)
    assert len(converted.asked) == 1


async def test_large_objects_are_converted_in_parts_and_nobody_waits_for_all_of_them(api: Api, listener: Listener) -> None:
    """As JSON, a call has a megabyte: what many users may store must not be decoded at once."""
    free = {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    schema = {"schema": {"openAPIV3Schema": {"type": "object", "properties": free}}}
    await api.post(CRDS, definition(ONE | schema, TWO | schema, conversion=webhook(listener)))
    fields = {f"field-{number}": number for number in range(10_000)}
    for number in range(8):
        await api.post(V1, thing("v1", f"t{number}", host="a") | {"spec": fields})
    listener.asked.clear()
    turns: list[float] = []
    watching_turns = asyncio.ensure_future(take_turns(turns))
    assert len((await api.get(V2))["items"]) == 8
    watching_turns.cancel()
    assert sum(len(review["request"]["objects"]) for review in listener.asked) == 8
    assert max(len(request.body) for request in listener.requests) < 1_200_000
    assert max(turns) < sum(turns) / 3


async def test_a_watch_shows_converted_objects_in_their_order(api: Api, converted: Listener, watcher: Api) -> None:
    async with watching(watcher, V2) as events:
        assert (await anext(events)).object["spec"]["address"] == "a"
        for host in ("b", "c", "d"):
            await api.patch(f"{V1}/t", {"spec": {"host": host}})
        await api.delete(f"{V1}/t")
        found = [await anext(events) for _ in range(4)]
        assert [(event.type, event.object["spec"]["address"]) for event in found] == [
            ("MODIFIED", "b"),
            ("MODIFIED", "c"),
            ("MODIFIED", "d"),
            ("DELETED", "d"),
        ]
        assert {event.object["apiVersion"] for event in found} == {"example.com/v2"}


async def test_a_slow_webhook_holds_up_nobody_but_those_who_wait_for_it(api: Api, converted: Listener) -> None:
    released = asyncio.Event()

    async def slowly(document: Any) -> Any:
        await released.wait()
        return convert(document)

    converted.answer = slowly
    async with watching(api, V1) as plain, watching(api, V2, resourceVersion=(await api.get(V1))["metadata"]["resourceVersion"]) as other:
        waiting = asyncio.ensure_future(anext(other))
        await anext(plain)
        await api.patch(f"{V1}/t", {"spec": {"host": "b"}})
        assert (await anext(plain)).object["spec"] == {"host": "b"}
        assert not waiting.done()
        released.set()
        assert (await waiting).object["spec"]["address"] == "b"


async def test_a_write_that_was_judged_by_an_earlier_schema_is_not_stored(api: Api, converted: Listener) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def slowly(document: Any) -> Any:
        asked.set()
        await released.wait()
        return convert(document)

    converted.answer = slowly
    writing = asyncio.ensure_future(api.refused("POST", V2, thing("v2", "u", address="b")))
    await asked.wait()
    await redefine(api, ONE, version("v2", {"address": {"type": "string", "maxLength": 0}}), conversion=webhook(converted))
    released.set()
    assert (await writing).code == 409
    assert await api.names(V1) == ["t"]


async def test_a_write_behind_a_change_of_its_definition_that_is_not_on_disk_is_answered_409(api: Api, store: Store) -> None:
    await api.post(CRDS, definition(ONE))
    record = store.get("/customresourcedefinitions.apiextensions.k8s.io//things.example.com")
    assert record is not None
    changed = record.value | {"metadata": record.value["metadata"] | {"generation": 2}}
    changing = asyncio.ensure_future(store.update(record.key, changed, expected=record.revision))
    error, _ = await asyncio.gather(api.refused("POST", V1, thing("v1")), changing)
    assert error.code == 409


async def test_watchers_share_a_conversion(api: Api, converted: Listener) -> None:
    since = (await api.get(V1))["metadata"]["resourceVersion"]
    async with watching(api, V2, resourceVersion=since) as one, watching(api, V2, resourceVersion=since) as other:
        waiting = [asyncio.ensure_future(anext(events)) for events in (one, other)]
        await api.patch(f"{V1}/t", {"spec": {"host": "b"}})
        assert [(await each).object["spec"]["address"] for each in waiting] == ["b", "b"]
    assert len(converted.asked) == 1


async def test_who_waits_for_a_conversion_gets_it_when_who_asked_is_out_of_time(api: Api, converted: Listener) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def slowly(document: Any) -> Any:
        asked.set()
        await released.wait()
        return convert(document)

    converted.answer = slowly
    first = asyncio.ensure_future(api.refused("GET", f"{V2}/t", timeout="100ms"))
    await asked.wait()
    second = asyncio.ensure_future(api.get(V2))
    assert (await first).code == 504
    released.set()
    assert (await second)["items"][0]["spec"]["address"] == "a"
    assert len(converted.asked) == 1


async def test_who_wanted_to_share_a_conversion_has_it_begun_anew_when_who_asked_has_left(api: Api, converted: Listener) -> None:
    """A list waits for its own objects first; meanwhile the only one who waited for the other's conversion hangs up."""
    await api.post(V1, thing("v1", "u", host="b"))
    left = asyncio.Event()

    async def slowly(document: Any) -> Any:
        if [each["metadata"]["name"] for each in document["request"]["objects"]] == ["u"]:
            await left.wait()
        elif len(converted.asked) == 1:
            await asyncio.Event().wait()
        return convert(document)

    converted.answer = slowly
    first = asyncio.ensure_future(api.get(f"{V2}/t"))
    await until(lambda: len(converted.asked) == 1)
    second = asyncio.ensure_future(api.names(V2))
    await until(lambda: len(converted.asked) == 2)
    first.cancel()
    await asyncio.wait([first])
    left.set()
    async with asyncio.timeout(5):
        assert await second == ["t", "u"]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def test_who_waits_for_one_object_does_not_fail_for_the_others_of_a_list(api: Api, converted: Listener) -> None:
    await api.post(V1, thing("v1", "bad", host="bad"))
    asked, released = asyncio.Event(), asyncio.Event()

    async def choosily(document: Any) -> Any:
        if len(document["request"]["objects"]) > 1:
            asked.set()
            await released.wait()
            return {}
        return convert(document)

    converted.answer = choosily
    listing = asyncio.ensure_future(api.refused("GET", V2))
    await asked.wait()
    reading = asyncio.ensure_future(api.get(f"{V2}/t"))
    await asyncio.sleep(0)
    released.set()
    assert (await listing).code == 500
    assert (await reading)["spec"]["address"] == "a"


async def test_a_watch_is_over_when_its_objects_cannot_be_converted(api: Api, converted: Listener, watcher: Api) -> None:
    converted.answer = lambda document: {"nothing": "useful"}
    async with watching(watcher, V2, resourceVersion=(await api.get(V1))["metadata"]["resourceVersion"]) as events:
        await api.patch(f"{V1}/t", {"spec": {"host": "b"}})
        with pytest.raises(ApiError, match=r"conversion webhook for example\.com/v1, Kind=Thing failed"):
            await anext(events)


async def test_a_watch_that_had_to_leave_a_change_out_shows_nothing_after_it(
    api: Api, converted: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.verbs.watch.MOST_PENDING", 2)
    calls = asyncio.Semaphore(0)

    async def slowly(document: Any) -> Any:
        await calls.acquire()
        return convert(document)

    converted.answer = slowly
    async with watching(api, V2, resourceVersion=(await api.get(V1))["metadata"]["resourceVersion"]) as events:
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        for host in "abcd":
            await api.patch(f"{V1}/t", {"spec": {"host": host}})
        calls.release()
        seen = [(await first).object["spec"]["address"]]
        await api.patch(f"{V1}/t", {"spec": {"host": "e"}})
        for _ in range(4):
            calls.release()
        seen.append((await anext(events)).object["spec"]["address"])
        with pytest.raises(Expired):
            await anext(events)
        assert seen == ["b", "c"]


# Managers of fields that write in different versions


async def applied(api: Api, of: str, manager: str, *, force: bool = False, **spec: str) -> Object:
    path = f"/apis/example.com/{of}/namespaces/default/things/shared"
    found: Object = await api.patch(path, thing(of, "shared", **spec), APPLY_PATCH, fieldManager=manager, force=str(force).lower())
    return found


async def owned(api: Api) -> dict[str, tuple[str, Any]]:
    """By manager: the version of its entry, and what it owns of the spec."""
    entries = (await api.get(f"{V1}/shared"))["metadata"]["managedFields"]
    return {each["manager"]: (each["apiVersion"], each["fieldsV1"].get("f:spec")) for each in entries}


async def test_who_applies_another_value_in_another_version_is_in_conflict(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a", port="1")
    with pytest.raises(Conflict, match=r'conflict with "one": \.spec\.host'):
        await applied(api, "v2", "two", address="b")
    await applied(api, "v2", "two", address="b", force=True)
    assert await owned(api) == {"one": ("example.com/v1", {"f:port": {}}), "two": ("example.com/v2", {"f:address": {}})}


async def test_who_applies_the_same_value_in_another_version_shares_it(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a")
    await applied(api, "v2", "two", address="a")
    assert await owned(api) == {"one": ("example.com/v1", {"f:host": {}}), "two": ("example.com/v2", {"f:address": {}})}


async def test_an_update_takes_fields_from_managers_of_other_versions(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a", port="1")
    await api.patch(f"{V2}/shared", {"spec": {"address": "b"}}, fieldManager="editor")
    assert await owned(api) == {"one": ("example.com/v1", {"f:port": {}}), "editor": ("example.com/v2", {"f:address": {}})}


async def test_what_is_not_applied_any_more_goes_though_the_version_is_another(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a", port="1")
    await applied(api, "v2", "one", port="1")
    assert (await api.get(f"{V1}/shared"))["spec"] == {"port": "1"}
    assert await owned(api) == {"one": ("example.com/v2", {"f:port": {}})}


async def test_what_somebody_else_applied_in_another_version_stays(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a", port="1")
    await applied(api, "v2", "two", address="a")
    await applied(api, "v1", "one", port="1")
    assert (await api.get(f"{V1}/shared"))["spec"] == {"host": "a", "port": "1"}


async def test_managers_of_a_version_that_is_gone_are_given_up(api: Api) -> None:
    await api.post(CRDS, definition(ONE, TWO))
    await applied(api, "v1", "one", port="1")
    await applied(api, "v2", "two", port="1")
    found = await redefine(api, ONE)
    await api.put(f"{CRD}/status", found | {"status": found["status"] | {"storedVersions": ["v1"]}})
    await api.patch(f"{V1}/shared", {"spec": {"host": "b"}}, fieldManager="editor")
    assert await owned(api) == {"one": ("example.com/v1", {"f:port": {}}), "editor": ("example.com/v1", {"f:host": {}})}


async def test_an_update_in_the_stored_version_does_not_depend_on_the_webhook(api: Api, converted: Listener) -> None:
    await applied(api, "v2", "two", address="a")
    converted.answer = lambda document: {}
    await api.patch(f"{V1}/shared", {"spec": {"port": "1"}}, fieldManager="editor")
    assert (await owned(api))["two"] == ("example.com/v2", {"f:address": {}})
    with pytest.raises(ApiError, match=r"conversion webhook for example\.com/v1, Kind=Thing failed"):
        await applied(api, "v1", "one", port="2", force=True)


async def test_labels_and_annotations_may_be_changed_by_the_webhook(api: Api, converted: Listener) -> None:
    def labelled(document: Any) -> Any:
        answer = convert(document)
        for each in answer["response"]["convertedObjects"]:
            each["metadata"] = each["metadata"] | {"labels": {"a": "b"}, "generation": 99, "finalizers": ["x/y"]}
        return answer

    converted.answer = labelled
    metadata = (await api.get(f"{V2}/t"))["metadata"]
    assert (metadata["labels"], metadata["generation"], "finalizers" in metadata) == ({"a": "b"}, 1, False)


def _but(**changes: Any) -> Any:
    """The right answer with something else in its response, or in the object (`obj_...`) or its metadata (`meta_...`)."""

    def answer(document: Any) -> Any:
        found = convert(document)
        obj = found["response"]["convertedObjects"][0]
        for name, value in changes.items():
            if name.startswith("obj_"):
                obj[name[4:]] = value
            elif name.startswith("meta_"):
                obj["metadata"] = obj["metadata"] | {name[5:]: value}
            else:
                found["response"][name] = value
        return found

    return answer


FAILED = "conversion webhook for example.com/v1, Kind=Thing failed: "
RETURNED = "conversion webhook for example.com/v1, Kind=Thing returned "


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda document: {}, f"{FAILED}expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got , Kind="),
        (lambda document: convert(document) | {"response": None}, f"{FAILED}no response provided"),
        (_but(uid="x"), f'{FAILED}expected response.uid="'),
        (_but(result={"status": "Failed", "message": "no idea"}), f"{FAILED}no idea"),
        (_but(result={}), f"{FAILED}response.result.status was '', not 'Success'"),
        (_but(convertedObjects=[]), f"{RETURNED}0 objects, expected 1"),
        (_but(obj_apiVersion="example.com/v1"), f"{RETURNED}invalid object at index 0: invalid groupVersion (expected example.com/v2, "),
        (_but(obj_kind="Other"), f"{RETURNED}invalid object at index 0: invalid kind (expected Thing, received Other)"),
        (_but(meta_name="u"), f"{RETURNED}invalid object: must have the same name: t != u"),
        (_but(meta_namespace="u"), f"{RETURNED}invalid object: must have the same namespace: default != u"),
        (_but(meta_uid="u"), f"{RETURNED}invalid object: must have the same UID: "),
        (_but(meta_labels={"a": 1}), f"{RETURNED}invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object"),
        (_but(meta_labels={"a b": "c"}), f'{RETURNED}invalid metadata: metadata.labels: Invalid value: "a b": '),
    ],
)
async def test_an_answer_that_is_none_is_told_word_for_word(api: Api, converted: Listener, answer: Any, expected: str) -> None:
    converted.answer = answer
    error = await api.refused("GET", f"{V2}/t")
    assert (error.code, error.message[: len(expected)]) == (500, expected)
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "a"}


async def test_a_webhook_that_is_not_there_is_said_so(api: Api, listener: Listener) -> None:
    conversion = webhook(listener)
    conversion["webhook"]["clientConfig"] = {"url": "https://127.0.0.1:1/x", "caBundle": listener.bundle}
    await api.post(CRDS, definition(ONE, TWO, conversion=conversion))
    error = await api.refused("POST", V2, thing("v2", address="a"))
    assert error.code == 500
    assert error.message.startswith('conversion webhook for example.com/v2, Kind=Thing failed: Post "https://127.0.0.1:1/x?timeout=30s": ')


async def test_an_old_webhook_is_asked_in_the_review_that_it_knows(api: Api, listener: Listener) -> None:
    await api.post(CRDS, definition(ONE, TWO, conversion=webhook(listener, "v9", "v1beta1", "v1")))
    await api.post(V1, thing("v1", host="a"))
    assert (await api.get(f"{V2}/t"))["spec"]["address"] == "a"
    assert [review["apiVersion"] for review in listener.asked] == ["apiextensions.k8s.io/v1beta1"]


async def test_objects_from_before_the_second_version_are_converted_too(api: Api, listener: Listener) -> None:
    await api.post(CRDS, definition(ONE))
    await api.post(V1, thing("v1", host="a"))
    await redefine(api, ONE | {"storage": False}, TWO | {"storage": True}, conversion=webhook(listener))
    assert (await api.get(f"{V2}/t"))["spec"] == {"address": "a", "port": "80"}
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "a"}
