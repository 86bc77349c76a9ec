"""Lists: selectors, pages, versions."""

from collections.abc import Iterator

import pytest

from pilothouse.engine.store.record import Record
from pilothouse.engine.store.shelves import Shelves
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap


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


async def test_a_broken_continue_token_is_refused(api: Api) -> None:
    error = await api.refused("GET", CONFIGMAPS, **{"continue": "e30"})
    assert error.code == 400
    assert "continue key is not valid" in error.message


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
