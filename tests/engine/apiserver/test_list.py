"""Lists: selectors, pages, versions."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.apiserver.verbs import list as lists
from pilothouse.engine.store.history import Limits
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.shelves import Shelves
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object, dumps
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.people import ADMIN


async def fill(api: Api, count: int) -> None:
    for number in range(count):
        await api.post(CONFIGMAPS, {"metadata": {"name": f"c{number}", "labels": {"odd": str(number % 2)}}})


async def test_pages_show_one_revision_while_others_write(api: Api) -> None:
    await fill(api, 5)
    first = await api.get(CONFIGMAPS, limit="2")
    assert first["metadata"]["remainingItemCount"] == 3
    await api.delete(f"{CONFIGMAPS}/c3")
    await api.post(CONFIGMAPS, configmap("c9"))
    found, token = [item["metadata"]["name"] for item in first["items"]], first["metadata"]["continue"]
    while token:
        page = await api.call("GET", CONFIGMAPS, **{"limit": "2", "continue": token})
        found += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
    assert found == ["c0", "c1", "c2", "c3", "c4"]


async def test_a_selector_hides_the_number_of_what_remains(api: Api) -> None:
    await fill(api, 4)
    page = await api.get(CONFIGMAPS, limit="1", labelSelector="odd=1")
    assert page["items"][0]["metadata"]["name"] == "c1"
    assert "remainingItemCount" not in page["metadata"]


async def test_fields_select_by_name(api: Api) -> None:
    await fill(api, 3)
    assert await api.names(CONFIGMAPS, fieldSelector="metadata.name=c1") == ["c1"]
    assert (await api.refused("GET", CONFIGMAPS, fieldSelector="data.x=1")).code == 400


async def test_an_exact_version_is_shown_as_it_was(api: Api) -> None:
    await fill(api, 2)
    version = (await api.get(CONFIGMAPS))["metadata"]["resourceVersion"]
    await api.delete(f"{CONFIGMAPS}/c0")
    assert await api.names(CONFIGMAPS, resourceVersion=version, resourceVersionMatch="Exact") == ["c0", "c1"]
    assert await api.names(CONFIGMAPS, resourceVersion=version) == ["c1"]


@pytest.mark.parametrize(
    ("token", "why"),
    [("e30", "server does not recognize this encoded version "), ("xx", "it is no JSON in base64"), ("!", "it is no JSON in base64")],
)
async def test_a_broken_continue_token_is_refused(api: Api, token: str, why: str) -> None:
    error = await api.refused("GET", CONFIGMAPS, **{"continue": token})
    assert (error.code, error.message) == (400, f"invalid continue token: continue key is not valid: {why}")


async def test_a_match_needs_a_version(api: Api) -> None:
    assert (await api.refused("GET", CONFIGMAPS, resourceVersionMatch="Exact")).code == 422


async def test_a_page_decodes_and_looks_at_no_more_than_it_shows(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        await api.post(CONFIGMAPS, configmap(f"c{number:02}"))
    looked: list[str] = []
    walk = Shelves.walk

    def counting(self: Shelves, prefix: str, start: str = "") -> Iterator[Record]:
        for record in walk(self, prefix, start):
            looked.append(record.key)
            yield record

    monkeypatch.setattr(Shelves, "walk", counting)
    page = await api.get(CONFIGMAPS, limit="5")
    assert len(looked) == 6
    await api.post(CONFIGMAPS, configmap("c031"))
    looked.clear()
    following = await api.get(CONFIGMAPS, limit="5", **{"continue": page["metadata"]["continue"]})
    assert len(looked) <= 7
    assert following["metadata"]["remainingItemCount"] == page["metadata"]["remainingItemCount"] - 5


@pytest.mark.parametrize(
    ("labels", "fields", "found"),
    [
        ("colour=red", "", ["a"]),
        ("colour in (red,blue)", "", ["a", "b"]),
        ("colour!=red", "", ["b", "c"]),
        ("!colour", "", ["c"]),
        ('quoted="', "", None),
        ("", "metadata.name=a", ["a"]),
        ("", "metadata.name=no/name", []),
        ("", "metadata.namespace=default,metadata.name!=a", ["b", "c"]),
        ("", "metadata.namespace=elsewhere", []),
        ("colour=red", "metadata.name=b", []),
    ],
)
async def test_a_selector_finds_what_matches_whatever_it_leaves_undecoded(
    api: Api, labels: str, fields: str, found: list[str] | None
) -> None:
    for name, marks in (("a", {"colour": "red"}), ("b", {"colour": "blue"}), ("c", {})):
        await api.post(CONFIGMAPS, configmap(name) | {"metadata": {"name": name, "labels": marks}})
    query = {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
    if found is None:
        with pytest.raises(ApiError):
            await api.get(CONFIGMAPS, **query)
        return
    shown = [item["metadata"]["name"] for item in (await api.get(CONFIGMAPS, **query))["items"]]
    assert [name for name in shown if name != "kube-root-ca.crt"] == found


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7])
async def test_pages_of_a_selection_have_all_of_it_once(api: Api, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_SLICE", 1)
    for number in range(12):
        await api.post(CONFIGMAPS, labelled(f"c{number:02}") if number % 2 else configmap(f"c{number:02}"))
    seen: list[str] = []
    more: dict[str, Any] = {}
    while True:
        page = await api.get(CONFIGMAPS, labelSelector="of=me", limit=str(limit), **more)
        seen += [item["metadata"]["name"] for item in page["items"]]
        if not page["metadata"].get("continue"):
            break
        more = {"continue": page["metadata"]["continue"]}
    assert seen == [f"c{number:02}" for number in range(1, 12, 2)]


def labelled(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "labels": {"of": "me"}}}


async def test_a_list_whose_first_page_is_too_old_may_be_gone_on_with_as_it_is_by_now(tmp_path: Path, state: Path) -> None:
    async with Store.open(tmp_path / "small.db", limits=Limits(changes=3)) as store, ApiServer.open(store, Settings(state)) as server:
        api = Api(server, ADMIN)
        await fill(api, 4)
        token = (await api.get(CONFIGMAPS, limit="2"))["metadata"]["continue"]
        await api.delete(f"{CONFIGMAPS}/c2")
        for name in ("c8", "c9", "d0"):
            await api.post(CONFIGMAPS, configmap(name))
        error = await api.refused("GET", CONFIGMAPS, **{"limit": "2", "continue": token})
        assert (error.code, error.reason) == (410, "Expired")
        page = await api.call("GET", CONFIGMAPS, **{"limit": "2", "continue": error.resume})
        assert [item["metadata"]["name"] for item in page["items"]] == ["c3", "c8"]
        assert [item["metadata"]["name"] for item in await rest(api, page)] == ["c9", "d0"]


async def rest(api: Api, page: Object) -> Any:
    return (await api.call("GET", CONFIGMAPS, **{"continue": page["metadata"]["continue"]}))["items"]


@pytest.mark.parametrize("revision", [0, -2, "x"])
async def test_a_token_of_no_revision_is_refused(api: Api, revision: object) -> None:
    token = b64encode(dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": "a"})).decode()
    assert (await api.refused("GET", CONFIGMAPS, **{"continue": token})).code == 400
